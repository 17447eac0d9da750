import type { Row } from './attempts.ts';
import { type Call, handedOutIn } from './calls.ts';
import type { Common } from './common.ts';
import { enqueued, single, started } from './families.ts';
import type { Event, Surroundings } from './order.ts';
import type { ModelGeneration } from './state.ts';

/** The calls of a round, each as what it did to the families concerned. */

const OF_A_GENERATION = ['cancel_generation', 'delete_generation', 'try again'];

export interface Round {
  /** By family. */
  events: Map<string, Event[]>;
  around: Surroundings;
  wrong: string[];
}

export function eventsOf(common: Common, calls: Call[], rows: Row[]): Round {
  const wrong: string[] = [];
  const events = new Map<string, Event[]>();
  const claims: Surroundings['claims'] = [];
  const add = (key: string | undefined, event: Event) => {
    if (key === undefined) return;
    events.set(key, [...(events.get(key) ?? []), event]);
  };
  const handedOut = (call: Call, row: Row) => {
    const key = common.keyOf(row);
    if (key === undefined && row.job_type !== 'cleanup-storage')
      wrong.push(`#${call.n}: nobody made ${JSON.stringify(row)}`);
    add(key, { kind: 'handed out', call, row });
  };
  learnFamilies(common, calls, rows);

  const deletions: Call[] = [];
  for (const call of calls) {
    const { name, args, answer } = call;
    if (call.refused) {
      if (name === 'complete_job') add(common.familyOf.get(args.p_job_id as string), completedById(call));
      continue;
    }
    switch (name) {
      case 'claim_jobs':
      case 'claim_next_job':
        claims.push({ call, types: (args.p_job_types as string[] | null | undefined) ?? null });
        for (const row of answer as Row[]) handedOut(call, row);
        break;
      case 'start_generation':
        if (answer.replayed === true) wrong.push(...replayed(common, call));
        else for (const [key, family] of started(common, call)) add(key, { kind: 'start', call, family });
        break;
      case 'start_inserted_generation':
        if (answer.replayed !== true)
          for (const [key, family] of started(common, call)) add(key, { kind: 'start', call, family });
        break;
      case 'enqueue_job': {
        const key = common.familyOf.get(answer as string);
        add(key, {
          kind: 'start',
          call,
          family:
            args.as === undefined
              ? enqueued(args, answer, call)
              : single(common, call, answer, key as string),
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
          add(common.familyOf.get(id), { kind: 'call', call, name, args: one, outcome, job: null });
        }
        break;
      case 'complete_job': {
        const fenced = args.p_lease !== undefined;
        add(
          common.familyOf.get(args.p_job_id as string),
          fenced
            ? { kind: 'call', call, name, args, outcome: answer.outcome, job: null }
            : completedById(call),
        );
        break;
      }
      case 'record_predictions':
        for (const [index, one] of (args.p_predictions as Row[]).entries()) {
          const { job_id: p_job_id, lease: p_lease, prediction_id: p_prediction_id } = one;
          const its = { p_job_id, p_lease, p_prediction_id, p_wait_seconds: args.p_wait_seconds };
          const { outcome, job = null } = answer.answers[index];
          add(common.familyOf.get(p_job_id), {
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
        add(common.familyOf.get(args.job as string), {
          kind: 'edit',
          call,
          what: args.what as string,
          job: args.job as string,
        });
        break;
      case 'cancel_generation':
      case 'delete_generation':
      case 'try again':
        break;
      default:
        if (args.p_job_id === undefined || ['removable_objects', 'record_progress'].includes(name)) break;
        add(common.familyOf.get(args.p_job_id as string), {
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
  for (const call of calls.filter(({ name }) => OF_A_GENERATION.includes(name))) {
    const key = call.args.p_generation_id as string;
    // A start that its user's plan refuses has changed nothing.
    if (call.refused && !['PT404', 'PT409'].includes(call.refused.sqlstate)) continue;
    const outcome = call.refused ? call.refused.sqlstate : outcomeOf(call);
    const args = { ...call.args, made: call.answer?.job_id ?? null };
    add(key, { kind: 'call', call, name: call.name, args, outcome, job: null });
  }
  const ofAll = (call: Call, name: string, is: (generation: ModelGeneration) => boolean) => {
    for (const key of new Set([...common.families.keys(), ...events.keys()])) {
      const family =
        common.families.get(key) ??
        events
          .get(key)
          ?.map((one) => (one.kind === 'start' ? one.family : null))
          .find(Boolean);
      if (family?.generation && is(family.generation))
        add(key, { kind: 'call', call, name, args: {}, outcome: null, job: null });
    }
  };
  for (const call of calls) {
    const { name, args, refused } = call;
    if (!refused && (name === 'cancel batch' || name === 'delete batch'))
      ofAll(call, name.replace(' batch', '_generation'), ({ batch }) => batch === args.batch);
  }
  for (const call of deletions) ofAll(call, 'delete user', ({ user }) => user === call.args.user);
  const pruned = calls.some(
    ({ name, args }) => name === 'prune_jobs' || (name === 'edit' && args.what === 'delete'),
  );
  return {
    events,
    around: { claims: claims.filter(({ types }) => types?.length !== 0), pruned, weather: common.weather },
    wrong,
  };
}

const completedById = (call: Call): Event => ({
  kind: 'call',
  call,
  name: 'complete_job by id',
  args: call.args,
  outcome: call.refused ? call.refused.sqlstate : 'done',
  job: null,
});

function outcomeOf({ name, answer }: Call): string {
  if (name === 'delete_generation') return 'deleted';
  // Set to failed, what has failed stays what it is; the function says that it cannot be cancelled.
  return name === 'cancel_generation' && answer.status === 'failed' ? 'PT409' : answer.status;
}

/** Whose jobs are whose, before calls that were made at the same time are looked at. */
function learnFamilies(common: Common, calls: Call[], rows: Row[]): void {
  for (const { name, answer, args, refused } of calls) {
    if (refused) continue;
    if (name === 'start_generation' || name === 'start_inserted_generation') {
      for (const one of answer.generations) common.familyOf.set(one.job_id, one.generation_id);
    } else if (name === 'enqueue_job' && args.as === undefined) common.familyOf.set(answer, answer);
    else if (name === 'enqueue_jobs') for (const id of answer) common.familyOf.set(id, id);
    else if (name === 'insert' && answer[0]) common.familyOf.set(answer[0].id, answer[0].id);
  }
  const handed = calls.flatMap(({ answer, refused }) => (refused ? [] : handedOutIn(answer)));
  for (const row of [...rows, ...handed]) if (typeof row === 'object' && row?.job_type) common.keyOf(row);
}

function replayed(common: Common, { n, args, answer }: Call): string[] {
  const known = common.keys.get(args.p_idempotency_key as string);
  const ids = JSON.stringify(answer.generations.map(({ generation_id }: Row) => generation_id));
  if (answer.next) return [`#${n}: a repeated start has handed over jobs`];
  if (known && known.ids === null) known.ids = ids;
  return known?.ids === ids
    ? []
    : [`#${n}: one idempotency key was answered with ${known?.ids} and with ${ids}`];
}
