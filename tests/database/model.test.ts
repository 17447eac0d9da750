import postgres from 'postgres';
import { expect, test } from 'vitest';
import { Broken, modelCheck } from '../../bench/model-check/run.ts';
import { createDatabase } from '../stack/testing.ts';

// The queue under random calls of 16 connections, beside the model of bench/model-check; `npm run model-check` plays longer.

const play = (url: string, seed: number, milliseconds: number) =>
  modelCheck(url, { seed, milliseconds, connections: 16, say: () => {} });

test('random calls at the same time get the answers, and leave the rows, that the model has', async () => {
  const { url } = await createDatabase();
  const { calls, families } = await play(url, 1, 10_000);
  expect(calls).toBeGreaterThan(200);
  expect(families).toBeGreaterThan(50);
}, 600_000);

const SABOTAGED: Record<string, string> = {
  'a snooze that is answered and not made': `
    create or replace function public.snooze_job(
      p_job_id uuid, p_lease bigint, p_seconds numeric, p_outcome_unknown boolean = false
    ) returns jsonb language sql as $$ select '{"outcome": "snoozed"}'::jsonb $$`,
  'a stale lease that completes a job': `
    create or replace function public.complete_job(p_job_id uuid, p_lease bigint, p_result jsonb = null)
    returns jsonb language plpgsql security definer as $$
    begin
      return private.complete_job(p_job_id, (select lease from public.job_queue where id = p_job_id), p_result);
    end $$`,
  'a job that is handed out and comes back as if it had not been': `
    create or replace function public.claim_jobs(p_limit int = 1, p_lease_seconds int = 60, p_job_types text[] = null)
    returns setof public.job_queue language plpgsql security definer as $$
    declare v_job public.job_queue;
    begin
      for v_job in select * from private.claim_jobs(p_limit, p_lease_seconds, p_job_types) loop
        if random() < 0.1 then
          update public.job_queue set status = 'pending', lease = lease - 1 where id = v_job.id;
        end if;
        return next v_job;
      end loop;
    end $$`,
};

test.each(Object.keys(SABOTAGED))(
  'it notices %s',
  async (what) => {
    const { url } = await createDatabase();
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    await sql.unsafe(SABOTAGED[what] as string);
    await sql.end();
    await expect(play(url, 1, 60_000)).rejects.toThrow(Broken);
  },
  600_000,
);
