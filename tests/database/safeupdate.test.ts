import { expect, test } from 'vitest';
import { Database, refusal } from './support.ts';

// The real pg-safeupdate. With SAFEUPDATE_SOURCE and POSTGRES_BIN every call that these tests make as the API does
// runs under it; without them unqualified.test.ts reads the functions instead. How: dev/stack/README.md.

const db = await Database.open();
const [loaded] = await db.sql`select where current_setting('safeupdate.enabled', true) is not null`;

test.runIf(loaded)(
  'an UPDATE and a DELETE without WHERE are refused, in a function and in a CTE',
  async () => {
    await db.sql.unsafe(`
    create table public.things (n int);
    create function public.bare(p text) returns void language plpgsql security definer as $$
    begin
      if p = 'update' then update public.things set n = 1;
      elsif p = 'delete' then delete from public.things;
      elsif p = 'cte' then with gone as (delete from public.things returning n) insert into public.things table gone;
      else update public.things set n = 1 where true;
      end if;
    end $$;
    grant execute on function public.bare to service_role`);
    for (const p of ['update', 'delete', 'cte']) {
      expect((await refusal(db.service('bare', { p }))).sqlstate, p).toBe('21000');
    }
    await db.service('bare', { p: 'with where' });
  },
);

test.runIf(loaded)('the sweeps and the pause work', async () => {
  await db.service('record_sweep', { p_stats: {} });
  await db.service('sweep_storage', {});
  const user = await db.createUser();
  await db.start(user);
  const job = await db.claimOne();
  await db.service('pause_provider', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_seconds: 60,
    p_reason: 'throttled',
    p_code: 429,
  });
});
