import { Button } from '../../../src/ui/Button.tsx';
import { useApi, useOverview } from '../api/api.ts';
import type { Overview as Data } from '../api/contract.ts';
import { address } from '../lib/route.ts';
import { count, duration, money, number, or, percent, time } from '../lib/words.ts';
import { useAct } from '../ui/actions.tsx';
import { Answered, Head, Panel } from '../ui/Page.tsx';
import { Meter } from '../ui/values.tsx';
import { pauseWhat, resumeWhat } from './actions.ts';
import { Charts } from './Charts.tsx';
import { Conditions } from './Conditions.tsx';
import { Queues } from './Queues.tsx';

/** How the queue stands now, and how it came there. */
export function Overview() {
  const overview = useOverview();
  const { call } = useApi();
  const act = useAct();
  const isHeld = overview.data?.holds.queue;
  const queue = { p_what: 'queue' } as const;
  return (
    <>
      <Head title="Overview" lead="How the queue stands now, and what has ended.">
        {isHeld !== undefined && (
          <Button onClick={() => act(isHeld ? resumeWhat(call, queue) : pauseWhat(call, queue))}>
            {isHeld ? 'Resume the queue' : 'Pause the queue'}
          </Button>
        )}
      </Head>
      <Answered polled={overview}>
        {(data) => (
          <>
            <Conditions overview={data} />
            <Tiles overview={data} />
            <Queues overview={data} />
            <Charts types={data.queues.map(({ job_type: type }) => type)} />
            <Money overview={data} />
          </>
        )}
      </Answered>
    </>
  );
}

interface TileProps {
  name: string;
  value: string;
  note?: string;
  to?: string;
  tone?: 'warn' | 'bad' | undefined;
}

function Tile({ name, value, note, to, tone }: TileProps) {
  const content = (
    <>
      <span className="tile-name">{name}</span>
      <strong className="tile-value">{value}</strong>
      <span className="tile-note">{note ?? ''}</span>
    </>
  );
  return (
    <li className="tile" data-tone={tone}>
      {to ? <a href={to}>{content}</a> : <div>{content}</div>}
    </li>
  );
}

function Tiles({ overview }: { overview: Data }) {
  const { totals, throughput, budget, cron } = overview;
  const ended = (minutes: number) => throughput.find((one) => one.minutes === minutes);
  const quarter = ended(15);
  const five = ended(5);
  const jobs = (state: string) => address('jobs', undefined, { state });
  const lag = cron.lag_seconds;
  const isLate = lag === null || lag > 180;
  return (
    <ul className="tiles" aria-label="In numbers">
      <Tile name="Waiting" value={number(totals.waiting)} note="ready, blocked and scheduled" />
      <Tile name="Ready" value={number(totals.ready)} note="the next claims take them" to={jobs('ready')} />
      <Tile
        name="Blocked"
        value={number(totals.blocked)}
        note="their users have no slot free"
        to={jobs('blocked')}
      />
      <Tile name="Scheduled" value={number(totals.scheduled)} note="not due yet" to={jobs('scheduled')} />
      <Tile
        name="Running"
        value={number(totals.running)}
        note={totals.lost > 0 ? `${number(totals.lost)} lost their lease` : 'under a lease'}
        to={jobs('running')}
      />
      <Tile
        name="Stuck"
        value={number(totals.stuck)}
        note="running for over ten minutes"
        to={jobs('stuck')}
        tone={totals.stuck > 0 ? 'warn' : undefined}
      />
      <Tile
        name="Dead letters"
        value={number(totals.dead_letters_24h)}
        note="failed for good in 24 hours"
        to={jobs('failed')}
        tone={totals.dead_letters_24h > 0 ? 'warn' : undefined}
      />
      <Tile
        name="Success"
        value={or(quarter?.success_rate, percent)}
        note="of the last 15 minutes"
        tone={(quarter?.success_rate ?? 1) < 0.9 ? 'bad' : undefined}
      />
      <Tile
        name="Throughput"
        value={or(
          five && five.completed / 5,
          (rate) => `${rate < 10 ? rate.toFixed(1) : number(Math.round(rate))}/min`,
        )}
        note="completed, last 5 minutes"
      />
      <Tile {...providerTile(overview)} />
      <Tile name="Spent today" value={money(budget.spent_today_usd)} note="at the provider, UTC" />
      <Tile name="Spent this month" value={money(budget.spent_this_month_usd)} note="at the provider, UTC" />
      <Tile
        name="Cron"
        value={lag === null ? 'never' : duration(lag)}
        note={lag === null ? 'it has not run yet' : 'since its last run'}
        to={address('cron')}
        tone={isLate ? 'bad' : undefined}
      />
      <Tile
        name="Outputs at risk"
        value={number(overview.outputs.at_risk)}
        note={
          overview.outputs.seconds_left === null
            ? 'every image is stored'
            : `the oldest is deleted in ${duration(overview.outputs.seconds_left)}`
        }
        tone={overview.outputs.at_risk > 0 ? 'bad' : undefined}
      />
    </ul>
  );
}

/** Whether it creates; why not is said above, with what can be done. */
function providerTile({ provider, refused_models: refused }: Data): TileProps {
  const name = 'Provider';
  if (provider.is_probing)
    return { name, value: 'tried', note: 'one job at a time, after a pause', tone: 'warn' };
  if (provider.paused_until)
    return { name, value: 'paused', note: `until ${time(provider.paused_until)}`, tone: 'bad' };
  if (refused.length > 0)
    return { name, value: 'creates', note: `refuses ${count(refused.length, 'model')}`, tone: 'warn' };
  return { name, value: 'creates', note: 'and refuses no model' };
}

/** What the installation has spent of what it may. */
function Money({ overview: { budget } }: { overview: Data }) {
  const periods = [
    { name: 'Today', spent: budget.spent_today_usd, most: budget.per_day_usd },
    { name: 'This month', spent: budget.spent_this_month_usd, most: budget.per_month_usd },
  ];
  return (
    <Panel
      title="Money"
      lead={
        budget.source === 'budget'
          ? 'What the provider was paid, by UTC days, against the budget.'
          : 'What the provider was paid, by UTC days; up to a minute old, because no budget is set.'
      }
      tools={
        <a className="text-link" href={address('plans')}>
          Budget and plans
        </a>
      }
    >
      <div className="money">
        {periods.map(({ name, spent, most }) => {
          const says = most === null ? `${money(spent)}, no budget` : `${money(spent)} of ${money(most)}`;
          return (
            <div key={name}>
              <div className="field-head">
                <span className="label">{name}</span>
                <span>{says}</span>
              </div>
              {most !== null && <Meter label={`Spent: ${name}`} value={spent} most={most} says={says} />}
            </div>
          );
        })}
        <p className="hint">
          {budget.reserved_usd === null
            ? 'Nothing is reserved without a budget.'
            : `${money(budget.reserved_usd)} reserved for what is under way.`}
        </p>
      </div>
    </Panel>
  );
}
