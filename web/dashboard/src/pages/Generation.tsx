import { Button } from '../../../src/ui/Button.tsx';
import { useApi, useAsk } from '../api/api.ts';
import type { GenerationStory, WebhookDelivery } from '../api/contract.ts';
import { duration, money, number, or } from '../lib/words.ts';
import { useAct } from '../ui/actions.tsx';
import { Answered, Head, Panel } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { At, Facts, Id, Json, Status } from '../ui/values.tsx';
import { cancelGeneration, cancelJob, requeueJob } from './actions.ts';
import { Errors, JobFacts } from './JobPage.tsx';
import { Ledger } from './Predictions.tsx';

/** One generation's whole story: every job and attempt, prediction, webhook and cost, and where its log is. */
export function Generation({ id = '' }: { id: string | undefined }) {
  const story = useAsk('admin_generation', { p_generation_id: id }, 4_000);
  return (
    <>
      <Head title="Generation" lead={id} />
      <Answered polled={story}>{(data) => <Story story={data} />}</Answered>
    </>
  );
}

const ENDED = ['completed', 'failed', 'cancelled'];

function Story({ story }: { story: GenerationStory }) {
  const { generation, jobs, predictions, webhooks, image, log } = story;
  const { call } = useApi();
  const act = useAct();
  return (
    <>
      <div className="row-of-buttons">
        {!ENDED.includes(generation.status) && (
          <Button onClick={() => act(cancelGeneration(call, generation.id))}>Cancel the generation</Button>
        )}
        {jobs
          .filter((job) => job.can_requeue)
          .map((job) => (
            <Button key={job.id} icon="retry" onClick={() => act(requeueJob(call, job.id))}>
              {`Requeue its ${job.job_type} job`}
            </Button>
          ))}
      </div>
      <Panel title="Asked for">
        <p className="prompt" translate="no">
          {generation.prompt}
        </p>
        <div className="story-top">
          <GenerationFacts story={story} />
          {image && (
            <a className="story-picture" href={image.public_url} target="_blank" rel="noreferrer">
              <img src={image.public_url} alt="What was made" loading="lazy" />
            </a>
          )}
        </div>
      </Panel>
      <Timeline story={story} />
      {jobs.map((job) => (
        <Panel
          key={job.id}
          title={`Job ${job.job_type}`}
          lead={job.id}
          tools={
            job.can_cancel && job.job_type !== 'generate-image' ? (
              <Button kind="quiet" onClick={() => act(cancelJob(call, job.id))}>
                Cancel the job
              </Button>
            ) : undefined
          }
        >
          <JobFacts job={job} />
          {job.errors.length > 0 && <Errors of={job.errors} />}
          <details>
            <summary>Payload</summary>
            <Json of={job.payload} />
          </details>
        </Panel>
      ))}
      <Panel
        title="Predictions"
        lead={`Paid to the provider, as far as known: ${money(story.provider_cost_usd)}`}
      >
        <Ledger rows={predictions} empty="None was created." />
      </Panel>
      <Panel title="Webhooks" lead="What its user’s app was told.">
        <Table
          caption="Webhooks"
          columns={WEBHOOKS}
          rows={webhooks}
          keyOf={(one) => one.webhook_id}
          empty="None was asked for."
        />
      </Panel>
      <Panel title="Log" lead="Each line of the Workers that concerns it has one of these ids.">
        <Json of={log.ids} />
        <p>
          <span>From </span>
          <At time={log.from} />
          <span> to </span>
          <At time={log.to} />
        </p>
        <p>
          <a
            className="text-link"
            href="https://dash.cloudflare.com/?to=/:account/workers-and-pages/observability"
            target="_blank"
            rel="noreferrer"
          >
            Search them in Cloudflare’s Workers Logs
          </a>
        </p>
      </Panel>
    </>
  );
}

function GenerationFacts({ story: { generation, image } }: { story: GenerationStory }) {
  const error = [generation.error_message, generation.error_code && `(${generation.error_code})`];
  return (
    <Facts
      facts={[
        ['Status', <Status key="status" of={generation.status} />],
        ['Progress', `${generation.progress} %`],
        ['Error', error.filter(Boolean).join(' ') || '–'],
        [
          'User',
          <Id key="user" kind="user" id={generation.user_id}>
            {generation.user_email ?? undefined}
          </Id>,
        ],
        ['Country', generation.country ?? '–'],
        [
          'Model',
          <span key="model" translate="no">
            {generation.model ?? '–'}
          </span>,
        ],
        ['Operation', generation.operation],
        ['Size', generation.width && generation.height ? `${generation.width} × ${generation.height}` : '–'],
        ['Seed', or(generation.seed, String)],
        ['Retries', number(generation.retry_count)],
        ['Came from', <Id key="parent" kind="generation" id={generation.parent_id} />],
        ['Took', or(generation.generation_seconds, duration)],
        ['Model ran', or(generation.predict_seconds, duration)],
        ['Charged', or(generation.cost_usd, money)],
        ['Reserved at its start', money(generation.reserved_usd)],
        [
          'File',
          image
            ? `${image.format ?? '?'}, ${or(image.bytes, (bytes) => `${number(Math.round(bytes / 1_000))} KB`)}`
            : '–',
        ],
      ]}
    />
  );
}

interface Moment {
  at: string;
  what: string;
}

/** Everything that is known of it, in the order in which it happened. */
function Timeline({ story: { generation, jobs, predictions, webhooks, image } }: { story: GenerationStory }) {
  const moment = (at: string | null | undefined, what: string): Moment[] => (at ? [{ at, what }] : []);
  const moments = [
    ...moment(generation.created_at, 'asked for'),
    ...moment(generation.started_at, 'started'),
    ...jobs.flatMap((job) => [
      ...job.errors.flatMap((error) =>
        moment(error.at, `${job.job_type}, attempt ${error.attempt}: ${error.message}`),
      ),
      ...moment(job.completed_at, `${job.job_type}: ${job.status}`),
    ]),
    ...predictions.flatMap((one) => [
      ...moment(one.recorded_at, `prediction ${one.id} ${one.source}`),
      ...moment(one.ended_at, `prediction ${one.id}: ${one.status ?? 'ended'}`),
    ]),
    ...moment(image?.created_at, 'image stored'),
    ...webhooks.flatMap((one) =>
      one.attempts.flatMap((attempt) =>
        moment(
          attempt.at,
          `webhook ${one.type}, attempt ${attempt.attempt}: ${attempt.status ?? attempt.error ?? 'sent'}`,
        ),
      ),
    ),
    ...moment(generation.completed_at, generation.status),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return (
    <Panel title="What happened">
      <ol className="moments">
        {moments.map(({ at, what }) => (
          <li key={`${at} ${what}`}>
            <At time={at} />
            <span>{what}</span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

const WEBHOOKS: Column<WebhookDelivery>[] = [
  { title: 'Webhook', head: true, cell: (one) => <code translate="no">{one.webhook_id}</code> },
  { title: 'Type', cell: (one) => <code translate="no">{one.type}</code> },
  { title: 'Status', cell: (one) => <Status of={one.status} /> },
  { title: 'Address', cell: (one) => <span translate="no">{one.url}</span> },
  { title: 'Attempts', numeric: true, cell: (one) => number(one.attempts.length) },
  {
    title: 'Last answer',
    cell: (one) => {
      const last = one.attempts.at(-1);
      return last ? `${last.status ?? last.error ?? '–'}` : '–';
    },
  },
];
