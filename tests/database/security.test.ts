import { beforeAll, describe, expect, test } from 'vitest';
import { Database, MODEL, type Role, refusal } from './support.ts';

const db = await Database.open();
let owner: string;
let stranger: string;

const TABLES = [
  'profiles',
  'models',
  'batch_generations',
  'image_generations',
  'images',
  'job_queue',
] as const;
const VIEWS = ['queue_health', 'failed_jobs_recent', 'stuck_jobs', 'queue_latency', 'tenant_usage'] as const;
type Operation = 'select' | 'insert' | 'update' | 'delete';
const OPERATIONS: Operation[] = ['select', 'insert', 'update', 'delete'];

/** Ends a transaction that could do what it tried. */
const TAKEN_BACK = new Error('it may');

/** What each role may do at all; how far it reaches is tested below. Anything not named is refused. */
const MAY: Record<Exclude<Role, 'service_role'>, Partial<Record<string, Operation[]>>> = {
  anon: { models: ['select'] },
  authenticated: {
    models: ['select'],
    // Inserting one's own again is tried in original/names.test.ts.
    profiles: ['select', 'update', 'delete'],
    batch_generations: ['select', 'update', 'delete'],
    image_generations: ['select', 'insert', 'update', 'delete'],
    images: ['select', 'update', 'delete'],
    job_queue: ['select', 'update'],
    queue_health: ['select'],
    failed_jobs_recent: ['select'],
    stuck_jobs: ['select'],
  },
};

/** A column that the role may write where it may write any. */
const WRITABLE: Record<string, string> = {
  profiles: 'username',
  images: 'is_favorite',
  // What a user sets there is a wish: tests/database/original.
  image_generations: 'status',
  batch_generations: 'status',
  job_queue: 'status',
  queue_health: 'status',
  queue_latency: 'jobs',
  tenant_usage: 'plan',
};

function statement(table: string, operation: Operation): string {
  const column = WRITABLE[table] ?? 'id';
  return {
    select: `select * from public.${table}`,
    insert:
      table === 'image_generations'
        ? `insert into public.${table} (user_id, prompt, model) values (auth.uid(), 'x', '${MODEL}')`
        : `insert into public.${table} default values`,
    // `where true`: pg-safeupdate, where it is loaded, is not what shall refuse.
    update: `update public.${table} set ${column} = ${column} where true`,
    delete: `delete from public.${table} where true`,
  }[operation];
}

beforeAll(async () => {
  [owner, stranger] = [await db.createUser(), await db.createUser()];
  for (const user of [owner, stranger]) {
    const { generation_id } = await db.start(user, { items: [{ prompt: 'one' }, { prompt: 'two' }] });
    await db.sql`insert into public.images (generation_id, user_id, storage_path, public_url)
      values (${generation_id}, ${user}, ${`${user}/a.webp`}, 'https://x.example/a.webp')`;
    await db.sql`update public.job_queue set status = 'failed', completed_at = now() where generation_id = ${generation_id}`;
    await db.sql`insert into storage.objects (bucket_id, name) values ('generated-images', ${`${user}/a.webp`})`;
  }
  await db.sql`update public.job_queue set status = 'processing', started_at = now() - interval '1 hour' where status = 'pending'`;
});

describe.each(['anon', 'authenticated'] as const)('%s', (role) => {
  const cells = [...TABLES, ...VIEWS].flatMap((table) =>
    OPERATIONS.map((operation) => ({ table, operation })),
  );
  test.each(cells)('$operation on $table', async ({ table, operation }) => {
    const attempt = db.as(role, role === 'anon' ? null : owner, async (sql) => {
      await sql.unsafe(statement(table, operation));
      throw TAKEN_BACK;
    });
    if (MAY[role][table]?.includes(operation)) await expect(attempt).rejects.toBe(TAKEN_BACK);
    // 55000: a view over an aggregate cannot be written, whoever asks.
    else
      expect(['42501', '55000'], `${role} may not ${operation} on ${table}`).toContain(
        (await refusal(attempt)).sqlstate,
      );
  });

  test('every table of private is closed, save those that job_queue shows a reader’s rows of', async () => {
    const tables = await db.sql<{ name: string }[]>`select relname as name from pg_class
      where relkind = 'r' and relnamespace = 'private'::regnamespace
        and (relname not like '%\_jobs' or ${role} = 'anon')`;
    expect(tables.length).toBeGreaterThan(10);
    for (const { name } of tables) {
      const attempt = db.as(role, owner, (sql) => sql.unsafe(`select * from private.${name}`));
      expect((await refusal(attempt)).sqlstate, `private.${name}`).toBe('42501');
    }
  });
});

describe('a signed-in user', () => {
  test.each(['batch_generations', 'image_generations', 'images', 'job_queue'])(
    'sees their own rows of %s and no other',
    async (table) => {
      const column = table === 'job_queue' ? 'created_by' : 'user_id';
      const rows = await db.as('authenticated', owner, (sql) =>
        sql.unsafe(`select ${column} as user_id from public.${table}`),
      );
      expect(rows.length).toBeGreaterThan(0);
      expect(new Set(rows.map((row) => row.user_id))).toEqual(new Set([owner]));
    },
  );

  test('sees only their own jobs in the operators’ views', async () => {
    const ids = async (view: string) => {
      const rows = await db.as('authenticated', owner, (sql) =>
        sql.unsafe(`select payload ->> 'user_id' as user_id from public.${view}`),
      );
      return rows.map((row) => row.user_id);
    };
    expect(await ids('failed_jobs_recent')).toEqual([owner]);
    expect(await ids('stuck_jobs')).toEqual([owner]);
    const health = await db.as(
      'authenticated',
      owner,
      (sql) => sql`select sum(count)::int as n from public.queue_health`,
    );
    expect(health[0]?.n).toBe(2);
  });

  test('sees a public image of another user, and cannot change it', async () => {
    await db.sql`update public.images set is_public = true where user_id = ${stranger}`;
    const seen = await db.as(
      'authenticated',
      owner,
      (sql) => sql`select from public.images where user_id = ${stranger}`,
    );
    expect(seen.length).toBe(1);
    const changed = await db.as(
      'authenticated',
      owner,
      (sql) => sql`update public.images set rating = 1 where user_id = ${stranger} returning id`,
    );
    expect(changed.length).toBe(0);
    await db.sql`update public.images set is_public = false`;
  });

  test('changes their own profile only, and only its names', async () => {
    const change = (sets: string) =>
      db.as('authenticated', owner, (sql) =>
        sql.unsafe(`update public.profiles set ${sets} where true returning id`),
      );
    expect((await change("username = 'me'")).map((row) => row.id)).toEqual([owner]);
    expect((await refusal(change("email = 'other@example.com'"))).sqlstate).toBe('42501');
    expect((await refusal(change(`id = '${stranger}'`))).sqlstate).toBe('42501');
  });

  test('finds their own stored objects, deletes them and no other, and writes none', async () => {
    const names = await db.as(
      'authenticated',
      owner,
      (sql) => sql`select name from storage.objects where bucket_id = 'generated-images'`,
    );
    expect(names.map((row) => row.name)).toEqual([`${owner}/a.webp`]);
    const put = db.as(
      'authenticated',
      owner,
      (sql) =>
        sql`insert into storage.objects (bucket_id, name) values ('generated-images', ${`${owner}/b.webp`})`,
    );
    expect((await refusal(put)).sqlstate).toBe('42501');
    const gone = await db.as('authenticated', owner, async (sql) => {
      await sql`set local storage.allow_delete_query = 'true'`; // as Storage does
      return sql`delete from storage.objects where true returning name`;
    });
    expect(gone.map((row) => row.name)).toEqual([`${owner}/a.webp`]);
    const [bucket] = await db.sql`select public from storage.buckets where id = 'generated-images'`;
    expect(bucket?.public).toBe(true);
  });

  test('cannot act for another by forging a claim in the request', async () => {
    for (const field of ['user_id', 'created_by'])
      expect(await refusal(db.start(owner, { [field]: stranger }))).toMatchObject({ field });
    const id = await db.callAs<string>(owner, 'enqueue_job', {
      p_job_type: 'generate-image',
      p_payload: { prompt: 'a lighthouse', model_id: MODEL, user_id: stranger, created_by: stranger },
    });
    expect(await db.job(id)).toMatchObject({ created_by: owner, payload: { user_id: owner } });
  });
});

/** Who may call what; a function that is not named here is for nobody but its owner. */
const USERS_WEBHOOKS = ['webhook_secret', 'rotate_webhook_secret', 'webhook_deliveries', 'resend_webhook'];
/** Open to anybody, as the rows of models are. */
const PUBLIC = ['model_prices'];
/** Anybody who is signed in may call them, and is refused who is not an admin. */
const ADMINS = [
  'admin_alerts',
  'admin_analytics',
  'admin_audit',
  'admin_cancel_generation',
  'admin_cancel_job',
  'admin_cron_history',
  'admin_delete_alert_receiver',
  'admin_delete_plan',
  'admin_export',
  'admin_find',
  'admin_generation',
  'admin_job',
  'admin_jobs',
  'admin_models',
  'admin_overview',
  'admin_pause',
  'admin_plans',
  'admin_predictions',
  'admin_requeue_job',
  'admin_requeue_jobs',
  'admin_resume',
  'admin_save_plan',
  'admin_set_alert_receiver',
  'admin_set_alert_rule',
  'admin_set_budget',
  'admin_set_user_plan',
  'admin_switch_model',
  'admin_test_alert_receiver',
  'admin_timeline',
  'admin_undo',
  'admin_users',
];
const USERS = [
  ...PUBLIC,
  ...ADMINS,
  'usage_history',
  'start_generation',
  'get_generation',
  'list_generations',
  'kept_request',
  'mark_image',
  'mark_images',
  'user_usage',
  'cancel_generation',
  'retry_generation',
  'delete_generation',
  'delete_image',
  'delete_own_account',
  'start_inserted_generation',
  'start_batch',
  'enqueue_job',
  ...USERS_WEBHOOKS,
];
/** What a server of the app's calls for one of its users. */
const SERVERS = [
  'start_generation',
  'get_generation',
  'list_generations',
  'kept_request',
  'cancel_generation',
  'retry_generation',
  'delete_generation',
  'delete_image',
  'mark_image',
  'mark_images',
  'user_usage',
];
const SERVICE = [
  ...PUBLIC,
  ...ADMINS,
  ...SERVERS,
  'enqueue_job',
  'enqueue_jobs',
  'claim_next_job',
  'complete_job',
  'complete_jobs',
  'claim_jobs',
  'fail_job',
  'snooze_job',
  'pause_provider',
  'refuse_model',
  'extend_lease',
  'record_prediction',
  'record_predictions',
  'record_progress',
  'finish_prediction',
  'finish_download',
  'requeue_job',
  'prune_jobs',
  'record_sweep',
  'queue_status',
  'webhook_message',
  'record_delivery',
  'queue_metrics',
  'removable_objects',
  'sweep_storage',
  'tell_late_subscribers',
  'live_snapshot',
  'alerts',
  'set_alert_rule',
  'set_alert_receiver',
  'delete_alert_receiver',
  'test_alert_receiver',
];
// What the view queue_health is made of: it runs with its reader's rights.
const HEALTH = ['queue_totals', 'is_user'];
const PRIVATE_USERS = [
  ...PUBLIC,
  ...ADMINS,
  'usage_history',
  ...HEALTH,
  'start_generation',
  'get_generation',
  'list_generations',
  'kept_request',
  'mark_image',
  'mark_images',
  'user_usage',
  'cancel_generation',
  'enqueue_own_job',
  'start_inserted',
  'start_batch',
  'delete_generation',
  'delete_image',
  'delete_own_account',
  'with_own_changes',
  // What the policies on generations and batches do before a row is locked.
  'lock_for_change',
  // What the view job_queue does with a status that its user sets.
  'job_cancelled_by_hand',
  // What the policy on uploads asks for.
  'may_add_source',
  ...USERS_WEBHOOKS,
];
const PRIVATE_SERVICE = [
  ...SERVICE.filter((name) => !['claim_next_job', 'alerts'].includes(name) && !SERVERS.includes(name)),
  'alert_state',
  'act_as',
  'act_as_owner',
  'act_as_owner_of_image',
  ...HEALTH,
  'complete_job_unfenced',
  'latencies',
  'tenants',
  'with_changes',
];

test.each<[Role, string, string[]]>([
  ['anon', 'public', PUBLIC],
  ['authenticated', 'public', USERS],
  ['service_role', 'public', SERVICE],
  ['anon', 'private', PUBLIC],
  ['authenticated', 'private', PRIVATE_USERS],
  ['service_role', 'private', PRIVATE_SERVICE],
])('%s may call in %s exactly what is granted', async (role, schema, names) => {
  const rows = await db.sql`select distinct proname as name from pg_proc
    where pronamespace = ${schema}::regnamespace and has_function_privilege(${role}, oid, 'execute')`;
  expect(rows.map((row) => row.name).sort()).toEqual([...new Set(names)].sort());
});

describe('rules for every object of the migrations', () => {
  const none = async (query: string) => expect([...(await db.sql.unsafe(query))]).toEqual([]);

  test('row-level security is on for every table', () =>
    none(`select oid::regclass::text from pg_class where relkind = 'r' and not relrowsecurity
      and relnamespace in ('public'::regnamespace, 'private'::regnamespace)`));

  // One whose body is an expression was read when it was made, and is put in the place of its call.
  test('every function pins its search_path', () =>
    none(`select oid::regprocedure::text from pg_proc
      where pronamespace in ('public'::regnamespace, 'private'::regnamespace) and prosqlbody is null
        and not coalesce(proconfig @> array['search_path=""'], false)`));

  test('a function that pins enable_seqscan pins jit as well', () =>
    none(`select oid::regprocedure::text from pg_proc
      where pronamespace in ('public'::regnamespace, 'private'::regnamespace)
        and proconfig @> array['enable_seqscan=off'] and not proconfig @> array['jit=off']`));

  test('functions with their owner’s rights are in private only', () =>
    none(
      `select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace and prosecdef`,
    ));

  test('views run with the reader’s rights', () =>
    none(`select oid::regclass::text from pg_class where relkind = 'v' and relnamespace = 'public'::regnamespace
      and not coalesce(reloptions @> array['security_invoker=true'], false)`));

  test('policies ask for auth.uid() once per statement, not once per row', () =>
    none(`select policyname from pg_policies where schemaname in ('public', 'storage')
      and regexp_replace(coalesce(qual, '') || coalesce(with_check, ''), '\\( ?SELECT auth\\.uid\\(\\)', '', 'gi') ~ 'auth\\.uid'`));

  test('every foreign key has an index that begins with it', () =>
    none(`select conrelid::regclass::text, conname from pg_constraint as c
      where contype = 'f' and connamespace in ('public'::regnamespace, 'private'::regnamespace)
        and not exists (select from pg_index as i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])`));

  test('generations and batches are published to Realtime', async () => {
    const rows =
      await db.sql`select tablename from pg_publication_tables where pubname = 'supabase_realtime'`;
    expect(rows.map((row) => row.tablename).sort()).toEqual(['batch_generations', 'image_generations']);
  });
});
