import type { SupabaseClient } from '@supabase/supabase-js';
import { beforeAll, describe, expect, test } from 'vitest';
import { client as connect, databaseUrl } from '../../dev/stack/postgres.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { Database, type Job, MODEL, SUCCEEDED } from '../database/support.ts';
import { signUp, withKey } from './fixtures/project.ts';
import { createSupabase } from './testing.ts';

// The calls of an app of the original's: it starts, then subscribes to the row's updates, and reads nothing more.

let supabase: RunningSupabase;
let db: Database;
/** Hears of everything, and when. */
let witness: SupabaseClient;
const ends = new Map<string, string>();

beforeAll(async () => {
  supabase = await createSupabase();
  const { databaseUrl: url } = supabase;
  db = Database.at({ url, superuserUrl: databaseUrl(url, new URL(url).pathname.slice(1), 'supabase_admin') });
  await db.sql`insert into public.models
    (replicate_id, display_name, default_width, default_height, cost_per_generation, estimated_time_seconds)
    values (${MODEL}, 'Painter', 1024, 768, 0.003, 6)`;
  witness = withKey(supabase, supabase.serviceRoleKey);
  await new Promise<void>((resolve) => {
    const channel = witness.channel('witness').on('system', {}, () => resolve());
    for (const table of ['image_generations', 'batch_generations']) {
      channel.on('postgres_changes', { event: 'UPDATE', schema: 'public', table }, ({ new: row }) => {
        ends.set(row.id, row.status);
      });
    }
    channel.subscribe();
  });
  return async () => {
    await witness.removeAllChannels();
    await supabase.stop();
  };
});

/** Realtime has told of this end: whoever comes from now on comes after it. */
const over = (id: string, status: string) =>
  expect.poll(() => ends.get(id), { timeout: 10_000 }).toBe(status);

interface Heard {
  statuses: string[];
  /** It has ended, and the client was told so. */
  ended: Promise<string>;
  /** From here on Realtime tells it what changes; the client itself does not know when that is. */
  subscribed: Promise<void>;
  stop(): Promise<unknown>;
}

/** As the original's library subscribes. */
function follow(client: SupabaseClient, id: string, table = 'image_generations'): Heard {
  const statuses: string[] = [];
  const channel = client.channel(`${table}-${id}-${Math.random()}`);
  const subscribed = new Promise<void>((resolve, reject) => {
    channel.on('system', {}, ({ status, message }) =>
      status === 'ok' ? resolve() : reject(new Error(message)),
    );
  });
  const ended = new Promise<string>((resolve) => {
    channel.on(
      'postgres_changes',
      { event: 'UPDATE', schema: 'public', table, filter: `id=eq.${id}` },
      ({ new: row }) => {
        statuses.push(row.status);
        if (['completed', 'failed', 'cancelled'].includes(row.status)) resolve(row.status);
      },
    );
  });
  channel.subscribe();
  return { statuses, ended, subscribed, stop: () => client.removeChannel(channel) };
}

async function start(user: string, request = {}) {
  const { batch_id, generations } = await db.start(user, request);
  const [first] = generations;
  return { id: first?.generation_id as string, batch: batch_id, count: generations.length };
}

/** Takes one job through its steps, as the Workers do. */
async function make(): Promise<void> {
  const job = await db.claimOne();
  const prediction = `p-${job.id}`;
  await db.service('record_prediction', {
    p_job_id: job.id,
    p_lease: job.lease,
    p_prediction_id: prediction,
    p_wait_seconds: 300,
  });
  const { job: download } = await db.service<{ job: Job }>('finish_prediction', {
    p_job_id: job.id,
    p_prediction_id: prediction,
    p_outcome: SUCCEEDED,
  });
  await db.service('finish_download', {
    p_job_id: download.id,
    p_lease: download.lease,
    p_image: {
      storage_path: `u/${job.id}.webp`,
      public_url: `https://x.example/${job.id}.webp`,
      format: 'webp',
    },
  });
}

const look = () => db.service<number>('tell_late_subscribers');
const sweep = () => db.service<{ alerts: string[] }>('record_sweep', { p_stats: {} });

describe('an unchanged client hears the end', () => {
  test('subscribed before: with each step', async () => {
    const user = await signUp(supabase);
    const { id } = await start(user.id);
    const heard = follow(user.client, id);
    await heard.subscribed;
    await make();
    expect(await heard.ended).toBe('completed');
    expect(heard.statuses).toEqual(['processing', 'downloading', 'completed']);
    await heard.stop();
  });

  test('subscribing while it ends', async () => {
    const user = await signUp(supabase);
    for (let n = 0; n < 5; n++) {
      const { id } = await start(user.id);
      const heard = follow(user.client, id);
      await make(); // meanwhile the client joins: what comes first differs from time to time
      await heard.subscribed;
      await look();
      expect(await heard.ended).toBe('completed');
      await heard.stop();
    }
  });

  test.each([
    ['completed', make],
    [
      'cancelled',
      async (user: string, id: string) => {
        await db.callAs(user, 'cancel_generation', { p_generation_id: id });
      },
    ],
    [
      'failed',
      async () => {
        const job = await db.claimOne();
        await db.service('fail_job', {
          p_job_id: job.id,
          p_lease: job.lease,
          p_error_message: 'The model refused.',
          p_error_details: { code: 'model_error' },
          p_retry_in_seconds: null,
        });
      },
    ],
  ] as [string, (user: string, id: string) => Promise<void>][])(
    'subscribed after it was %s',
    async (status, end) => {
      const user = await signUp(supabase);
      const { id } = await start(user.id);
      await end(user.id, id);
      const before = await db.generation(id);
      const heard = follow(user.client, id);
      await heard.subscribed;
      expect(heard.statuses).toEqual([]);
      expect((await sweep()).alerts).toEqual([]);
      expect(await heard.ended).toBe(status);
      expect(await db.generation(id), 'nothing but the telling').toEqual(before);
      expect(await look(), 'once').toBe(0);
      await heard.stop();
    },
  );

  test('a batch, which is published as well', async () => {
    const user = await signUp(supabase);
    const { batch } = await start(user.id, { items: [{ prompt: 'one' }, { prompt: 'two' }] });
    const during = follow(user.client, batch as string, 'batch_generations');
    await during.subscribed;
    for (let n = 0; n < 2; n++) {
      const [job] = await db.claim(1);
      await db.service('fail_job', {
        p_job_id: job?.id,
        p_lease: job?.lease,
        p_error_message: 'The model refused.',
        p_error_details: { code: 'model_error' },
        p_retry_in_seconds: null,
      });
    }
    expect(await during.ended).toBe('failed');
    await over(batch as string, 'failed');
    const late = follow(user.client, batch as string, 'batch_generations');
    await late.subscribed;
    await look();
    expect(await late.ended).toBe('failed');
    await Promise.all([during.stop(), late.stop()]);
  });

  test('one that follows all of its own', async () => {
    const user = await signUp(supabase);
    const { id } = await start(user.id);
    await make();
    await over(id, 'completed');
    const statuses: string[] = [];
    const channel = user.client.channel('all');
    await new Promise<void>((resolve) => {
      channel
        .on('system', {}, () => resolve())
        .on(
          'postgres_changes',
          { event: '*', schema: 'public', table: 'image_generations', filter: `user_id=eq.${user.id}` },
          (payload) => statuses.push((payload.new as { status: string }).status),
        )
        .subscribe();
    });
    await look();
    await expect.poll(() => statuses).toEqual(['completed']);
    await user.client.removeChannel(channel);
  });
});

test('somebody else’s is not told again: a subscriber costs nobody a write', async () => {
  const [mine, other] = [await signUp(supabase), await signUp(supabase)];
  const { id } = await start(mine.id);
  await make();
  const heard = follow(other.client, id);
  await heard.subscribed;
  expect(await look()).toBe(0);
  await heard.stop();
});

test('a Realtime that keeps its subscriptions otherwise: operators are told, and the sweep goes on', async () => {
  const superuser = connect(db.superuserUrl);
  try {
    await superuser`alter table realtime.subscription rename column created_at to came_at`;
    expect((await sweep()).alerts).toEqual([
      expect.stringMatching(
        /^The subscriptions of Supabase Realtime could not be read \(column .*created_at/,
      ),
    ]);
    await superuser`alter table realtime.subscription rename column came_at to created_at`;
    expect((await sweep()).alerts).toEqual([]);
    await superuser`alter schema realtime rename to elsewhere`;
    expect((await sweep()).alerts, 'a project that has never used it').toEqual([]);
    await superuser`alter schema elsewhere rename to realtime`;
  } finally {
    await superuser.end();
  }
});
