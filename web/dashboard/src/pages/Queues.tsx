import { Button } from '../../../src/ui/Button.tsx';
import { useApi } from '../api/api.ts';
import type { Overview, Queue } from '../api/contract.ts';
import { address } from '../lib/route.ts';
import { number } from '../lib/words.ts';
import { useAct } from '../ui/actions.tsx';
import { Panel } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { Age, AgeByMinute, Tag, Until } from '../ui/values.tsx';
import { pauseWhat, resumeWhat } from './actions.ts';

/** Each type of job: how many there are in each state, and how old the oldest is. */
export function Queues({ overview }: { overview: Overview }) {
  const { call } = useApi();
  const act = useAct();
  const link = (state: string, type: string, value: number) =>
    value > 0 ? (
      <a className="number-link" href={address('jobs', undefined, { state, type })}>
        {number(value)}
      </a>
    ) : (
      '0'
    );
  const columns: Column<Queue>[] = [
    {
      title: 'Queue',
      head: true,
      cell: ({ job_type: type, is_held: isHeld }) => (
        <span className="with-tag">
          <span translate="no">{type}</span>
          {isHeld && <Tag tone="warn">paused</Tag>}
        </span>
      ),
    },
    { title: 'Waiting', numeric: true, cell: (queue) => number(queue.waiting) },
    {
      title: 'Ready',
      numeric: true,
      cell: (queue) => link('ready', queue.job_type, queue.ready),
    },
    {
      title: 'Blocked',
      numeric: true,
      cell: (queue) => link('blocked', queue.job_type, queue.blocked),
    },
    {
      title: 'Scheduled',
      numeric: true,
      cell: (queue) => link('scheduled', queue.job_type, queue.scheduled),
    },
    { title: 'Running', numeric: true, cell: (queue) => link('running', queue.job_type, queue.running) },
    { title: 'Oldest ready', numeric: true, cell: (queue) => <Age since={queue.oldest_ready_at} /> },
    { title: 'Oldest blocked', numeric: true, cell: (queue) => <Age since={queue.oldest_blocked_at} /> },
    {
      title: 'Oldest running',
      numeric: true,
      cell: (queue) => <AgeByMinute minute={queue.oldest_running_at} />,
    },
    {
      title: 'Next due',
      numeric: true,
      cell: (queue) => <Until time={queue.next_scheduled_at} over="now" />,
    },
    {
      title: 'Actions',
      hideTitle: true,
      cell: ({ job_type: type, is_held: isHeld }) => {
        const what = { p_what: 'job_type', p_name: type } as const;
        return (
          <Button
            kind="quiet"
            aria-label={`${isHeld ? 'Resume' : 'Pause'} ${type} jobs`}
            onClick={() => act(isHeld ? resumeWhat(call, what) : pauseWhat(call, what))}
          >
            {isHeld ? 'Resume' : 'Pause'}
          </Button>
        );
      },
    },
  ];
  return (
    <Panel
      title="Queues"
      lead="Waiting is ready, blocked and scheduled together. The oldest ready job is the one that is taken next."
    >
      <Table
        caption="Jobs by type"
        columns={columns}
        rows={overview.queues}
        keyOf={({ job_type: type }) => type}
        empty="No job has ever been in the queue."
      />
    </Panel>
  );
}
