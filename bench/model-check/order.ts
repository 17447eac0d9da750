import { type Row, time } from './attempts.ts';
import type { Args, Call } from './calls.ts';
import { admit, differs, handOut, lookAfter, stray } from './claims.ts';
import { apply } from './spec.ts';
import type { Family, ModelJob } from './state.ts';

/**
 * Is there an order in which the calls that concern one family, made at the same time, give the answers that they
 * got and leave what is there? Each call takes effect at one moment between its begin and its end. The search tries
 * the orders one call at a time; claims may look after jobs in between.
 */

export type Event = { call: Call } & (
  | { kind: 'start'; family: Family }
  | { kind: 'handed out'; row: Row }
  | { kind: 'call'; name: string; args: Args; outcome: string | null; job: Row | null }
  | { kind: 'edit'; what: string; job: string }
);

/** Claims and prunings of the time that is looked at. */
export interface Surroundings {
  claims: { call: Call; types: string[] | null }[];
  /** There was a pruning, or a deletion by hand: a finished job that is missing may be gone. */
  pruned: boolean;
  weather: boolean;
}

export interface Seen {
  jobs: Row[];
  generation: Row | null;
  /** How each prediction ended, by its id. */
  ledger: Map<string, string | null>;
}

const copy = (family: Family): Family => structuredClone(family);

/** The moment from which a call may have taken effect, and what its answer says against it. */
function take(family: Family, event: Event, weather: boolean): string | null {
  const { call } = event;
  if (event.kind === 'start') return 'it is there already';
  if (event.kind === 'handed out') return handOut(family, event.row, call.ended, weather);
  if (event.kind === 'edit') return edit(family, event.what, event.job, call.begun);
  const { outcome, job } = apply(family, event.name, event.args, call.begun);
  if (event.outcome !== null && event.outcome !== outcome) return `the model answers ${outcome}`;
  if ((job !== undefined) !== (event.job !== null)) return `the model hands on ${job ? 'a job' : 'no job'}`;
  if (job && event.job) {
    job.id = event.job.id;
    job.leaseEnds = time(event.job.lease_expires_at);
    return differs(job, event.job);
  }
  return null;
}

function edit(family: Family, what: string, id: string, now: number): string | null {
  const job = family.jobs.find((one) => one.id === id && !one.gone);
  if (!job) return null;
  if (what === 'delete') job.gone = true;
  else if (what === 'due now' && job.status === 'pending') job.due = now;
  else if (what === 'cancelled') {
    job.status = 'cancelled';
    job.leaseEnds = null;
  } else if (what === 'priority') job.priority += 1;
  return null;
}

/** What the family should look like, against what is there. */
export function compare(family: Family, seen: Seen): string | null {
  const rows = new Map(seen.jobs.map((row) => [row.id, row]));
  for (const job of family.jobs.filter((one) => one.id === null && !one.gone)) {
    const known = new Set(family.jobs.map(({ id }) => id));
    const row = seen.jobs.find(
      (one) =>
        !known.has(one.id) &&
        one.job_type === job.type &&
        (one.payload.prediction_id ?? null) === job.stops.prediction &&
        (one.payload.job_id ?? null) === job.stops.job,
    );
    if (!row) return `a ${job.type} job is missing`;
    job.id = row.id;
  }
  for (const job of family.jobs) {
    const row = rows.get(job.id as string);
    rows.delete(job.id as string);
    if (job.gone !== (row === undefined))
      return `job ${job.id} ${row ? 'should be gone' : `is lost; it should be ${job.status}`}`;
    if (!row) continue;
    const wrong = differs(job, row);
    if (wrong) return `job ${job.id}: ${wrong}`;
  }
  if (rows.size > 0) return `jobs that nobody made: ${JSON.stringify([...rows.values()])}`;
  // Of two that tell of its end at the same time the first counts.
  for (const [id, { status }] of Object.entries(family.predictions)) {
    const found = seen.ledger.get(id) ?? null;
    if (found !== status) return `prediction ${id} should be ${status} and is ${found}`;
  }
  const { generation } = family;
  if (!generation) return null;
  const row = seen.generation;
  if (generation.gone || !row)
    return generation.gone && !row ? null : `the generation ${row ? 'should be gone' : 'is lost'}`;
  const pairs: [string, unknown, unknown][] = [
    ['status', generation.status, row.status],
    ['error_code', generation.code, row.error_code],
    [
      'money',
      generation.counts ? 'counted' : 'not counted',
      row.reserved_on === null ? 'not counted' : 'counted',
    ],
    // Two calls may be told apart by these alone.
    ['cost_open', generation.open, row.cost_open],
    [
      'reserved_usd',
      generation.status === 'cancelled' ? generation.reserved : null,
      row.status === 'cancelled' ? micro(row.reserved_usd) : null,
    ],
    ['retry_count', generation.retries, row.retry_count],
    ['replicate_prediction_id', generation.prediction, row.replicate_prediction_id],
    ['cost_usd', generation.status === 'completed' ? generation.cost : null, micro(row.cost_usd)],
  ];
  const wrong = pairs.find(([, expected, found]) => expected !== found);
  return wrong ? `the generation's ${wrong[0]} should be ${wrong[1]} and is ${wrong[2]}` : null;
}

export const micro = (usd: unknown): number | null =>
  usd === null || usd === undefined ? null : Math.round(Number(usd) * 1e6);

/** The times as the rows have them: the model's own are as inexact as the calls are long. */
function adopt(family: Family, seen: Seen): Family {
  for (const job of family.jobs) {
    const row = seen.jobs.find(({ id }) => id === job.id);
    if (!row) continue;
    job.due = time(row.scheduled_at) ?? job.due;
    job.expires = time(row.expires_at);
    job.leaseEnds = job.status === 'processing' ? time(row.lease_expires_at) : null;
  }
  return family;
}

export interface Found {
  family: Family | null;
  /** Where there is no such order: how far the best ones came, and what spoke against going on. */
  against: string[];
}

/** A late answer ends the search for what it names, unless a claim of the same time has that job locked. */
function waysOf(event: Event, { claims }: Surroundings): Event[] {
  const { call } = event;
  const isLate = event.kind === 'call' && event.name === 'record_prediction' && event.outcome === 'stale';
  if (!isLate || !claims.some((claim) => claim.call.begun <= call.ended && claim.call.ended >= call.begun))
    return [event];
  return [event, { ...event, args: { ...event.args, searchIsHeld: true } }];
}

/** @param before undefined where an event starts the family */
export function findOrder(
  before: Family | undefined,
  events: Event[],
  around: Surroundings,
  seen: Seen,
): Found {
  const there = new Set(seen.jobs.map(({ id }) => id));
  const tried = new Set<string>();
  const against = new Map<string, number>();
  const refuse = (done: number, why: string) => void against.set(why, Math.max(done, against.get(why) ?? 0));

  const go = (family: Family | undefined, done: boolean[], since: number): Family | null => {
    const key = `${done.map(Number).join('')}${JSON.stringify(family)}`;
    if (tried.has(key)) return null;
    tried.add(key);
    const count = done.filter(Boolean).length;
    const left = events.filter((_, index) => !done[index]);
    if (left.length === 0 && family) {
      const wrong = compare(copy(family), seen);
      if (wrong === null) {
        compare(family, seen);
        return adopt(family, seen);
      }
      refuse(count, `after all calls: ${wrong}`);
    }
    const until = Math.min(Infinity, ...left.map(({ call }) => call.ended));
    for (const [index, event] of events.entries()) {
      if (done[index] || event.call.begun > until) continue;
      for (const way of waysOf(event, around)) {
        let next: Family | undefined;
        if (way.kind === 'start') next = family ? undefined : copy(way.family);
        else if (family) {
          next = copy(family);
          const wrong = take(next, way, around.weather);
          if (wrong !== null) {
            refuse(count, `#${event.call.n} ${event.call.name}: ${wrong}`);
            continue;
          }
        }
        if (!next) continue;
        const found = go(next, done.with(index, true), Math.max(since, event.call.begun));
        if (found) return found;
      }
    }
    if (!family) return null;
    for (const next of between(family, since, until)) {
      const found = go(next, done, since);
      if (found) return found;
    }
    return null;
  };

  function* between(family: Family, since: number, until: number): Generator<Family> {
    const claims = around.claims.filter(({ call }) => call.ended >= since && call.begun <= until);
    for (const [at, job] of family.jobs.entries()) {
      if (
        around.pruned &&
        !job.gone &&
        ['completed', 'failed', 'cancelled'].includes(job.status) &&
        !there.has(job.id)
      ) {
        const next = copy(family);
        (next.jobs[at] as ModelJob).gone = true;
        yield next;
      }
      const latest = Math.max(since, ...claims.map(({ call }) => call.ended));
      for (const refused of [false, true]) {
        const next = copy(family);
        if (admit(next, at, latest, refused)) yield next;
      }
      const kinds = new Map(claims.map((claim) => [`${claim.types}`, claim]));
      for (const { types } of kinds.values()) {
        const ofKind = claims.filter((claim) => `${claim.types}` === `${types}`).map(({ call }) => call);
        const last = Math.max(...ofKind.map(({ ended }) => ended));
        // A claim goes by the time at which it began: to one that waited long, a lost job had not expired yet.
        const { leaseEnds, expires } = job;
        const isOlder = leaseEnds !== null && expires !== null && ofKind.some(({ begun }) => begun < expires);
        for (const moment of isOlder && leaseEnds < last ? [last, leaseEnds] : [last]) {
          const next = copy(family);
          const changed =
            lookAfter(next, at, moment, types) || stray(next.jobs[at] as ModelJob, moment, types);
          if (changed) yield next;
        }
      }
    }
  }

  const found = go(
    before && copy(before),
    events.map(() => false),
    -Infinity,
  );
  const best = [...against.entries()].sort((a, b) => b[1] - a[1]).slice(0, 12);
  return {
    family: found,
    against: best.map(([why, done]) => `after ${done} of ${events.length} calls ${why}`),
  };
}
