import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { asSuperuser, type RealtimeChange } from './realtime-change.ts';
import type { Receiver } from './receiver.ts';
import type { TestStack } from './stack.ts';
import { MODEL, type TestUser } from './user.ts';

/** Where alerts come from and how they end, by what really happens. SQL moves time and does nothing else. */

export interface World {
  stack: TestStack;
  user: TestUser;
  receiver: Receiver;
  /** As an operator or a server calls it: over the API, with the secret key. */
  rpc<T = Record<string, unknown>>(name: string, args?: object): Promise<T>;
}

export interface Story {
  rule: string;
  /** What happens, where a rule has several stories. */
  when?: string;
  cause(world: World): Promise<unknown>;
  /** What the notice says of it. */
  text: RegExp;
  cure(world: World): Promise<unknown>;
  /** It has to be raised before the cron runs again. */
  withoutCron?: true;
}

/** Where a user's webhooks of these stories go. */
export const HOOK = '/of-a-user';
const OWN_TYPE = 'of-a-worker-of-their-own';
const REASON = 'a story';

// Time ---------------------------------------------------------------------------------------------------------------

/** As if the pause of the provider were over, and the waits of all jobs, also of those whose create may have arrived. */
async function due({ stack }: World): Promise<void> {
  await stack.sql`update private.provider_pause set until = least(until, now()), probe_until = '-infinity'
    where only_row`;
  await stack.sql`update public.job_queue set scheduled_at = now() where status = 'pending' and scheduled_at > now()`;
  await stack.sql`update public.job_queue set lease_expires_at = now()
    where status = 'processing' and outcome_unknown and lease_expires_at > now()`;
}

/** As if what ended until now had ended over 20 minutes ago, and the cron had run meanwhile. */
async function quarterHourLater({ stack }: World): Promise<void> {
  await stack.sql`update private.alert_samples set at = at - interval '21 minutes' where true`;
  await stack.sweep();
}

const cronStopped = (minutes: number) => (world: World) =>
  world.stack.sql`update private.last_cron_run set ran_at = ran_at - make_interval(mins => ${minutes}),
    first_run_by = first_run_by - make_interval(mins => ${minutes}) where only_row`;

// What several need ---------------------------------------------------------------------------------------------------

/** All that was begun ends, however long it takes. */
async function allEnd(world: World): Promise<void> {
  const { stack, user } = world;
  await stack.until('all generations to end', async () => {
    await due(world);
    await stack.sweep();
    const { data } = await user.supabase
      .from('image_generations')
      .select('id')
      .not('status', 'in', '(completed,failed,cancelled)')
      .throwOnError();
    return data.length === 0;
  });
}

async function startBatches({ user }: World, prompt: string, count: number, more: object = {}) {
  const ids: string[] = [];
  for (let left = count; left > 0; left -= 10) {
    const prompts = Array<string>(Math.min(left, 10)).fill(prompt);
    const { generations = [] } = await user.start({ prompts, ...more });
    ids.push(...generations.map(({ generation_id }) => generation_id));
  }
  return ids;
}

async function paused({ stack, rpc }: World, reason: string): Promise<void> {
  await stack.until(`a pause for the reason ${reason}`, async () => {
    return (await rpc('queue_status')).provider_pause_reason === reason;
  });
}

/** The provider is well again, and the next try finds it so. */
async function providerIsBack(world: World): Promise<void> {
  await world.stack.simulator.faults([]);
  await world.stack.simulator.configure({ create_status: null, create_limit_per_minute: null });
  await allEnd(world);
}

const refusesAccount = (status: number): Story => ({
  rule: 'provider_refuses',
  when: `it answers ${status}`,
  cause: async (world) => {
    await world.stack.simulator.fault('refused account', { status });
    await world.user.start({ prompt: 'refused account' });
    await paused(world, 'account');
  },
  text: RegExp(`The provider has answered ${status} to a create`),
  cure: providerIsBack,
});

const refusesModel = (status: number, when: string): Story => ({
  rule: 'model_refused',
  when,
  cause: async ({ stack, user, rpc }) => {
    await stack.simulator.fault('refused model', { status });
    await user.start({ prompt: 'refused model' });
    await stack.until('the model to be refused', async () => {
      return ((await rpc('queue_status')).refused_models as string[]).length === 1;
    });
  },
  text: RegExp(`^The provider refuses ${MODEL}\\.`),
  cure: async ({ stack, user }) => {
    await stack.simulator.faults([]);
    await stack.sql`update private.refused_models set until = least(until, now()) where true`;
    await user.completed((await user.start({ prompt: 'the model is back' })).generation_id);
  },
});

/** Of today: what was spent or reserved, and what one image of the model costs. */
async function spending(world: World): Promise<{ used: number; price: number }> {
  const { rpc, user } = world;
  await setBudget(world, 1000);
  const { budget_periods: periods } = await rpc<{ budget_periods: { used_usd: number }[] }>('queue_status');
  const { data } = await user.supabase
    .from('models')
    .select('cost_per_generation')
    .eq('replicate_id', MODEL)
    .single()
    .throwOnError();
  return { used: periods[0]?.used_usd ?? 0, price: Number(data.cost_per_generation) };
}

const setBudget = ({ rpc }: World, perDay: number | null) =>
  rpc('admin_set_budget', { p_per_day_usd: perDay, p_per_month_usd: null, p_reason: REASON });

/** Runs the worker of their own until it holds a job, or has done one. */
async function ownWorker({ stack }: World, what: 'hold' | 'work') {
  const script = fileURLToPath(new URL('own-worker.mjs', import.meta.url));
  const { supabaseUrl: SUPABASE_URL, secretKey: SECRET_KEY } = stack.addresses;
  const child = spawn(process.execPath, [script, OWN_TYPE, what], {
    env: { PATH: path.dirname(process.execPath), SUPABASE_URL, SECRET_KEY },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  if (what === 'hold') await Promise.race([once(child.stdout, 'data'), exit]);
  else await exit;
  if (child.exitCode !== null && child.exitCode !== 0) throw new Error('the worker of their own failed');
  return {
    die: async () => {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

let realtime: RealtimeChange | undefined;

// The stories ---------------------------------------------------------------------------------------------------------

/** In this order: the first is told of an installation whose cron has never run. */
export const STORIES: Story[] = [
  {
    rule: 'cron_stopped',
    when: 'it has never run',
    cause: async (world) => {
      await cronStopped(20)(world);
      await world.user.start({ prompt: 'who else would tell' });
    },
    text: /^The cron has never run\./,
    cure: ({ stack }) => stack.sweep(),
    withoutCron: true,
  },
  {
    rule: 'cron_stopped',
    when: 'it has run before',
    cause: async (world) => {
      await cronStopped(10)(world);
      await world.user.start({ prompt: 'who else would tell' });
    },
    text: /^The cron last ran 10 minutes ago/,
    cure: ({ stack }) => stack.sweep(),
    withoutCron: true,
  },
  {
    rule: 'success_rate',
    cause: async (world) => {
      await allEnd(world);
      await quarterHourLater(world);
      await world.stack.simulator.fault('refused by the model', { error: 'E005' });
      await startBatches(world, 'refused by the model', 10);
      await allEnd(world);
    },
    text: /Of the 10 images that ended in the last 15 minutes, 0\.0 % were made/,
    cure: async (world) => {
      await world.stack.simulator.faults([]);
      await quarterHourLater(world);
      await startBatches(world, 'made as ever', 10);
      await allEnd(world);
    },
  },
  {
    rule: 'queue_depth',
    when: 'the provider lets few in and many start',
    cause: async (world) => {
      await world.stack.simulator.configure({ create_limit_per_minute: 10 });
      await startBatches(world, 'one of many', 80);
      await paused(world, 'throttled');
    },
    text: /wait for a worker: \d\d\./,
    cure: providerIsBack,
  },
  {
    rule: 'stuck_jobs',
    when: 'a worker is killed while it holds a job under a long lease',
    cause: async (world) => {
      await world.rpc('enqueue_job', { p_job_type: OWN_TYPE, p_payload: {} });
      const worker = await ownWorker(world, 'hold');
      await worker.die();
      await world.stack.sql`update public.job_queue set started_at = started_at - interval '31 minutes',
        lease_expires_at = lease_expires_at - interval '31 minutes' where job_type = ${OWN_TYPE}`;
    },
    text: /have lost their lease, or have run for over 30 minutes: 1\./,
    cure: async (world) => {
      await world.stack.sql`update public.job_queue set lease_expires_at = least(lease_expires_at, now())
        where job_type = ${OWN_TYPE} and status = 'processing'`;
      await world.stack.sweep();
      await due(world);
      await ownWorker(world, 'work');
    },
  },
  {
    rule: 'outputs_at_risk',
    when: 'Storage takes no file',
    cause: async ({ stack, user }) => {
      await stack.supabase.fault({ method: 'POST', path: 'object/generated-images' }, { status: 503 });
      const { generation_id } = await user.start({ prompt: 'not stored' });
      await stack.job(generation_id, 'put off', ({ status }) => status === 'pending', 'download-image');
      await stack.sql`update public.job_queue set created_at = created_at - interval '31 minutes',
        retry_until = retry_until - interval '31 minutes'
        where generation_id = ${generation_id} and job_type = 'download-image'`;
    },
    text: /not stored: 1\. The provider deletes the first in \d\d minutes/,
    cure: async (world) => {
      await world.stack.supabase.heal();
      await allEnd(world);
    },
  },
  {
    rule: 'budget_near',
    cause: async (world) => {
      const { used, price } = await spending(world);
      // Three more images use 82 %, and the rest pays for one.
      await setBudget(world, Math.max((used + 3 * price) / 0.82, used + 4.1 * price));
      await startBatches(world, 'paid', 3);
      await allEnd(world);
    },
    text: /Of the budget of this day, [\d.]+ US dollars, 8\d(\.\d)? % are spent or reserved/,
    cure: (world) => setBudget(world, null),
  },
  {
    rule: 'budget_used_up',
    cause: async (world) => {
      const { used, price } = await spending(world);
      await setBudget(world, used + 1.1 * price);
      await startBatches(world, 'the last that is paid', 1);
      await allEnd(world);
      const refused = await world.user.call<{ code: string }>('POST', '/start-generation', {
        model_id: MODEL,
        prompt: 'one more',
      });
      if (refused.body.code !== 'budget_exhausted')
        throw new Error(`a start beyond the budget was answered ${JSON.stringify(refused.body)}`);
    },
    text: /Of the budget of this day, [\d.]+ US dollars, [\d.]+ % are spent or reserved/,
    cure: (world) => setBudget(world, null),
  },
  refusesAccount(401),
  refusesAccount(402),
  {
    rule: 'provider_down',
    when: 'it answers 503',
    cause: async (world) => {
      await world.stack.simulator.configure({ create_status: 503 });
      await world.user.start({ prompt: 'nobody is there' });
      await paused(world, 'outage');
    },
    text: /^Since .* UTC the provider fails or does not answer/,
    cure: providerIsBack,
  },
  {
    rule: 'provider_down',
    when: 'it breaks connections off',
    cause: async (world) => {
      await world.stack.simulator.fault('cut off', { drop: 'before' });
      await world.user.start({ prompt: 'cut off' });
      await paused(world, 'outage');
    },
    text: /^Since .* UTC the provider fails or does not answer/,
    cure: providerIsBack,
  },
  refusesModel(404, 'it is gone'),
  refusesModel(403, 'the account may not run it'),
  {
    rule: 'webhooks_failing',
    cause: async (world) => {
      const { stack, receiver } = world;
      receiver.always(HOOK, { status: 500 });
      await startBatches(world, 'told in vain', 21, { webhook_url: `${receiver.origin}${HOOK}` });
      await allEnd(world);
      await stack.until('21 attempts to fail', async () => {
        await stack.sweep();
        return receiver.at(HOOK).length >= 21;
      });
    },
    text: /Failed attempts at webhooks that wait to be sent again: \d\d+\./,
    cure: async (world) => {
      const { stack, receiver, rpc } = world;
      receiver.always(HOOK);
      await stack.until('all webhooks to be delivered', async () => {
        await due(world);
        await stack.sweep();
        return (await rpc('queue_status')).pending === 0;
      });
    },
  },
  {
    rule: 'realtime_unread',
    when: 'Supabase renames a column',
    cause: async ({ stack }) => {
      realtime = await asSuperuser(stack);
      await realtime.rename('created_at', 'came_at');
    },
    text: /^The subscriptions of Supabase Realtime could not be read \(column .*created_at/,
    cure: async () => realtime?.end(),
  },
];
