import { type Row, time } from './attempts.ts';
import type { Args, Call } from './calls.ts';
import { MARGIN } from './claims.ts';
import { type Common, MODELS, RUN_SECONDS } from './common.ts';
import { type Family, newJob } from './state.ts';

/** What calls make anew: families, as they are at their start. */

const PRIORITIES: Record<string, number> = { low: -10, normal: 0, high: 10 };

const priceIn = (model: unknown) => MODELS[model as string] ?? { image: null, second: null };
const reservedFor = (model: unknown) => {
  const { image, second } = priceIn(model);
  return image ?? (second ?? 0) * RUN_SECONDS;
};

function generationFamily(
  common: Common,
  id: string,
  job: string,
  user: string,
  request: Row,
  batch: string | null,
  call: Call,
): Family {
  const due = time(request.scheduled_at) ?? call.begun - MARGIN;
  const expires =
    request.expires_in === undefined ? null : Math.max(due, call.begun) + request.expires_in * 1000;
  return {
    jobs: [
      newJob({
        id: job,
        type: 'generate-image',
        priority: PRIORITIES[request.priority] ?? 0,
        due,
        expires,
        user,
        ofGeneration: true,
      }),
    ],
    generation: {
      id,
      user,
      batch,
      status: 'pending',
      prediction: null,
      retries: 0,
      code: null,
      reserved: reservedFor(request.model_id),
      cost: null,
      counts: request.scheduled_at === undefined,
      limited: common.users.some((one) => one.id === user && one.money !== null),
      open: false,
      gone: false,
      kept: 0,
    },
    price: priceIn(request.model_id),
    predictions: {},
  };
}

/** The families of what a start has made, by generation. */
export function started(common: Common, call: Call): [string, Family][] {
  const { args, answer } = call;
  const next = (answer.next ?? []) as Row[];
  return answer.generations.map(({ generation_id, job_id, queue_position }: Row) => {
    const family = generationFamily(
      common,
      generation_id,
      job_id,
      args.as as string,
      args.p_request as Row,
      answer.batch_id,
      call,
    );
    // Its time came before the call did: it has a position, and counts from now on.
    if (family.generation && queue_position !== null) family.generation.counts = true;
    const [job] = family.jobs;
    const row = next.find(({ id }) => id === job_id);
    if (job && row) {
      Object.assign(job, { status: 'processing', lease: 1, handedOver: true });
      job.leaseEnds = time(row.lease_expires_at);
    }
    return [generation_id, family];
  });
}

/** The family of a generation that the original's enqueue_job has started. */
export function single(common: Common, call: Call, job: string, generation: string): Family {
  const { p_payload, p_priority, as } = call.args as Args & { p_priority: number };
  const name = p_priority > 0 ? 'high' : p_priority < 0 ? 'low' : 'normal';
  return generationFamily(
    common,
    generation,
    job,
    as as string,
    { ...(p_payload as Row), priority: name },
    null,
    call,
  );
}

/** The family of a job that no generation stands behind. */
export function enqueued(args: Args, id: string, call: Call): Family {
  const job = newJob({
    id,
    type: args.p_job_type as string,
    priority: (args.p_priority as number | undefined) ?? 0,
    most: (args.p_max_attempts as number | undefined) ?? 3,
    due: time(args.p_scheduled_at) ?? call.begun - MARGIN,
    user: ((args.p_payload as Row).user_id as string | undefined) ?? null,
  });
  return { jobs: [job], generation: null, price: { image: null, second: null }, predictions: {} };
}
