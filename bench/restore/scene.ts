import type postgres from 'postgres';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import type { TestStack } from '../../tests/e2e/support/stack.ts';
import { MODEL, type TestUser } from '../../tests/e2e/support/user.ts';

/** A generation of the rehearsal, and where it stood at the dump. */
export interface Played {
  /** Its state at the dump, in the words of the report. */
  state: string;
  id: string;
  job: string;
}

export interface Scene {
  stack: TestStack;
  /** The database that the Workers have now. */
  sql: postgres.Sql;
  supabase: RunningSupabase;
  user: TestUser;
  other: TestUser;
}

/** How soon what is asked for later is due: after the dump, which takes a second or two. */
const SOON_MS = 12_000;
const TOMORROW_MS = 86_400_000;

const status = async ({ sql }: Scene, id: string) => {
  const [row] = await sql<{ status: string }[]>`
    select status from public.image_generations where id = ${id}`;
  return row?.status;
};

/** Runs the queue until a generation is as it should be. */
async function runUntil(scene: Scene, id: string, ...wanted: string[]): Promise<void> {
  await scene.stack.until(`generation ${id} to be ${wanted.join(' or ')}`, async () => {
    await scene.stack.processJobs();
    return wanted.includes((await status(scene, id)) ?? '');
  });
}

/** Brings jobs into every state; what waits is made last, so that nothing takes it. */
export async function playBefore(scene: Scene, batch: number): Promise<Played[]> {
  const { stack, sql, supabase, user, other } = scene;
  const played: Played[] = [];
  const start = async (state: string, prompt: string, more: object = {}, who = user) => {
    const started = await who.start({ prompt, ...more });
    const one = { state, id: started.generation_id, job: started.job_id };
    played.push(one);
    return one;
  };
  await stack.simulator.faults([
    { match: { prompt: 'refused' }, fault: { error: 'NSFW' } },
    { match: { prompt: 'model runs' }, fault: { hold: 'run' } },
  ]);
  const done = await start('completed', 'done');
  await runUntil(scene, done.id, 'completed');
  const refused = await start('failed', 'refused');
  await runUntil(scene, refused.id, 'failed');
  const later = { scheduled_at: new Date(Date.now() + TOMORROW_MS).toISOString() };
  const cancelled = await start('cancelled', 'not wanted', later);
  await user.call('POST', `/generations/${cancelled.id}/cancel`);

  const running = await start('the model runs', 'the model runs');
  await stack.until('its prediction to be recorded', async () => {
    await stack.processJobs();
    return (await stack.jobs(running.id))[0]?.prediction_id !== null;
  });
  supabase.faults.set([{ match: { path: 'rpc/record_prediction' }, fault: { status: 503 } }]);
  const unrecorded = await start('created, not recorded', 'another model runs');
  await stack.until('its prediction, of which nothing is recorded', async () => {
    await stack.processJobs();
    return (await stack.simulator.predictions(unrecorded.job)).length > 0;
  });
  // As start-generation does it with its wake-ups: the job is leased in the answer, and here nobody takes it.
  const { data, error } = await other.supabase.rpc('start_generation', {
    p_request: { prompt: 'taken along', model_id: MODEL },
    p_next: 1,
  });
  if (error) throw new Error(`the start that hands its job over was refused: ${error.message}`);
  const next = data as { generation_id: string; job_id: string };
  // On a slow machine their leases would run out before the dump, and the next claim would look after them.
  await sql`update private.running_jobs set lease_expires_at = now() + interval '1 hour'
    where id in ${sql([unrecorded.job, next.job_id])}`;
  supabase.faults.set([
    { match: { method: 'POST', path: 'object/generated-images' }, fault: { status: 503 } },
  ]);
  const storing = await start('being stored', 'stored later');
  await runUntil(scene, storing.id, 'downloading');
  await stack.until('its file to have been put off', async () => {
    await stack.processJobs();
    return (await stack.jobs(storing.id)).some(
      (job) => job.job_type === 'download-image' && job.status === 'pending',
    );
  });
  await start('scheduled, due after the dump', 'soon', {
    scheduled_at: new Date(Date.now() + SOON_MS).toISOString(),
  });
  await start('scheduled for tomorrow', 'tomorrow', later);
  const many = await other.start({ prompt: 'waiting', num_images: batch });
  for (const { generation_id, job_id } of [next, ...(many.generations ?? [])]) {
    const [job] = await sql<{ state: string }[]>`
      select case when status = 'processing' then 'handed over' when blocked then 'blocked' else 'ready' end as state
      from public.job_queue where id = ${job_id}`;
    played.push({ state: job?.state ?? 'nowhere', id: generation_id, job: job_id });
  }
  return played;
}

/** Goes on after the dump until everything that can end has ended, and starts what the dump does not know. */
export async function playAfter(scene: Scene, played: Played[]): Promise<Played[]> {
  const { stack, supabase, user } = scene;
  supabase.faults.set([]);
  await stack.simulator.release();
  const lost: Played[] = [];
  for (let n = 0; n < 2; n += 1) {
    const started = await user.start({ prompt: `after the dump ${n}` });
    lost.push({ state: 'started after the dump', id: started.generation_id, job: started.job_id });
  }
  await settle(scene, [...played, ...lost]);
  return lost;
}

/** Runs the queue, with leases and waits made to end at once, until what can end has ended. */
export async function settle(scene: Scene, played: Played[]): Promise<void> {
  const { stack, sql } = scene;
  const ids = played.filter(({ state }) => state !== 'scheduled for tomorrow').map(({ id }) => id);
  await stack.until('everything to have ended', async () => {
    await letTimePass(scene, ids);
    await stack.sweep();
    const [row] = await sql<{ open: number }[]>`
      select count(*)::int as open from public.image_generations
      where id in ${sql(ids)} and status not in ('completed', 'failed', 'cancelled')`;
    return row?.open === 0;
  });
}

async function letTimePass({ sql }: Scene, ids: string[]): Promise<void> {
  await sql`update private.provider_pause set until = least(until, now()) where only_row`;
  await sql`update public.job_queue set lease_expires_at = now() - interval '1 second'
    where status = 'processing' and generation_id in ${sql(ids)}`;
  // What was put off; not what was asked for later.
  await sql`update public.job_queue set scheduled_at = now() - interval '1 second'
    where status = 'pending' and (attempts > 0 or job_type <> 'generate-image') and scheduled_at > now()
      and generation_id in ${sql(ids)}`;
}
