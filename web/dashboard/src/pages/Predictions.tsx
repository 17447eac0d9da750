import { given, useAsk } from '../api/api.ts';
import type { Prediction } from '../api/contract.ts';
import { useRoute } from '../lib/route.ts';
import { duration, money, number, or } from '../lib/words.ts';
import { Pager, TextFilter } from '../ui/filters.tsx';
import { Answered, Head } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { At, Id, Status, Tag } from '../ui/values.tsx';

/** The ledger: what the provider ran for us, and what each run cost. */
export function Predictions() {
  const { query } = useRoute();
  const args = given({ p_search: query.get('search') ?? '', p_cursor: query.get('cursor') ?? '' });
  const page = useAsk('admin_predictions', args, 5_000);
  return (
    <>
      <Head title="Ledger" lead="Every prediction at the provider, the newest first, with what it cost." />
      <div className="filters">
        <TextFilter label="Any id, or a user’s email" name="search" submit="Search" />
      </div>
      <Answered polled={page}>
        {({ predictions, next_cursor: next }) => (
          <>
            <Ledger rows={predictions} empty="No such prediction." />
            <Pager next={next} />
          </>
        )}
      </Answered>
    </>
  );
}

const COLUMNS: Column<Prediction>[] = [
  {
    title: 'Prediction',
    head: true,
    cell: ({ id }) => (
      <a
        className="id"
        href={`https://replicate.com/p/${encodeURIComponent(id)}`}
        target="_blank"
        rel="noreferrer"
        title="At Replicate"
        translate="no"
      >
        {id}
      </a>
    ),
  },
  { title: 'Model', cell: (one) => <span translate="no">{one.model ?? '–'}</span> },
  {
    title: 'Status',
    cell: (one) => (
      <span className="with-tag">
        {one.status ? <Status of={one.status} /> : <Tag>runs</Tag>}
        {one.is_unwanted && <Tag tone="warn">unwanted</Tag>}
      </span>
    ),
  },
  { title: 'Source', cell: (one) => one.source },
  { title: 'Attempt', numeric: true, cell: (one) => number(one.attempt) },
  { title: 'Recorded', cell: (one) => <At time={one.recorded_at} /> },
  { title: 'Ended', cell: (one) => <At time={one.ended_at} /> },
  { title: 'Ran', numeric: true, cell: (one) => or(one.predict_seconds, duration) },
  { title: 'Cost', numeric: true, cell: (one) => or(one.cost_usd, money) },
  { title: 'Generation', cell: (one) => <Id kind="generation" id={one.generation_id} /> },
  { title: 'Job', cell: (one) => <Id kind="job" id={one.job_id} /> },
  { title: 'User', cell: (one) => <Id kind="user" id={one.user_id} /> },
];

export function Ledger({ rows, empty }: { rows: readonly Prediction[]; empty: string }) {
  return <Table caption="Predictions" columns={COLUMNS} rows={rows} keyOf={({ id }) => id} empty={empty} />;
}
