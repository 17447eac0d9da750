import { Button } from '../../../src/ui/Button.tsx';
import { useApi, useAsk } from '../api/api.ts';
import type { JobDetail, JobError } from '../api/contract.ts';
import { number } from '../lib/words.ts';
import { useAct } from '../ui/actions.tsx';
import { Answered, Head, Panel } from '../ui/Page.tsx';
import { Table } from '../ui/Table.tsx';
import { Age, At, Facts, Id, Json, Status, Until } from '../ui/values.tsx';
import { cancelJob, requeueJob } from './actions.ts';

/** One job, with each attempt's error. */
export function JobPage({ id = '' }: { id: string | undefined }) {
  const job = useAsk('admin_job', { p_job_id: id }, 4_000);
  return (
    <>
      <Head title="Job" lead={id} />
      <Answered polled={job}>{(data) => <JobParts job={data} />}</Answered>
    </>
  );
}

function JobParts({ job }: { job: JobDetail }) {
  const { call } = useApi();
  const act = useAct();
  return (
    <>
      <div className="row-of-buttons">
        {job.can_cancel && <Button onClick={() => act(cancelJob(call, job.id))}>Cancel the job</Button>}
        {job.can_requeue && (
          <Button icon="retry" onClick={() => act(requeueJob(call, job.id))}>
            Requeue the job
          </Button>
        )}
      </div>
      <Panel title="State">
        <JobFacts job={job} />
      </Panel>
      <Panel title="Errors" lead="Of each attempt, the first first.">
        <Errors of={job.errors} />
      </Panel>
      <Panel title="Payload" lead="Without prompts and addresses of files.">
        <Json of={job.payload} />
      </Panel>
      {job.result !== null && job.result !== undefined && (
        <Panel title="Result">
          <Json of={job.result} />
        </Panel>
      )}
    </>
  );
}

export function JobFacts({ job }: { job: JobDetail }) {
  const marks = [
    job.is_rescued && 'taken over from a lost lease',
    job.is_outcome_unknown && 'its last create may have reached the provider',
  ].filter((mark) => mark !== false);
  return (
    <Facts
      facts={[
        [
          'Queue',
          <span key="queue" translate="no">
            {job.job_type}
          </span>,
        ],
        ['State', <Status key="state" of={job.state === 'finished' ? job.status : job.state} />],
        ['Attempts', `${job.attempts} of ${job.max_attempts}`],
        ['Priority', number(job.priority)],
        ['User', <Id key="user" kind="user" id={job.user_id} />],
        ['Generation', <Id key="generation" kind="generation" id={job.generation_id} />],
        [
          'Model',
          <span key="model" translate="no">
            {job.model ?? '–'}
          </span>,
        ],
        ['Prediction', <Id key="prediction" kind="prediction" id={job.prediction_id} />],
        ['Created', <At key="created" time={job.created_at} />],
        ['Due', <At key="due" time={job.scheduled_at} />],
        ['Started', <At key="started" time={job.started_at} />],
        ...(job.state === 'running'
          ? ([
              ['Runs for', <Age key="age" since={job.started_at} />],
              [
                'Lease ends in',
                <Until key="lease" time={job.lease_expires_at} over="over: the next claim takes it" />,
              ],
            ] as const)
          : []),
        ['Ended', <At key="ended" time={job.completed_at} />],
        ...(marks.length > 0 ? ([['Besides', marks.join('; ')]] as const) : []),
      ]}
    />
  );
}

export function Errors({ of }: { of: readonly JobError[] }) {
  return (
    <Table
      caption="Errors"
      columns={[
        { title: 'Attempt', head: true, numeric: true, cell: (error: JobError) => number(error.attempt) },
        { title: 'When', cell: (error) => <At time={error.at} /> },
        { title: 'Message', cell: (error) => error.message },
        { title: 'Code', cell: (error) => <code translate="no">{error.code ?? '–'}</code> },
        { title: 'Prediction', cell: (error) => <Id kind="prediction" id={error.prediction_id} /> },
      ]}
      rows={of}
      keyOf={(error) => `${error.attempt} ${error.at}`}
      empty="None."
    />
  );
}
