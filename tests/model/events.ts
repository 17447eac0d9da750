import { type Row, time } from './attempts.ts';
import { type Args, type Call, handedOutIn } from './calls.ts';
import { MARGIN } from './claims.ts';
import type { Event, Surroundings } from './order.ts';
import { type Family, newJob } from './state.ts';
import { MODELS, RUN_SECONDS, type World } from './world.ts';

/** The calls of a round, each as what it did to the families concerned. */

const PRIORITIES: Record<string, number> = { low: -10, normal: 0, high: 10 };

export interface Round {
  /** By family. */
  events: Map<string, Event[]>;
  around: Surroundings;
  wrong: string[];
}

export function eventsOf(world: World, calls: Call[], rows: Row[]): Round {
  const wrong: string[] = [];
  const events = new Map<string, Event[]>();
  const claims: Surroundings['claims'] = [];
  const add = (key: string | undefined, event: Event) => {
    if (key === undefined) return;
    events.set(key, [...(events.get(key) ?? []), event]);
  };
  const handedOut = (call: Call, row: Row) => {
    const key = world.keyOf(row);
    if (key === undefined && row.job_type !== 'cleanup-storage')
      wrong.push(`#${call.n}: nobody made ${JSON.stringify(row)}`);
    add(key, { kind: 'handed out', call, row });
  };
  learnFamilies(world, calls, rows);

  const deletions: Call[] = [];
  for (const call of calls) {
    if (call.refused) continue;
    const { name, args, answer } = call;
    switch (name) {
      case 'claim_jobs':
      case 'claim_next_job':
        claims.push({ call, types: (args.p_job_types as string[] | null | undefined) ?? null });
        for (const row of answer as Row[]) handedOut(call, row);
        break;
      case 'start_generation':
        if (answer.replayed === true) wrong.push(...replayed(world, call));
        else for (const [key, family] of started(world, call)) add(key, { kind: 'start', call, family });
        break;
      case 'enqueue_job': {
        const key = world.familyOf.get(answer as string);
        add(key, {
          kind: 'start',
          call,
          family:
            args.as === undefined ? enqueued(args, answer, call) : single(world, call, answer, key as string),
        });
        break;
      }
      case 'enqueue_jobs':
        for (const [index, id] of (answer as string[]).entries()) {
          const job = (args.p_jobs as Row[])[index] as Row;
          const given = { p_job_type: job.job_type, p_payload: job.payload, p_priority: job.priority };
          const more = { p_scheduled_at: job.scheduled_at, p_max_attempts: job.max_attempts };
          add(id, { kind: 'start', call, family: enqueued({ ...given, ...more }, id, call) });
        }
        break;
      case 'insert': {
        const [row] = answer as Row[];
        if (row)
          add(row.id, {
            kind: 'start',
            call,
            family: enqueued(
              { p_job_type: args.type, p_payload: row.payload, p_max_attempts: 3 },
              row.id,
              call,
            ),
          });
        break;
      }
      case 'complete_jobs':
        for (const [index, id] of (args.p_job_ids as string[]).entries()) {
          const outcome = (answer as string[]).includes(id) ? 'completed' : 'stale';
          const one = { p_job_id: id, p_lease: (args.p_leases as number[])[index] };
          add(world.familyOf.get(id), { kind: 'call', call, name, args: one, outcome, job: null });
        }
        break;
      case 'complete_job': {
        const fenced = args.p_lease !== undefined;
        const outcome = fenced ? answer.outcome : null;
        add(world.familyOf.get(args.p_job_id as string), {
          kind: 'call',
          call,
          name: fenced ? name : 'complete_job by id',
          args,
          outcome,
          job: null,
        });
        break;
      }
      case 'record_predictions':
        for (const [index, one] of (args.p_predictions as Row[]).entries()) {
          const { job_id: p_job_id, lease: p_lease, prediction_id: p_prediction_id } = one;
          const its = { p_job_id, p_lease, p_prediction_id, p_wait_seconds: args.p_wait_seconds };
          const { outcome, job = null } = answer.answers[index];
          add(world.familyOf.get(p_job_id), {
            kind: 'call',
            call,
            name: 'record_prediction',
            args: its,
            outcome,
            job,
          });
        }
        break;
      case 'delete user':
        deletions.push(call);
        break;
      case 'edit':
        // A step has moved the job since it was read: docs/concepts/queue.md, writes by hand.
        if (answer.written === 0) break;
        add(world.familyOf.get(args.job as string), {
          kind: 'edit',
          call,
          what: args.what as string,
          job: args.job as string,
        });
        break;
      case 'cancel_generation':
        break;
      default:
        if (args.p_job_id === undefined || ['removable_objects', 'record_progress'].includes(name)) break;
        add(world.familyOf.get(args.p_job_id as string), {
          kind: 'call',
          call,
          name,
          args,
          outcome: answer.outcome,
          job: answer.job ?? null,
        });
        for (const row of answer.next ?? []) handedOut(call, row);
        if (answer.next) claims.push({ call, types: [] });
    }
  }
  for (const call of calls.filter(({ name }) => name === 'cancel_generation')) {
    const key = call.args.p_generation_id as string;
    const outcome = call.refused ? call.refused.sqlstate : call.answer.status;
    add(key, { kind: 'call', call, name: call.name, args: call.args, outcome, job: null });
  }
  for (const call of deletions) {
    for (const key of new Set([...world.families.keys(), ...events.keys()])) {
      const family =
        world.families.get(key) ??
        events
          .get(key)
          ?.map((one) => (one.kind === 'start' ? one.family : null))
          .find(Boolean);
      if (family?.generation?.user !== call.args.user) continue;
      add(key, { kind: 'call', call, name: 'delete user', args: {}, outcome: null, job: null });
    }
  }
  const pruned = calls.some(
    ({ name, args }) => name === 'prune_jobs' || (name === 'edit' && args.what === 'delete'),
  );
  return {
    events,
    around: { claims: claims.filter(({ types }) => types?.length !== 0), pruned, weather: world.weather },
    wrong,
  };
}

/** Whose jobs are whose, before calls that were made at the same time are looked at. */
function learnFamilies(world: World, calls: Call[], rows: Row[]): void {
  for (const { name, answer, args, refused } of calls) {
    if (refused) continue;
    if (name === 'start_generation') {
      for (const one of answer.generations) world.familyOf.set(one.job_id, one.generation_id);
    } else if (name === 'enqueue_job' && args.as === undefined) world.familyOf.set(answer, answer);
    else if (name === 'enqueue_jobs') for (const id of answer) world.familyOf.set(id, id);
    else if (name === 'insert' && answer[0]) world.familyOf.set(answer[0].id, answer[0].id);
  }
  const handed = calls.flatMap(({ answer, refused }) => (refused ? [] : handedOutIn(answer)));
  for (const row of [...rows, ...handed]) if (typeof row === 'object' && row?.job_type) world.keyOf(row);
}

function replayed(world: World, { n, args, answer }: Call): string[] {
  const known = world.keys.get(args.p_idempotency_key as string);
  const ids = JSON.stringify(answer.generations.map(({ generation_id }: Row) => generation_id));
  if (answer.next) return [`#${n}: a repeated start has handed over jobs`];
  if (known && known.ids === null) known.ids = ids;
  return known?.ids === ids
    ? []
    : [`#${n}: one idempotency key was answered with ${known?.ids} and with ${ids}`];
}

const priceIn = (model: unknown) => MODELS[model as string] ?? { image: null, second: null };
const reservedFor = (model: unknown) => {
  const { image, second } = priceIn(model);
  return image ?? (second ?? 0) * RUN_SECONDS;
};

function generationFamily(
  world: World,
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
      status: 'queued',
      prediction: null,
      retries: 0,
      code: null,
      reserved: reservedFor(request.model_id),
      cost: null,
      counts: request.scheduled_at === undefined,
      limited: world.users.some((one) => one.id === user && one.money !== null),
      open: false,
      gone: false,
    },
    price: priceIn(request.model_id),
    predictions: {},
  };
}

function started(world: World, call: Call): [string, Family][] {
  const { args, answer } = call;
  const next = (answer.next ?? []) as Row[];
  return answer.generations.map(({ generation_id, job_id, queue_position }: Row) => {
    const family = generationFamily(
      world,
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

function single(world: World, call: Call, job: string, generation: string): Family {
  const { p_payload, p_priority, as } = call.args as Args & { p_priority: number };
  const name = p_priority > 0 ? 'high' : p_priority < 0 ? 'low' : 'normal';
  return generationFamily(
    world,
    generation,
    job,
    as as string,
    { ...(p_payload as Row), priority: name },
    null,
    call,
  );
}

function enqueued(args: Args, id: string, call: Call): Family {
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
