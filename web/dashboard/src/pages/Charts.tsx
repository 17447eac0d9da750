import type { ReactNode } from 'react';
import { useAsk } from '../api/api.ts';
import type { Timeline as Data } from '../api/contract.ts';
import { databaseNow } from '../lib/clock.ts';
import { useRoute } from '../lib/route.ts';
import { briefly, compact, duration, number, percent } from '../lib/words.ts';
import { Select } from '../ui/filters.tsx';
import { LineChart } from '../ui/LineChart.tsx';
import { Answered, Panel } from '../ui/Page.tsx';

/** How far back, in minutes, and how much a point holds, in seconds: what the contract keeps. */
const RANGES: Record<string, { label: string; minutes: number; step: number; every: string }> = {
  '1h': { label: 'One hour', minutes: 60, step: 60, every: 'minute' },
  '6h': { label: 'Six hours', minutes: 355, step: 300, every: 'five minutes' },
  '24h': { label: 'One day', minutes: 24 * 60, step: 900, every: 'quarter of an hour' },
  '14d': { label: 'Two weeks', minutes: 14 * 24 * 60, step: 4 * 3_600, every: 'four hours' },
};
const FIRST = '1h';

/** What has ended, over time. */
export function Charts({ types }: { types: readonly string[] }) {
  const { query } = useRoute();
  const range = RANGES[query.get('range') ?? FIRST] ?? RANGES[FIRST];
  const type = query.get('queue') ?? '';
  if (!range) return null;
  // The points begin with whole steps.
  const step = range.step * 1_000;
  const to = Math.ceil(databaseNow() / step) * step;
  const args = {
    p_from: new Date(to - range.minutes * 60_000).toISOString(),
    p_step: range.step,
    ...(type ? { p_job_type: type } : {}),
  };
  return (
    <Timeline
      args={args}
      question={`${range.label} ${type}`}
      every={range.every}
      tools={
        <>
          <Select
            label="Time"
            name="range"
            choices={Object.entries(RANGES).map(([value, { label }]) => [value, label] as const)}
          />
          <Select
            label="Queue"
            name="queue"
            choices={[['', 'All'], ...types.map((one) => [one, one] as const)]}
          />
        </>
      }
    />
  );
}

interface TimelineProps {
  args: { p_from: string; p_step: number; p_job_type?: string };
  question: string;
  every: string;
  tools: ReactNode;
}

function Timeline({ args, question, every, tools }: TimelineProps) {
  const timeline = useAsk('admin_timeline', args, 15_000, question);
  return (
    <Panel title="Over time" tools={tools}>
      <Answered polled={timeline}>{(data) => <All data={data} step={args.p_step} every={every} />}</Answered>
    </Panel>
  );
}

interface AllProps {
  data: Data;
  /** Seconds. */
  step: number;
  every: string;
}

function All({ data: { points, counted_until: until }, step, every }: AllProps) {
  // A point that is not whole yet looks like a fall.
  const end = until ? Date.parse(until) - step * 1_000 : 0;
  const whole = points.filter(({ at }) => Date.parse(at) <= end);
  const times = whole.map(({ at }) => Date.parse(at));
  const values = <K extends keyof Data['points'][number]>(key: K) => whole.map((point) => point[key]);
  return (
    <div className="charts">
      <LineChart
        title="Ended"
        lead={`Jobs in each ${every}`}
        times={times}
        series={[
          { name: 'completed', values: values('completed') },
          { name: 'failed', values: values('failed') },
          { name: 'cancelled', values: values('cancelled') },
        ]}
        say={number}
        tick={compact}
        least={4}
      />
      <LineChart
        title="Success"
        lead="Completed, of those that completed or failed"
        times={times}
        series={[{ name: 'success', values: values('success_rate') }]}
        say={percent}
        least={1}
      />
      <LineChart
        title="Wait"
        lead="From when a job was due to the begin of its last run"
        times={times}
        series={[
          { name: 'p50', values: values('wait_p50') },
          { name: 'p95', values: values('wait_p95') },
          { name: 'p99', values: values('wait_p99') },
        ]}
        say={duration}
        tick={briefly}
      />
      <LineChart
        title="Run"
        lead="How long that run took"
        times={times}
        series={[
          { name: 'p50', values: values('run_p50') },
          { name: 'p95', values: values('run_p95') },
          { name: 'p99', values: values('run_p99') },
        ]}
        say={duration}
        tick={briefly}
      />
    </div>
  );
}
