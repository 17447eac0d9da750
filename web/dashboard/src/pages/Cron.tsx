import { useAsk } from '../api/api.ts';
import type { CronRun } from '../api/contract.ts';
import { useRoute } from '../lib/route.ts';
import { briefly, duration, number, or } from '../lib/words.ts';
import { Select } from '../ui/filters.tsx';
import { LineChart } from '../ui/LineChart.tsx';
import { Answered, Head, Panel } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { At, Tag } from '../ui/values.tsx';

const LENGTHS = [
  ['60', 'The last 60'],
  ['240', 'The last 240'],
  ['1440', 'A day: the last 1,440'],
] as const;
/** It runs each minute; later than this it has missed some. Seconds. */
const LATE = 180;

/** When the cron has run, and what it did. */
export function Cron() {
  const { query } = useRoute();
  const length = LENGTHS.find(([value]) => value === query.get('runs'))?.[0] ?? '60';
  const history = useAsk('admin_cron_history', { p_limit: Number(length) }, 15_000);
  return (
    <>
      <Head title="Cron" lead="It runs each minute: claims what is due or lost, and does the maintenance." />
      <div className="filters">
        <Select label="Runs" name="runs" choices={LENGTHS} />
      </div>
      <Answered polled={history}>
        {({ runs }) => (
          <>
            <Panel title="Over time">
              <LineChart
                title="Between runs"
                lead="How long after the run before each began"
                times={runs.map(({ ran_at: at }) => Date.parse(at)).reverse()}
                series={[{ name: 'gap', values: runs.map(({ gap_seconds: gap }) => gap).reverse() }]}
                say={duration}
                tick={briefly}
                least={60}
              />
            </Panel>
            <Panel title="Runs">
              <Table
                caption="Runs of the cron"
                columns={COLUMNS}
                rows={runs}
                keyOf={({ ran_at: at }) => at}
                empty="It has not run yet."
              />
            </Panel>
          </>
        )}
      </Answered>
    </>
  );
}

const stat = (run: CronRun, name: string) => {
  const value = run.stats[name];
  return typeof value === 'number' ? number(value) : '–';
};

const COLUMNS: Column<CronRun>[] = [
  { title: 'When', head: true, cell: (run) => <At time={run.ran_at} /> },
  {
    title: 'After',
    numeric: true,
    cell: (run) => (
      <span className="with-tag">
        <span>{or(run.gap_seconds, duration)}</span>
        {(run.gap_seconds ?? 0) > LATE && <Tag tone="bad">late</Tag>}
      </span>
    ),
  },
  { title: 'Claimed', numeric: true, cell: (run) => stat(run, 'claimed') },
  { title: 'Processed', numeric: true, cell: (run) => stat(run, 'processed') },
  { title: 'Errors', numeric: true, cell: (run) => stat(run, 'errors') },
  { title: 'Rescued', numeric: true, cell: (run) => stat(run, 'rescued') },
  {
    title: 'Took',
    numeric: true,
    cell: ({ stats: { duration_ms: ms } }) => (typeof ms === 'number' ? duration(ms / 1_000) : '–'),
  },
  { title: 'Rolled up', numeric: true, cell: (run) => number(run.rolled_up) },
];
