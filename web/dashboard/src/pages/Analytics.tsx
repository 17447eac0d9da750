import { given, useRows } from '../api/api.ts';
import type { AnalyticsArgs, AnalyticsRow, Dimension } from '../api/contract.ts';
import { databaseNow } from '../lib/clock.ts';
import { fieldOf, MOST_ROWS } from '../lib/export.ts';
import { choose, useRoute } from '../lib/route.ts';
import { compact, duration, money, number } from '../lib/words.ts';
import { TextFilter } from '../ui/filters.tsx';
import { LineChart } from '../ui/LineChart.tsx';
import { Answered, Head, Panel } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { Id, Status } from '../ui/values.tsx';
import { Export } from './Export.tsx';

const DIMENSIONS: readonly (readonly [Dimension, string])[] = [
  ['day', 'Day'],
  ['model', 'Model'],
  ['status', 'Status'],
  ['country', 'Country'],
  ['error_code', 'Error code'],
  ['user', 'User'],
];
const STANDARD: Dimension[] = ['day', 'status'];
const DAY_MS = 86_400_000;
/** More rows are downloaded, not looked at. */
const SHOWN = 500;

const day = (at: number) => new Date(at).toISOString().slice(0, 10);

/** What has ended by day, model, status and country: time, money, failures; as a table, a chart and a file. */
export function Analytics() {
  const { query } = useRoute();
  const from = query.get('from') || day(databaseNow() - 29 * DAY_MS);
  const to = query.get('to') || day(databaseNow());
  const by = DIMENSIONS.map(([name]) => name).filter((name) =>
    (query.get('by')?.split('.') ?? STANDARD).includes(name),
  );
  const filters = given({
    p_user_id: query.get('user') ?? '',
    p_model: query.get('model') ?? '',
    p_country: query.get('country') ?? '',
  });
  const args = { p_from: from, p_to: to, p_by: by, ...filters } satisfies AnalyticsArgs;
  // The database reads all users of one day, or one user.
  const isForFile = by.includes('user') && !args.p_user_id && from !== to;
  return (
    <>
      <Head
        title="Analytics"
        lead={`Generations that have ended, by UTC days; a minute behind, kept for 400 days. A file has all of what is chosen, also of all users over many days, up to ${number(MOST_ROWS)} rows.`}
      >
        <Export args={args} by={by} />
      </Head>
      <div className="filters">
        <TextFilter label="From" name="from" type="date" standard={from} submit="Set" />
        <TextFilter label="To" name="to" type="date" standard={to} submit="Set" />
        <TextFilter label="Model" name="model" />
        <TextFilter label="User’s id" name="user" />
        <TextFilter label="Country" name="country" />
      </div>
      <By chosen={by} />
      {isForFile ? (
        <p className="waiting">
          The rows of all users over more than one day are in the file. To look at them here, choose one day
          or one user.
        </p>
      ) : (
        <Rows args={args} by={by} />
      )}
    </>
  );
}

function Rows({ args, by }: { args: AnalyticsArgs; by: readonly Dimension[] }) {
  const rows = useRows('admin_analytics', args, 60_000);
  return <Answered polled={rows}>{(data) => <Parts rows={data} by={by} />}</Answered>;
}

/** What the rows tell apart. */
function By({ chosen }: { chosen: readonly Dimension[] }) {
  const toggle = (name: Dimension, isChosen: boolean) => {
    const next = isChosen ? [...chosen, name] : chosen.filter((one) => one !== name);
    choose({ by: next.join('.') || 'none' });
  };
  return (
    <fieldset className="checks">
      <legend>A row for each</legend>
      {DIMENSIONS.map(([name, label]) => (
        <label key={name}>
          <input
            type="checkbox"
            checked={chosen.includes(name)}
            onChange={({ target }) => toggle(name, target.checked)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Parts({ rows, by }: { rows: readonly AnalyticsRow[]; by: readonly Dimension[] }) {
  const sum = (of: (row: AnalyticsRow) => number) => rows.reduce((total, row) => total + of(row), 0);
  const shown = rows.slice(0, SHOWN);
  return (
    <>
      <ul className="tiles" aria-label="In all">
        <li className="tile">
          <div>
            <span className="tile-name">Generations</span>
            <strong className="tile-value">{number(sum((row) => row.generations))}</strong>
          </div>
        </li>
        <li className="tile">
          <div>
            <span className="tile-name">Cost</span>
            <strong className="tile-value">{money(sum((row) => row.cost_usd))}</strong>
          </div>
        </li>
        <li className="tile">
          <div>
            <span className="tile-name">Time of the completed</span>
            <strong className="tile-value">{duration(sum((row) => row.seconds))}</strong>
          </div>
        </li>
      </ul>
      {by.includes('day') && <Days rows={rows} isSplit={by.includes('status')} />}
      <Panel
        title="Rows"
        lead={
          rows.length > SHOWN
            ? `The first ${number(SHOWN)} of ${number(rows.length)}: download the file for all.`
            : `${number(rows.length)} in all.`
        }
      >
        <Table
          caption="Generations that have ended"
          columns={columns(by)}
          rows={shown}
          keyOf={(row) => DIMENSIONS.map(([name]) => row[fieldOf(name)] ?? '').join('|')}
          empty="Nothing has ended in this time."
        />
      </Panel>
    </>
  );
}

/** Added up by day: generations by how they ended, and money. */
function Days({ rows, isSplit }: { rows: readonly AnalyticsRow[]; isSplit: boolean }) {
  const days = [...new Set(rows.flatMap((row) => (row.day ? [row.day] : [])))].sort();
  const sums = (of: (row: AnalyticsRow) => number, status?: string) => {
    const totals = new Map(days.map((one) => [one, 0]));
    for (const row of rows)
      if (row.day && (!status || row.status === status))
        totals.set(row.day, (totals.get(row.day) ?? 0) + of(row));
    return days.map((one) => totals.get(one) ?? 0);
  };
  const generations = (row: AnalyticsRow) => row.generations;
  const times = days.map((one) => Date.parse(`${one}T00:00:00`));
  return (
    <Panel title="By day">
      <div className="charts">
        <LineChart
          title="Generations"
          times={times}
          series={
            isSplit
              ? ['completed', 'failed', 'cancelled'].map((name) => ({
                  name,
                  values: sums(generations, name),
                }))
              : [{ name: 'ended', values: sums(generations) }]
          }
          say={number}
          tick={compact}
          least={4}
        />
        <LineChart
          title="Cost"
          times={times}
          series={[{ name: 'US dollars', values: sums((row) => row.cost_usd) }]}
          say={money}
        />
      </div>
    </Panel>
  );
}

function columns(by: readonly Dimension[]): Column<AnalyticsRow>[] {
  const dimension = (name: Dimension, title: string, index: number): Column<AnalyticsRow> => ({
    title,
    head: index === 0,
    cell: (row) => {
      if (name === 'user') return <Id kind="user" id={row.user_id} />;
      if (name === 'status') return <Status of={row.status} />;
      return <span translate="no">{row[name] || '–'}</span>;
    },
  });
  return [
    ...DIMENSIONS.filter(([name]) => by.includes(name)).map(([name, title], index) =>
      dimension(name, title, index),
    ),
    { title: 'Generations', numeric: true, cell: (row) => number(row.generations) },
    { title: 'Time', numeric: true, cell: (row) => duration(row.seconds) },
    { title: 'Cost', numeric: true, cell: (row) => money(row.cost_usd) },
  ];
}
