import type postgres from 'postgres';
import { MODEL, SUCCEEDED } from '../support.ts';
import { type Case, inAnHour } from './situations.ts';

/** Done as the service, within a transaction; `prediction` is the job's, or one that nobody recorded. */
export type Action = (
  sql: postgres.TransactionSql,
  made: Case,
  now: { lease: string; prediction: string },
) => Promise<unknown>;

/** Of alerts. */
const RECEIVER = 'https://hooks.slack.com/services/x';

export const asService = (sql: postgres.TransactionSql) => become(sql, 'service_role', {});
export const asOwner = (sql: postgres.TransactionSql) => become(sql, 'none', {});
const asUser = (sql: postgres.TransactionSql, user: string) => become(sql, 'authenticated', { sub: user });

async function become(sql: postgres.TransactionSql, role: string, claims: object): Promise<void> {
  await sql`select set_config('role', ${role}, true),
    set_config('request.jwt.claims', ${JSON.stringify({ role, ...claims })}, true)`;
}

/** Changes something by hand first: time passes, a plan is raised. */
function after(
  change: (sql: postgres.TransactionSql, made: Case) => Promise<unknown>,
  action: Action,
): Action {
  return async (sql, made, now) => {
    await asOwner(sql);
    await change(sql, made);
    await asService(sql);
    return action(sql, made, now);
  };
}

const onLastAttempt = (action: Action) =>
  after(
    // Where time decides in place of attempts, that is over.
    (sql, { job }) => sql`update public.job_queue set
      attempts = max_attempts - 1, retry_until = least(retry_until, now()) where id = ${job}`,
    action,
  );
const whenTimeHasPassed = (action: Action) =>
  after(
    (sql, { job }) => sql`update public.job_queue set
      scheduled_at = least(scheduled_at, now() - interval '1 second'),
      lease_expires_at = lease_expires_at - interval '1 day',
      expires_at = expires_at - interval '1 day'
      where id = ${job}`,
    action,
  );

const finishing =
  (outcome: object): Action =>
  (sql, { job }, { prediction }) =>
    sql`select public.finish_prediction(${job}, ${prediction}, ${JSON.stringify(outcome)}::text::jsonb)`;
const FAILED = { status: 'failed', error_message: 'The model failed.', error_code: 'model_error' };

const claim: Action = (sql) => sql`select public.claim_jobs(10)`;
const completeWithError: Action = (sql, { job }) =>
  sql`select public.complete_job(${job}, p_error_message => 'It failed.')`;
const request = JSON.stringify({ prompt: 'a lighthouse', model_id: MODEL, priority: 'high' });

/** Everything that can be done to a job; each name begins with the function that is called. */
export const actions: Record<string, Action> = {
  start_generation: async (sql, { user }) => {
    await asUser(sql, user);
    await sql`select public.start_generation(${request}::text::jsonb)`;
  },
  'start_generation with its job leased': async (sql, { user }) => {
    await asUser(sql, user);
    await sql`select public.start_generation(${request}::text::jsonb, p_next => 1)`;
  },
  'enqueue_job by the user': async (sql, { user }) => {
    await asUser(sql, user);
    await sql`select public.enqueue_job('generate-image', ${request}::text::jsonb, 10)`;
  },
  enqueue_jobs: (sql, { user }) => {
    const job = { job_type: 'resize', priority: 10, payload: { user_id: user } };
    return sql`select public.enqueue_jobs(${JSON.stringify([job, job, { ...job, scheduled_at: inAnHour() }])}::text::jsonb)`;
  },
  claim_jobs: claim,
  'claim_jobs when time has passed': whenTimeHasPassed(claim),
  'claim_jobs of another type when time has passed': whenTimeHasPassed(
    (sql) => sql`select public.claim_jobs(10, 60, '{none}')`,
  ),
  'claim_jobs when time has passed, in the last attempt': onLastAttempt(whenTimeHasPassed(claim)),
  'claim_jobs when time has passed, and the plan allows no more': after(
    (sql, { user }) => sql`update private.plans set images_per_day = 0 where name = ${user}`,
    whenTimeHasPassed(claim),
  ),
  claim_next_job: (sql) => sql`select public.claim_next_job()`,
  record_prediction: (sql, { job }, { lease }) =>
    sql`select public.record_prediction(${job}, ${lease}, 'p2', 60)`,
  record_predictions: (sql, { job }, { lease }) => {
    const one = { job_id: job, lease, prediction_id: 'p2', details: {} };
    return sql`select public.record_predictions(${JSON.stringify([one])}::text::jsonb, 60)`;
  },
  record_progress: (sql, { job }, { prediction }) =>
    sql`select public.record_progress(${job}, ${prediction}, 50)`,
  extend_lease: (sql, { job }, { lease }) => sql`select public.extend_lease(${job}, ${lease}, 60)`,
  snooze_job: (sql, { job }, { lease }) => sql`select public.snooze_job(${job}, ${lease}, 60)`,
  'snooze_job, outcome unknown': (sql, { job }, { lease }) =>
    sql`select public.snooze_job(${job}, ${lease}, 60, true)`,
  'fail_job with a retry': (sql, { job }, { lease }) =>
    sql`select public.fail_job(${job}, ${lease}, 'It failed.', '{}', 60)`,
  'fail_job for good': (sql, { job }, { lease }) =>
    sql`select public.fail_job(${job}, ${lease}, 'It failed.')`,
  'fail_job because of a cancellation': (sql, { job }, { lease }) =>
    sql`select public.fail_job(${job}, ${lease}, 'Cancelled.', '{"code": "cancelled"}')`,
  complete_job: (sql, { job }, { lease }) => sql`select public.complete_job(${job}, ${lease}::bigint)`,
  'complete_job without a lease': (sql, { job }) => sql`select public.complete_job(${job}, null, null)`,
  'complete_job with an error': completeWithError,
  'complete_job with the last error': onLastAttempt(completeWithError),
  complete_jobs: (sql, { job }, { lease }) =>
    sql`select public.complete_jobs(array[${job}::uuid], array[${lease}::bigint])`,
  pause_provider: (sql, { job }, { lease }) =>
    sql`select public.pause_provider(${job}, ${lease}, 60, 'throttled', 429)`,
  refuse_model: (sql, { job }, { lease }) =>
    sql`select public.refuse_model(${job}, ${lease}, 404, 'This model cannot be used.')`,
  'finish_prediction, still running': finishing({ status: 'running' }),
  'finish_prediction, succeeded': finishing(SUCCEEDED),
  'finish_prediction, failed': finishing(FAILED),
  'finish_prediction, failed, with a retry': finishing({ ...FAILED, retry_in_seconds: 60 }),
  'finish_prediction, cancelled': finishing({ ...FAILED, error_code: 'cancelled' }),
  finish_download: (sql, { job }, { lease }) => {
    const image = { storage_path: `u/${job}.webp`, public_url: `https://x.example/${job}.webp` };
    return sql`select public.finish_download(${job}, ${lease}, ${JSON.stringify(image)}::text::jsonb)`;
  },
  'start_batch with a name': async (sql, { user }) => {
    await asUser(sql, user);
    const batch = JSON.stringify({ model_id: MODEL, items: [{ prompt: 'a' }, { prompt: 'b' }] });
    await sql`select public.start_batch(${batch}::text::jsonb, 'Lighthouses')`;
  },
  'start_inserted_generation, of a row inserted before': async (sql, { user }) => {
    await asUser(sql, user);
    const [row] = await sql`insert into public.image_generations (user_id, prompt, model)
      values (${user}, 'a lighthouse', ${MODEL}) returning id`;
    await sql`select public.start_inserted_generation(${row?.id}, ${request}::text::jsonb)`;
  },
  ...Object.fromEntries(
    ['cancelled', 'failed', 'pending'].map((status): [string, Action] => [
      `update image_generations to ${status}`,
      async (sql, { user, generation }) => {
        await asUser(sql, user);
        await sql`update public.image_generations set status = ${status} where id = ${generation}`;
      },
    ]),
  ),
  retry_generation: async (sql, { user, generation }) => {
    await asUser(sql, user);
    await sql`select public.retry_generation(${generation})`;
  },
  delete_generation: async (sql, { user, generation }) => {
    await asUser(sql, user);
    await sql`select public.delete_generation(${generation})`;
  },
  delete_image: async (sql, { user, generation }) => {
    await asUser(sql, user);
    await sql`select public.delete_image(id) from public.images where generation_id = ${generation}`;
  },
  delete_own_account: async (sql, { user }) => {
    await asUser(sql, user);
    await sql`select public.delete_own_account(${`${user}@example.com`})`;
  },
  mark_image: async (sql, { user, generation }) => {
    await asUser(sql, user);
    await sql`select public.mark_image(id, '{"archived": true}') from public.images where generation_id = ${generation}`;
  },
  mark_images: async (sql, { user, generation }) => {
    await asUser(sql, user);
    await sql`select public.mark_images(array[id], '{"is_public": true}')
      from public.images where generation_id = ${generation}`;
  },
  'delete from image_generations': async (sql, { user, generation }) => {
    await asUser(sql, user);
    await sql`delete from public.image_generations where id = ${generation}`;
  },
  cancel_generation: async (sql, { user, generation }) => {
    await asUser(sql, user);
    await sql`select public.cancel_generation(${generation})`;
  },
  // About jobs of the type process-webhook only, which go the same ways: tests/database/webhook-delivery.test.ts.
  webhook_message: (sql, { job }, { lease }) => sql`select public.webhook_message(${job}, ${lease})`,
  record_delivery: (sql, { job }, { lease }) =>
    sql`select public.record_delivery(${job}, ${lease}, 'delivered')`,
  webhook_secret: async (sql, { user }) => {
    await asUser(sql, user);
    await sql`select public.webhook_secret()`;
  },
  rotate_webhook_secret: async (sql, { user }) => {
    await asUser(sql, user);
    await sql`select public.rotate_webhook_secret()`;
  },
  resend_webhook: async (sql, { user, generation }) => {
    await asUser(sql, user);
    await sql`select public.resend_webhook(${generation})`;
  },
  live_snapshot: (sql, { user }) => sql`select public.live_snapshot(${user}, p_listen_seconds => 60)`,
  // What it writes again it leaves as it is: tests/stack/late-subscribers.test.ts.
  tell_late_subscribers: (sql) => sql`select public.tell_late_subscribers()`,
  requeue_job: (sql, { job }) => sql`select public.requeue_job(${job})`,
  'sweep_storage after a picture was removed': after(
    (sql) => sql`insert into private.removed_objects (name) values ('u/gone.webp')`,
    (sql) => sql`select public.sweep_storage()`,
  ),
  prune_jobs: (sql) => sql`select public.prune_jobs(0, 0)`,
  'record_sweep after the plan was raised': after(
    (sql, { user }) => sql`update private.plans set running_jobs = 3 where name = ${user}`,
    (sql) => sql`select public.record_sweep('{}')`,
  ),
  admin_cancel_job: (sql, { job }) => sql`select public.admin_cancel_job(${job}, 'why')`,
  admin_cancel_generation: (sql, { generation }) =>
    sql`select public.admin_cancel_generation(${generation}, 'why')`,
  admin_requeue_job: (sql, { job }) => sql`select public.admin_requeue_job(${job}, 'why')`,
  admin_requeue_jobs: (sql) => sql`select public.admin_requeue_jobs('why')`,
  'admin_pause of the queue, and a claim': async (sql, made, now) => {
    await sql`select public.admin_pause('queue', 'why')`;
    await claim(sql, made, now);
  },
  'admin_pause of the model, and a claim': async (sql, made, now) => {
    await sql`select public.admin_pause('model', 'why', ${MODEL})`;
    await claim(sql, made, now);
  },
  'admin_resume of the model, and a claim': async (sql, made, now) => {
    await sql`select public.admin_pause('model', 'why', ${MODEL})`;
    await claim(sql, made, now);
    await sql`select public.admin_resume('model', 'why', ${MODEL})`;
    await claim(sql, made, now);
  },
  admin_switch_model: (sql) => sql`select public.admin_switch_model(${MODEL}, false, 'why')`,
  'admin_set_user_plan and a claim': async (sql, made, now) => {
    await sql`select public.admin_set_user_plan(${made.user}, 'default', 'why')`;
    await claim(sql, made, now);
  },
  'admin_save_plan, admin_undo and admin_delete_plan': async (sql) => {
    await sql`select public.admin_save_plan('{"name": "tried"}', 'why')`;
    await sql`select public.admin_undo((select max((e ->> 'id')::bigint)
      from jsonb_array_elements(public.admin_audit() -> 'entries') as e), 'why')`;
    await sql`select public.admin_save_plan('{"name": "tried"}', 'why')`;
    await sql`select public.admin_delete_plan('tried', 'why')`;
  },
  'admin_undo of a pause': async (sql) => {
    await sql`select public.admin_undo((public.admin_pause('queue', 'why') ->> 'audit_id')::bigint, 'why')`;
  },
  admin_delete_plan: (sql) => sql`select public.admin_delete_plan('none', 'why')`,
  admin_set_budget: (sql) => sql`select public.admin_set_budget(100, 1000, 'why')`,

  set_alert_rule: (sql) => sql`select public.set_alert_rule('queue_depth', 0)`,
  'set_alert_receiver, and it is tested': async (sql) => {
    await sql`select public.set_alert_receiver('ops', 'slack', ${RECEIVER})`;
    await sql`select public.test_alert_receiver('ops')`;
  },
  test_alert_receiver: (sql) => sql`select public.test_alert_receiver('none')`,
  delete_alert_receiver: async (sql) => {
    await sql`select public.set_alert_receiver('ops', 'slack', ${RECEIVER})`;
    await sql`select public.test_alert_receiver('ops')`;
    await sql`select public.delete_alert_receiver('ops')`;
  },
  admin_set_alert_rule: (sql) => sql`select public.admin_set_alert_rule('queue_depth', 'why', 0)`,
  'admin_set_alert_receiver, and it is tested': async (sql) => {
    await sql`select public.admin_set_alert_receiver('ops', 'why', 'slack', ${RECEIVER})`;
    await sql`select public.admin_test_alert_receiver('ops', 'why')`;
  },
  admin_test_alert_receiver: (sql) => sql`select public.admin_test_alert_receiver('none', 'why')`,
  admin_delete_alert_receiver: async (sql) => {
    await sql`select public.admin_set_alert_receiver('ops', 'why', 'slack', ${RECEIVER})`;
    await sql`select public.admin_test_alert_receiver('ops', 'why')`;
    await sql`select public.admin_delete_alert_receiver('ops', 'why')`;
  },
};
