import { Button } from '../../../src/ui/Button.tsx';
import { given, useApi, useAsk, useOverview } from '../api/api.ts';
import type { Job, JobState } from '../api/contract.ts';
import { useRoute } from '../lib/route.ts';
import { number } from '../lib/words.ts';
import { useAct } from '../ui/actions.tsx';
import { Pager, Select, TextFilter } from '../ui/filters.tsx';
import { Answered, Head } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { Age, At, Id, Status, Until } from '../ui/values.tsx';
import { cancelJob, requeueJob } from './actions.ts';
import { requeueMany } from './requeue-many.tsx';

const STATES: readonly (readonly [JobState, string])[] = [
  ['running', 'Running'],
  ['stuck', 'Stuck: over ten minutes'],
  ['ready', 'Ready'],
  ['blocked', 'Blocked'],
  ['scheduled', 'Scheduled'],
  ['failed', 'Dead letters'],
  ['completed', 'Completed'],
  ['cancelled', 'Cancelled'],
];

/** Jobs in one state, in the order of what comes next. */
export function Jobs() {
  const { query } = useRoute();
  const { call } = useApi();
  const act = useAct();
  const overview = useOverview().data;
  const asked = query.get('state');
  const state = STATES.find(([name]) => name === asked)?.[0] ?? 'running';
  const type = query.get('type') ?? '';
  const filters = {
    p_job_type: type,
    p_user_id: query.get('user') ?? '',
    p_error_code: state === 'failed' ? (query.get('code') ?? '') : '',
    p_cursor: query.get('cursor') ?? '',
  };
  const jobs = useAsk('admin_jobs', { p_state: state, ...given(filters) }, 4_000);
  const types = overview?.queues.map((queue) => [queue.job_type, queue.job_type] as const) ?? [];
  const isReady = state === 'ready';
  return (
    <>
      <Head
        title="Jobs"
        lead="What waits, runs and has ended. A job leads to its errors, a generation to its whole story."
      >
        {state === 'failed' && (
          <Button icon="retry" onClick={() => act(requeueMany(call, filters))}>
            Requeue many
          </Button>
        )}
      </Head>
      <div className="filters">
        <Select label="State" name="state" choices={STATES} />
        <Select
          label="Queue"
          name="type"
          choices={
            isReady
              ? [['', 'generate-image'], ...types.filter(([name]) => name !== 'generate-image')]
              : [['', 'All'], ...types]
          }
        />
        <TextFilter label="User’s id" name="user" />
        {state === 'failed' && <TextFilter label="Error code" name="code" />}
      </div>
      <Answered polled={jobs}>
        {({ jobs: rows, next_cursor: next }) => (
          <>
            <Table
              caption="Jobs"
              columns={columnsOf(state, {
                cancel: (id) => act(cancelJob(call, id)),
                requeue: (id) => act(requeueJob(call, id)),
              })}
              rows={rows}
              keyOf={({ id }) => id}
              empty={
                next ? 'None among those that were looked through: go on to the next page.' : 'No such job.'
              }
            />
            <Pager next={next} />
          </>
        )}
      </Answered>
    </>
  );
}

interface Offers {
  cancel: (id: string) => void;
  requeue: (id: string) => void;
}

function columnsOf(state: JobState, { cancel, requeue }: Offers): Column<Job>[] {
  const isRunning = state === 'running' || state === 'stuck';
  const hasEnded = state === 'failed' || state === 'completed' || state === 'cancelled';
  const columns: (Column<Job> | false)[] = [
    { title: 'Job', head: true, cell: (job) => <Id kind="job" id={job.id} /> },
    { title: 'Queue', cell: (job) => <span translate="no">{job.job_type}</span> },
    { title: 'Model', cell: (job) => <span translate="no">{job.model ?? '–'}</span> },
    { title: 'User', cell: (job) => <Id kind="user" id={job.user_id} /> },
    { title: 'Generation', cell: (job) => <Id kind="generation" id={job.generation_id} /> },
    { title: 'Attempts', numeric: true, cell: (job) => `${job.attempts} of ${job.max_attempts}` },
    !hasEnded && { title: 'Priority', numeric: true, cell: (job) => number(job.priority) },
    isRunning && { title: 'Runs for', numeric: true, cell: (job) => <Age since={job.started_at} /> },
    isRunning && {
      title: 'Lease',
      numeric: true,
      cell: (job) => <Until time={job.lease_expires_at} over="over" />,
    },
    (state === 'ready' || state === 'blocked') && {
      title: 'Waits for',
      numeric: true,
      cell: (job) => <Age since={job.scheduled_at} />,
    },
    state === 'scheduled' && {
      title: 'Due in',
      numeric: true,
      cell: (job) => <Until time={job.scheduled_at} over="now" />,
    },
    hasEnded && { title: 'Ended', cell: (job) => <At time={job.completed_at} /> },
    hasEnded && state !== 'failed' && { title: 'Status', cell: (job) => <Status of={job.status} /> },
    state !== 'completed' && {
      title: 'Last error',
      cell: (job) => (
        <span className="error-cell">
          <span>{job.error_message ?? '–'}</span>
          {job.error_code && <code translate="no">{job.error_code}</code>}
        </span>
      ),
    },
    !hasEnded && {
      title: 'Actions',
      hideTitle: true,
      cell: (job) => (
        <Button kind="quiet" aria-label={`Cancel job ${job.id}`} onClick={() => cancel(job.id)}>
          Cancel
        </Button>
      ),
    },
    state === 'failed' && {
      title: 'Actions',
      hideTitle: true,
      cell: (job) => (
        <Button kind="quiet" aria-label={`Requeue job ${job.id}`} onClick={() => requeue(job.id)}>
          Requeue
        </Button>
      ),
    },
  ];
  return columns.filter((column) => column !== false);
}
