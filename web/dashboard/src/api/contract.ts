/**
 * What the dashboard asks of the database, and what it is answered: each member of {@link Calls} is a function of
 * PostgREST, `POST {SUPABASE_URL}/rest/v1/rpc/{name}` with the arguments as a JSON object, the headers `apikey` (the
 * publishable key) and `Authorization: Bearer {the user's token}`. An argument with `?` may be left out.
 *
 * Refusals, in PostgREST's form `{code, message, details, hint}`; `message` is a sentence for people:
 *
 * | HTTP | code | when |
 * |---|---|---|
 * | 401 | `42501` | no token, or one that is over |
 * | 403 | `42501` | not an admin: the token does not say so, or the account does not any more |
 * | 422 | `PT422` | an argument is refused; `details` is `invalid_request`, `hint` is `field=<its name>` |
 * | 404 | `PT404` | there is no such thing; `details` is `not_found` |
 * | 409 | `PT409` | it cannot be done as things stand; `details` is `conflict` |
 * | 429 | `PT429` | too soon after the last one; `details` is `quota_exceeded` |
 *
 * Times are ISO 8601 texts, durations are seconds, money is US dollars, days are `YYYY-MM-DD` (UTC). A call costs the same
 * however long the queue is; a count that may be cut off says so in its comment.
 */

/** ISO 8601, as PostgREST writes a `timestamptz`. */
export type Time = string;
/** `YYYY-MM-DD`, UTC. */
export type Day = string;
export type Uuid = string;
/** Opaque: the `next_cursor` of the page before. */
export type Cursor = string;

export interface Calls {
  /** Everything of the live page, in one call. Asked every few seconds while the page is visible. */
  admin_overview: { args: Record<never, never>; answer: Overview };
  /** What has ended, over time. */
  admin_timeline: { args: TimelineArgs; answer: Timeline };
  /** A page of jobs in one state. */
  admin_jobs: { args: JobsArgs; answer: Page<'jobs', Job> };
  admin_job: { args: { p_job_id: Uuid }; answer: JobDetail };
  /** What an id is. */
  admin_find: { args: { p_id: string }; answer: Found };
  /** One generation's whole story. */
  admin_generation: { args: { p_generation_id: Uuid }; answer: GenerationStory };
  /** The ledger, the newest first. */
  admin_predictions: { args: PredictionsArgs; answer: Page<'predictions', Prediction> };
  /** Users by what they have used, or one of them. */
  admin_users: { args: UsersArgs; answer: Page<'users', User> };
  /** All models, those that are on first. At most 500. */
  admin_models: { args: Record<never, never>; answer: { models: Model[] } };
  /** All plans by name, and the installation's budget. */
  admin_plans: { args: Record<never, never>; answer: { plans: Plan[]; budget: Budget } };
  /** The last runs of the cron, the newest first: 1,440 are kept, a day's. `p_limit` 1 to 1440, default 120. */
  admin_cron_history: { args: { p_limit?: number }; answer: { runs: CronRun[] } };
  /** What operators have done, the newest first. */
  admin_audit: { args: AuditArgs; answer: Page<'entries', AuditEntry> };
  /**
   * Rows of the daily roll-ups. Answers a bare array; with the header `Accept: text/csv` the same as CSV with a line of
   * names. At most 50,000 rows: a longer answer is refused, with the way out in its sentence. A project gives at most its
   * own "max rows" in one answer, 1,000 unless it is set: ask on with `?offset=1000&limit=1000` until fewer come.
   */
  admin_analytics: { args: AnalyticsArgs; answer: AnalyticsRow[] };
  /**
   * The same for a file, whole and by pages, of users over many days as well. A page is what some 5,000 rows of the
   * roll-ups add up to: rows of two pages that nothing tells apart are to be added up. `day`: how far it has come.
   */
  admin_export: {
    args: AnalyticsArgs & { p_cursor?: Cursor };
    answer: Page<'rows', AnalyticsRow> & { day: Day };
  };
  /** For any signed-in user: the same of their own, by day and model. Bare array, or CSV. At most 400 days. */
  usage_history: { args: { p_from?: Day; p_to?: Day }; answer: UsageRow[] };

  /** Ends a job that has not ended: with its generation, where it makes one, as its user would cancel it. */
  admin_cancel_job: { args: { p_job_id: Uuid; p_reason: string }; answer: Done };
  /** Cancels a generation as its user would. 409 where its image is made already. */
  admin_cancel_generation: { args: { p_generation_id: Uuid; p_reason: string }; answer: Done };
  /** Brings a failed job back with all its attempts, and its generation with it. */
  admin_requeue_job: { args: { p_job_id: Uuid; p_reason: string }; answer: Done };
  /** The same of many, the newest failed first. Asked again until `left` is 0. */
  admin_requeue_jobs: { args: RequeueArgs; answer: Requeued };
  /** Holds jobs back: those that wait stay waiting and starts are accepted; what runs goes on. */
  admin_pause: { args: PauseArgs; answer: Done };
  /**
   * Lets them go again. `provider`: ends the provider's own pause now, and one job tries. `model`: also takes back that
   * the provider refuses it.
   */
  admin_resume: { args: PauseArgs | { p_what: 'provider'; p_reason: string }; answer: Done };
  /** Switches a model on or off for new starts. What is started already goes on. `p_model`: `owner/name`. */
  admin_switch_model: { args: { p_model: string; p_is_active: boolean; p_reason: string }; answer: Done };
  /** Gives a user a plan; null: the plan `default`. */
  admin_set_user_plan: { args: { p_user_id: Uuid; p_plan: string | null; p_reason: string }; answer: Done };
  /** Adds a plan or changes what is given of one; null is no limit. */
  admin_save_plan: { args: { p_plan: PlanChange; p_reason: string }; answer: Done };
  /** Deletes a plan that no user has. Not `default`. */
  admin_delete_plan: { args: { p_name: string; p_reason: string }; answer: Done };
  /** Both budgets anew; null is none. */
  admin_set_budget: {
    args: { p_per_day_usd: number | null; p_per_month_usd: number | null; p_reason: string };
    answer: Done;
  };
  /** The rules of alerts and where each stands, whom they tell, and the newest 50 notices. */
  admin_alerts: { args: Record<never, never>; answer: Alerts };
  /** Changes what is given of a rule. */
  admin_set_alert_rule: { args: AlertRuleArgs; answer: Done };
  /** Adds a receiver, or changes what is given of one. At most 20. Neither its address nor its secret is answered. */
  admin_set_alert_receiver: { args: AlertReceiverArgs; answer: Done };
  /** Deletes a receiver and its notices. */
  admin_delete_alert_receiver: { args: { p_name: string; p_reason: string }; answer: Done };
  /** Sends it a notice. 429 where it was tested less than 30 seconds ago. */
  admin_test_alert_receiver: { args: { p_name: string; p_reason: string }; answer: Done };
  /** Takes an action back. 409 where what it changed has changed since, or it cannot be undone. */
  admin_undo: { args: { p_audit_id: number; p_reason: string }; answer: Done };
}

/** `next_cursor` is null on the last page. A page may be short, or empty, and have one: a call reads 2,000 rows. */
export type Page<Name extends string, Row> = Record<Name, Row[]> & { next_cursor: Cursor | null };

/** `p_reason` of every action: 1 to 500 characters, kept with it. */
export interface Done {
  /** Names the action for `admin_undo`. */
  audit_id: number;
  is_undoable: boolean;
  /** As the audit keeps them: what it was and what it is; null where there is nothing to show. */
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

// The live page ---------------------------------------------------------------------------------------------------

export interface Overview {
  /** When it was read, by the database's clock: count ages and countdowns from here. */
  at: Time;
  /** By type, the fullest first; types of workers of one's own too. At most 100. */
  queues: Queue[];
  /** Of all types, as in {@link Queue}. */
  totals: {
    waiting: number;
    ready: number;
    blocked: number;
    scheduled: number;
    running: number;
    /** Running, and the lease is over: a claim takes them over. Up to 1,000. */
    lost: number;
    /** Running for more than ten minutes: since their eleventh, by whole minutes. */
    stuck: number;
    /** Jobs that failed in the last 24 hours, by whole hours. */
    dead_letters_24h: number;
  };
  /** By what ended in that time; `success_rate` is completed / (completed + failed), 0 to 1; null: nothing ended. */
  throughput: {
    minutes: 5 | 15 | 60;
    completed: number;
    failed: number;
    cancelled: number;
    success_rate: number | null;
  }[];
  /** Until when `throughput` has counted: a minute ago, where the cron runs. Null: it has not yet run. */
  counted_until: Time | null;
  provider: {
    /** Null: creating. */
    paused_until: Time | null;
    paused_since: Time | null;
    reason: 'throttled' | 'account' | 'outage' | null;
    /** HTTP status of the provider's refusal. */
    code: number | null;
    /** The pause is over and one job at a time tries. */
    is_probing: boolean;
  };
  refused_models: { model: string; since: Time; until: Time; status: number; refusals: number }[];
  /** What operators hold back. */
  holds: { queue: boolean; job_types: string[]; models: string[] };
  budget: Budget;
  cron: {
    last_run_at: Time | null;
    /** Seconds since then; null: it has never run. It runs each minute: more than 180 is late. */
    lag_seconds: number | null;
    last_run: Record<string, unknown> | null;
  };
  /** As the cron found it when it last ran. */
  outputs: {
    /** Made over half an hour ago and not stored; counted up to 10,000. The provider deletes an output after an hour. */
    at_risk: number;
    /** Until the oldest is deleted; null: none waits. */
    seconds_left: number | null;
  };
  /** Open ones, the longest first. */
  alerts: { name: string; title: string; severity: Severity; opened_at: Time }[];
}

export interface Queue {
  job_type: string;
  /** Ready, blocked and scheduled together. All counts are exact. */
  waiting: number;
  ready: number;
  blocked: number;
  scheduled: number;
  running: number;
  /** When the job was created that a claim takes next; the oldest, of several priorities. Null: none is ready. */
  oldest_ready_at: Time | null;
  /** When the oldest blocked one was created. */
  oldest_blocked_at: Time | null;
  /** When the next scheduled one is due. */
  next_scheduled_at: Time | null;
  /** The minute in which the run began that runs longest. */
  oldest_running_at: Time | null;
  is_held: boolean;
}

export interface Budget {
  /** What the provider was paid, or will be for what has ended. */
  spent_today_usd: number;
  spent_this_month_usd: number;
  /** What open generations are expected to cost. Null: no budget is set, and nothing is reserved. */
  reserved_usd: number | null;
  per_day_usd: number | null;
  per_month_usd: number | null;
  state: 'none' | 'ok' | 'near' | 'exhausted';
  /** `budget`: exact now. `roll_ups`: no budget is set, so up to a minute old, and of generations that have ended. */
  source: 'budget' | 'roll_ups';
}

// Over time -------------------------------------------------------------------------------------------------------

export interface TimelineArgs {
  p_from: Time;
  /** Default: now. */
  p_to?: Time;
  /**
   * Seconds of a point. Minutes are kept for six hours, quarters of an hour for 14 days: a step is a multiple of 60,
   * and of 900 where `p_from` is more than six hours ago. At most 1,500 points.
   */
  p_step: number;
  /** Default: all types together. */
  p_job_type?: string;
}

export interface Timeline {
  /** Each point of the time asked for, the first first, also where nothing ended. */
  points: TimelinePoint[];
  /** Later points are not whole yet. */
  counted_until: Time | null;
}

export interface TimelinePoint {
  at: Time;
  completed: number;
  failed: number;
  cancelled: number;
  /** 0 to 1; null: nothing completed or failed. */
  success_rate: number | null;
  /** From due to the begin of the last run; of completed and failed ones. Within 10 % of the exact value. */
  wait_p50: number | null;
  wait_p95: number | null;
  wait_p99: number | null;
  /** How long that run took. */
  run_p50: number | null;
  run_p95: number | null;
  run_p99: number | null;
}

// Jobs ------------------------------------------------------------------------------------------------------------

export type JobState =
  | 'ready'
  | 'blocked'
  | 'scheduled'
  | 'running'
  | 'stuck'
  | 'failed'
  | 'completed'
  | 'cancelled';

export interface JobsArgs {
  /**
   * In the order of what comes next: `ready` as claims take them (of one type: `p_job_type`, default generate-image),
   * `blocked` by user, `scheduled` by when they are due, `running` and `stuck` by the end of their lease; what has
   * ended, the newest first. `failed` are the dead letters.
   */
  p_state: JobState;
  p_job_type?: string;
  p_user_id?: Uuid;
  /** Of failed ones: the code of the last error. */
  p_error_code?: string;
  /** 1 to 100, default 50. */
  p_limit?: number;
  p_cursor?: Cursor;
}

export interface Job {
  id: Uuid;
  job_type: string;
  state: 'ready' | 'blocked' | 'scheduled' | 'running' | 'finished';
  status: 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';
  priority: number;
  attempts: number;
  max_attempts: number;
  user_id: Uuid | null;
  generation_id: Uuid | null;
  /** `owner/name`, where the job names one. */
  model: string | null;
  prediction_id: string | null;
  created_at: Time;
  scheduled_at: Time;
  started_at: Time | null;
  completed_at: Time | null;
  /** Of a running one. It may be over: then a claim takes the job over. */
  lease_expires_at: Time | null;
  expires_at: Time | null;
  retry_until: Time | null;
  error_message: string | null;
  /** Of the last error. */
  error_code: string | null;
}

export interface JobDetail extends Job {
  /** Each attempt's error, the first first. */
  errors: JobError[];
  /** Prompts and addresses of files are left out of it. */
  payload: Record<string, unknown>;
  result: unknown;
  is_rescued: boolean;
  is_outcome_unknown: boolean;
  can_cancel: boolean;
  can_requeue: boolean;
}

export interface JobError {
  attempt: number;
  at: Time;
  message: string;
  code?: string;
  prediction_id?: string;
  [detail: string]: unknown;
}

export interface RequeueArgs {
  p_reason: string;
  p_job_type?: string;
  p_error_code?: string;
  p_user_id?: Uuid;
  p_model?: string;
  p_failed_after?: Time;
  p_failed_before?: Time;
  /** 1 to 200, default 100. */
  p_limit?: number;
}

export interface Requeued extends Done {
  requeued: number;
  /** Cannot be brought back: the generation is gone, or has not failed. */
  skipped: number;
  /** That match still, of the next 10,000 failed ones. */
  left: number;
}

export type PauseArgs =
  | { p_what: 'queue'; p_reason: string }
  | { p_what: 'job_type' | 'model'; p_name: string; p_reason: string };

// One thing -------------------------------------------------------------------------------------------------------

export interface Found {
  /**
   * `id` is what names it in the calls above; of `webhook` and `image` that of the generation. `none`: nothing is known
   * by it.
   */
  kind: 'generation' | 'job' | 'batch' | 'image' | 'user' | 'prediction' | 'webhook' | 'model' | 'none';
  id: string | null;
  /** Of all kinds that belong to one. */
  generation_id: Uuid | null;
  user_id: Uuid | null;
}

export interface GenerationStory {
  generation: {
    id: Uuid;
    user_id: Uuid;
    user_email: string | null;
    batch_id: Uuid | null;
    status: 'queued' | 'processing' | 'downloading' | 'completed' | 'failed' | 'cancelled';
    model: string | null;
    operation: string;
    /** Two letters, where known. */
    country: string | null;
    prompt: string;
    width: number | null;
    height: number | null;
    seed: number | null;
    priority: number;
    progress: number;
    retry_count: number;
    error_message: string | null;
    error_code: string | null;
    parent_id: Uuid | null;
    created_at: Time;
    started_at: Time | null;
    completed_at: Time | null;
    generation_seconds: number | null;
    predict_seconds: number | null;
    /** What its user is charged. */
    cost_usd: number | null;
    /** What its start reserved of its user's money: what it was expected to cost. */
    reserved_usd: number;
  };
  /** Its jobs that are kept, the oldest first. */
  jobs: JobDetail[];
  predictions: Prediction[];
  webhooks: WebhookDelivery[];
  image: {
    id: Uuid;
    public_url: string;
    width: number | null;
    height: number | null;
    format: string | null;
    bytes: number | null;
    is_public: boolean;
    created_at: Time;
  } | null;
  /** What the provider was paid for all its predictions, as far as known. */
  provider_cost_usd: number;
  /** What to look for in the Workers' logs: each line that concerns it has one of the ids. */
  log: { ids: string[]; from: Time; to: Time };
}

export interface WebhookDelivery {
  webhook_id: string;
  type: string;
  /** Without its query. */
  url: string;
  created_at: Time;
  status: 'pending' | 'delivered' | 'failed' | 'gone';
  attempts: {
    attempt: number;
    at: Time;
    status?: number | null;
    duration_ms?: number;
    error?: string | null;
    [detail: string]: unknown;
  }[];
  job_id: Uuid | null;
}

export interface PredictionsArgs {
  /** The id of a prediction, job, generation, image, batch, webhook or user, or a user's e-mail address. */
  p_search?: string;
  /** 1 to 100, default 50. */
  p_limit?: number;
  p_cursor?: Cursor;
}

export interface Prediction {
  id: string;
  job_id: Uuid;
  generation_id: Uuid | null;
  user_id: Uuid | null;
  attempt: number;
  model: string | null;
  source: 'created' | 'adopted' | 'webhook';
  recorded_at: Time;
  ended_at: Time | null;
  /** The provider's word: succeeded, failed, canceled, aborted; `unknown`: given up. Null: it runs. */
  status: string | null;
  predict_seconds: number | null;
  cost_usd: number | null;
  is_unwanted: boolean;
}

// Users, models, plans --------------------------------------------------------------------------------------------

export interface UsersArgs {
  /** A user's id or whole e-mail address. With it the page is that user, or empty. */
  p_search?: string;
  /**
   * Of whom generations have ended today, or this month; the most first. `slots`: of whom something is under way now,
   * among the first 200 jobs that run and the next 200 images; one page. Default `cost_month`.
   */
  p_sort?: 'cost_today' | 'images_today' | 'cost_month' | 'images_month' | 'slots';
  /** 1 to 100, default 50. */
  p_limit?: number;
  p_cursor?: Cursor;
}

export interface User {
  id: Uuid;
  email: string | null;
  created_at: Time | null;
  is_banned: boolean;
  is_admin: boolean;
  plan: string;
  /** Of the plan; null: no limit. */
  images_per_day: number | null;
  money_per_day: number | null;
  running_jobs: number | null;
  /** Counted at the start: what is asked for. Cost: what finished ones cost, and open ones are expected to. */
  images_today: number;
  cost_today_usd: number;
  cost_this_month_usd: number;
  /** Slots taken: jobs that are ready or running. */
  slots_taken: number;
  /** When the first of the blocked ones was created; null: none is blocked. */
  blocked_since: Time | null;
  /** Of generations that have ended. */
  today: Ended;
  this_month: Ended;
}

export interface Ended {
  completed: number;
  failed: number;
  cancelled: number;
  cost_usd: number;
}

export interface Model {
  /** `owner/name`. */
  model: string;
  display_name: string | null;
  is_active: boolean;
  is_default: boolean;
  is_held: boolean;
  refused: { since: Time; until: Time; status: number; refusals: number } | null;
  /** Null: its price is not known. */
  usd_per_image: number | null;
  /** Mean of its runs, older ones fading; null: none was measured. */
  mean_seconds: number | null;
  today: ModelUse;
  last_30_days: ModelUse;
}

export interface ModelUse extends Ended {
  /** 0 to 1; null: nothing completed or failed. */
  success_rate: number | null;
  /** From the start of the run to the stored image, of completed ones. */
  mean_seconds: number | null;
}

export interface Plan {
  /** Of the plan `default`: users without another. */
  name: string;
  requests_per_minute: number | null;
  images_per_day: number | null;
  priorities: ('low' | 'normal' | 'high')[];
  running_jobs: number | null;
  money_per_day: number | null;
  stored_sources: number | null;
  /** Users that were given it; of `default` those that were given it by name. Up to 10,000. */
  users: number;
}

export type PlanChange = Partial<Omit<Plan, 'users'>> & { name: string };

// The cron, the audit ---------------------------------------------------------------------------------------------

export interface CronRun {
  ran_at: Time;
  /** Since the run before; null: not known. */
  gap_seconds: number | null;
  /** What the run reported: claimed, processed, errors, rescued, duration_ms. */
  stats: Record<string, unknown>;
  /** Ends that the roll-ups took in. */
  rolled_up: number;
}

export interface AuditArgs {
  p_action?: AuditAction;
  /** Who did it. */
  p_actor?: Uuid;
  /** A job, a generation, a user, a model, a plan, a rule or a receiver of alerts, as `target` names it. */
  p_target?: string;
  /** 1 to 100, default 50. */
  p_limit?: number;
  p_cursor?: Cursor;
}

export type AuditAction =
  | 'cancel_job'
  | 'cancel_generation'
  | 'requeue_job'
  | 'requeue_jobs'
  | 'pause'
  | 'resume'
  | 'switch_model'
  | 'set_user_plan'
  | 'save_plan'
  | 'delete_plan'
  | 'set_budget'
  | 'set_alert_rule'
  | 'set_alert_receiver'
  | 'delete_alert_receiver'
  | 'test_alert_receiver';

export interface AuditEntry {
  id: number;
  at: Time;
  /** Null: a server with the secret key, or SQL. */
  actor: Uuid | null;
  /** As which role of the database: `authenticated` (an admin), `service_role`, or SQL's own. */
  role: string;
  actor_email: string | null;
  action: AuditAction;
  target: string | null;
  reason: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  is_undoable: boolean;
  /** The entry that took it back; null: none. */
  undone_by: number | null;
  /** The entry that it takes back; null: it is an action of its own. */
  undoes: number | null;
}

// Alerts ----------------------------------------------------------------------------------------------------------

export type Severity = 'warning' | 'critical';

export interface Alerts {
  /** By name. */
  rules: AlertRule[];
  receivers: AlertReceiver[];
  /** The newest first. `rule` is null of a test. */
  notices: (Notice & { receiver: string })[];
}

export interface AlertRule {
  name: string;
  title: string;
  severity: Severity;
  comparison: 'over' | 'at_least' | 'under';
  threshold: number;
  /** How long the value must be beyond the threshold. */
  holds_seconds: number;
  /** How often an open alert is told again; null: never. */
  repeats_seconds: number | null;
  is_on: boolean;
  /** `pending`: beyond the threshold, but not for long enough yet. */
  state: 'clear' | 'pending' | 'open';
  /** Unless it is clear. */
  value: number | null;
  detail: string | null;
  pending_since: Time | null;
  opened_at: Time | null;
  resolved_at: Time | null;
  last_sent_at: Time | null;
}

export type ReceiverKind = 'slack' | 'discord' | 'json' | 'email';

export interface AlertReceiver {
  name: string;
  kind: ReceiverKind;
  /** Of its address. */
  host: string;
  has_secret: boolean;
  label: string | null;
  least_severity: Severity;
  is_on: boolean;
  /** With its last attempt, where there was one. `status`: of HTTP; null: no answer came. */
  last_notice: (Notice & { attempt: { attempt: number; at: Time; status: number | null } | null }) | null;
}

export interface Notice {
  at: Time;
  kind: 'raised' | 'repeated' | 'resolved' | 'test';
  rule: string | null;
  /** `cancelled`: its job was. */
  status: 'pending' | 'delivered' | 'failed' | 'gone' | 'cancelled';
}

export interface AlertRuleArgs {
  p_name: string;
  p_reason: string;
  p_threshold?: number;
  /** 0 to 86,400. */
  p_holds_seconds?: number;
  /** 300 to 2,592,000; 0: never. */
  p_repeats_seconds?: number;
  p_severity?: Severity;
  p_is_on?: boolean;
}

export interface AlertReceiverArgs {
  p_name: string;
  p_reason: string;
  p_kind?: ReceiverKind;
  p_url?: string;
  /** json: `whsec_…`, which signs. email: the mailer's token. */
  p_secret?: string;
  /** email: which header has the token. Default `authorization`. */
  p_header?: string;
  /** email: the mailer's JSON body, with `{subject}` and `{text}` in its texts. */
  p_template?: Record<string, unknown>;
  /** What its notices begin with; `''` takes it away. */
  p_label?: string;
  p_least_severity?: Severity;
  p_is_on?: boolean;
}

// Analytics -------------------------------------------------------------------------------------------------------

export type Dimension = 'day' | 'model' | 'status' | 'country' | 'error_code' | 'user';

export interface AnalyticsArgs {
  /** The first and last day, both included. Kept for 400 days. Default: the last 30 days. */
  p_from?: Day;
  p_to?: Day;
  /**
   * What the rows tell apart; the others are added up and null. Default `["day", "model", "status"]`. With `user` one
   * day's at most unless `p_user_id` is given.
   */
  p_by?: Dimension[];
  p_user_id?: Uuid;
  p_model?: string;
  p_country?: string;
}

export interface AnalyticsRow {
  day: Day | null;
  user_id: Uuid | null;
  /** `unknown` where the generation named none. */
  model: string | null;
  status: 'completed' | 'failed' | 'cancelled' | null;
  /** Two letters; `''` where not known. */
  country: string | null;
  /** `''` of completed ones. */
  error_code: string | null;
  generations: number;
  /** Of completed ones, from the start of the run to the stored image; added up. */
  seconds: number;
  /** Completed: what their users are charged; others: what their predictions had cost when they ended. */
  cost_usd: number;
}

export interface UsageRow {
  day: Day;
  model: string;
  completed: number;
  failed: number;
  cancelled: number;
  seconds: number;
  cost_usd: number;
}
