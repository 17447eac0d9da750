import { type Call, handedOutIn } from './calls.ts';

/** What each function may answer, by the contract; anything else is a defect. */

const START = [
  'PT403 forbidden',
  'PT422 model_unavailable',
  'PT422 idempotency_mismatch',
  'PT429 quota_exceeded',
  'PT503 budget_exhausted',
];
const REFUSALS: Record<string, string[]> = {
  start_generation: START,
  enqueue_job: START,
  start_inserted_generation: [...START, 'PT404 not_found', 'PT409 conflict'],
  'insert generation': ['PT403 forbidden', 'PT429 quota_exceeded'],
  cancel_generation: ['PT404 not_found', 'PT409 conflict'],
  delete_generation: ['PT404 not_found'],
  'try again': [...START, 'PT404 not_found', 'PT409 conflict'],
  'cancel batch': ['PT404 not_found'],
  'delete batch': ['PT404 not_found'],
  get_generation: ['PT404 not_found'],
  // By its id alone: one that was deleted is not there any more.
  complete_job: ['PT404 not_found'],
};
const OUTCOMES: Record<string, string[]> = {
  complete_job: ['completed', 'stale'],
  fail_job: ['retrying', 'failed', 'stale'],
  snooze_job: ['snoozed', 'stale'],
  extend_lease: ['extended', 'stale'],
  record_prediction: ['recorded', 'stale'],
  record_progress: ['recorded', 'stale', 'unknown'],
  finish_prediction: [
    'download',
    'retrying',
    'failed',
    'cancelled',
    'duplicate',
    'mismatch',
    'running',
    'recorded',
    'stale',
  ],
  finish_download: ['completed', 'stale'],
  requeue_job: ['requeued', 'not_failed', 'unknown'],
  pause_provider: ['snoozed', 'stale'],
  refuse_model: ['failed', 'stale'],
  removable_objects: ['removable', 'stale', 'invalid'],
};
/** What is written by hand may be refused, in a sentence that says what to call. */
const BY_HAND = ['insert', 'edit'];
const NAMES_A_FUNCTION =
  /\b(enqueue_jobs?|complete_jobs?|fail_job|snooze_job|requeue_job|cancel_generation|prune_jobs)\b/;

export function contractWrong({ n, name, args, answer, refused }: Call): string[] {
  if (refused) {
    const { sqlstate, code, message } = refused;
    if (BY_HAND.includes(name) && !['40P01', '40001'].includes(sqlstate) && NAMES_A_FUNCTION.test(message))
      return [];
    if (REFUSALS[name]?.includes(`${sqlstate} ${code}`)) return [];
    const what = sqlstate === '40P01' ? 'a deadlock' : 'an error that the contract does not know';
    return [`#${n} ${name} ${JSON.stringify(args)}: ${what}: ${sqlstate} ${message}`];
  }
  const known = OUTCOMES[name];
  const outcome = answer?.outcome;
  if (!known || (outcome === undefined && args.p_lease === undefined)) return [];
  return known.includes(outcome) ? [] : [`#${n} ${name}: the contract does not know the outcome ${outcome}`];
}

/** A lease is given once. */
export class Leases {
  private readonly given = new Map<string, number>();

  wrong(call: Call): string[] {
    if (call.refused || typeof call.answer !== 'object' || call.answer === null) return [];
    return handedOutIn(call.answer).flatMap((row: { id?: string; lease?: number }) => {
      if (row?.lease === undefined) return [];
      const key = `${row.id} ${row.lease}`;
      const earlier = this.given.get(key);
      this.given.set(key, call.n);
      return earlier === undefined
        ? []
        : [`job ${row.id} was handed out under lease ${row.lease} by #${earlier} and by #${call.n}`];
    });
  }
}
