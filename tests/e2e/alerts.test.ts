import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Delivery, type Receiver, startReceiver } from './support/receiver.ts';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/** Each alert on its way from its cause to receivers of every kind, and back to quiet. */

const SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
const TOKEN = 'mailer-token-5d1f';

interface Event {
  type: string;
  data: { rule: string; severity: string; subject: string; text: string; value: number; threshold: number };
}

let receiver: Receiver;
let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  receiver = await startReceiver();
  stack = await TestStack.start({ env: { WEBHOOK_ALLOWED_ORIGINS: receiver.origin } });
  await stack.sql`update private.settings set webhook_allowed_origins = array[${receiver.origin}]`;
  user = await TestUser.signUp(stack);
  const receivers = {
    json: { p_secret: SECRET },
    slack: { p_label: 'staging' },
    discord: {},
    email: {
      p_secret: TOKEN,
      p_template: { from: 'a@example.com', to: ['b@example.com'], subject: '{subject}', text: '{text}' },
    },
  };
  for (const [kind, more] of Object.entries(receivers)) {
    await rpc('set_alert_receiver', {
      p_name: kind,
      p_kind: kind,
      p_url: `${receiver.origin}/${kind}`,
      ...more,
    });
  }
  await stack.sweep();
});
afterAll(async () => {
  await stack?.stop();
  await receiver?.stop();
});

/** As an operator calls it: over PostgREST, with the secret key. */
async function rpc<T = Record<string, unknown>>(name: string, args: object = {}): Promise<T> {
  const answer = await fetch(`${stack.addresses.supabaseUrl}/rest/v1/rpc/${name}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      apikey: stack.addresses.serviceRoleKey,
      authorization: `Bearer ${stack.addresses.serviceRoleKey}`,
    },
    body: JSON.stringify(args),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${JSON.stringify(body)}`);
  return body as T;
}

const pass = (seconds: number) => stack.sql`update private.alerts set
  pending_since = pending_since - make_interval(secs => ${seconds}),
  opened_at = opened_at - make_interval(secs => ${seconds}),
  clear_since = clear_since - make_interval(secs => ${seconds}),
  resolved_at = resolved_at - make_interval(secs => ${seconds}),
  last_sent_at = last_sent_at - make_interval(secs => ${seconds}) where true`;

const read = (delivery: Delivery): Event =>
  new Webhook(SECRET).verify(delivery.body, delivery.headers) as Event;

/** What the signed receiver has got of a rule. */
const heard = (rule: string) =>
  receiver
    .at('/json')
    .map(read)
    .filter(({ data }) => data.rule === rule);

/** The cron runs until the receiver has heard of the rule so often, each time as if a while had passed. */
async function told(rule: string, type: string, seconds: number): Promise<Event> {
  await stack.sweep();
  await pass(seconds);
  return stack.until(`${type} of ${rule}`, async () => {
    await stack.sweep();
    return heard(rule).find((event) => event.type === type);
  });
}

/** What each rule is there for, as it comes about, and how it is mended. */
const CAUSES: Record<string, { cause: () => Promise<unknown>; cure: () => Promise<unknown>; text: RegExp }> =
  {
    queue_depth: {
      cause: () =>
        stack.sql`select public.enqueue_jobs((select jsonb_agg(jsonb_build_object('job_type', 'of-nobody'))
        from generate_series(1, 51)))`,
      cure: () => stack.sql`update public.job_queue set status = 'cancelled' where job_type = 'of-nobody'`,
      text: /wait for a worker: 51\./,
    },
    stuck_jobs: {
      cause: async () => {
        await stack.sql`select public.enqueue_job('of-nobody', '{}')`;
        const [job] = await stack.sql`select id from public.claim_jobs(1, 60, '{of-nobody}')`;
        await stack.sql`update public.job_queue set started_at = now() - interval '31 minutes' where id = ${job?.id}`;
      },
      cure: () => stack.sql`update public.job_queue set status = 'cancelled' where job_type = 'of-nobody'`,
      text: /have run for over 30 minutes: 1\./,
    },
    success_rate: {
      cause: async () => {
        await stack.simulator.fault('refused by the model', { error: 'E005' });
        const { batch_id } = await user.start({ prompts: Array(10).fill('refused by the model') });
        await stack.until('ten images to fail', async () => {
          const [row] =
            await stack.sql`select failed_count from public.batch_generations where id = ${batch_id ?? ''}`;
          return row?.failed_count === 10;
        });
      },
      cure: () =>
        stack.sql`insert into public.job_queue (job_type, status, started_at, completed_at)
        select 'download-image', 'completed', now(), now() from generate_series(1, 200)`,
      text: /Of the 10 images that ended in the last 15 minutes, 0\.0 % were made/,
    },
    outputs_at_risk: {
      cause: () =>
        stack.sql`insert into public.job_queue (job_type, created_at, scheduled_at, retry_until, payload)
        values ('download-image', now() - interval '40 minutes', now() + interval '1 hour',
          now() + interval '25 minutes', '{}')`,
      cure: () =>
        stack.sql`delete from public.job_queue where job_type = 'download-image' and status = 'pending'`,
      text: /not stored: 1\. The provider deletes the first in \d\d minutes/,
    },
    budget_near: {
      cause: async () => {
        await stack.sql`update private.settings set budget_per_day_usd = 100 where only_row`;
        await stack.sql`insert into private.budget_deltas (day, reserved) values (private.today(), 85)`;
      },
      cure: () => stack.sql`update private.settings set budget_per_day_usd = null where only_row`,
      text: /Of the budget of this day, 100 US dollars, 8\d(\.\d)? % are spent or reserved/,
    },
    budget_used_up: {
      cause: async () => {
        await stack.sql`update private.settings set budget_per_month_usd = 0.000001 where only_row`;
      },
      cure: () => stack.sql`update private.settings set budget_per_month_usd = null where only_row`,
      text: /Of the budget of this month, 0\.000001 US dollars/,
    },
    provider_refuses: {
      cause: async () => {
        await stack.simulator.fault('refused account', { status: 402 });
        await user.start({ prompt: 'refused account' });
        await stack.until('the pause', async () => {
          const [pause] = await stack.sql`select reason from private.provider_pause where until > now()`;
          return pause?.reason === 'account';
        });
      },
      cure: async () => {
        await stack.simulator.faults([]);
        await stack.sql`update private.provider_pause set until = '-infinity', probe_until = '-infinity' where only_row`;
      },
      text: /The provider has answered 402 to a create/,
    },
    provider_down: {
      cause:
        () => stack.sql`update private.provider_pause set until = now() + interval '1 hour', since = now(),
      reason = 'outage', code = 503 where only_row`,
      cure: () => stack.sql`update private.provider_pause set until = '-infinity' where only_row`,
      text: /the provider fails or does not answer/,
    },
    model_refused: {
      cause: async () => {
        await stack.simulator.fault('refused model', { status: 404 });
        await user.start({ prompt: 'refused model' });
        await stack.until('the model to be refused', async () => {
          return (await stack.sql`select from private.refused_models`).length === 1;
        });
      },
      cure: async () => {
        await stack.simulator.faults([]);
        await stack.sql`delete from private.refused_models where true`;
      },
      text: /The provider refuses black-forest-labs\/flux-schnell\./,
    },
    webhooks_failing: {
      cause: async () => {
        receiver.reply('/of-a-user', ...Array(3).fill({ status: 500 }));
        await rpc('set_alert_rule', { p_name: 'webhooks_failing', p_threshold: 0 });
        await user.start({ prompt: 'told in vain', webhook_url: `${receiver.origin}/of-a-user` });
        await stack.until('the webhook to fail', async () => {
          const [job] = await stack.sql`select from public.job_queue
          where job_type = 'process-webhook' and status = 'pending' and attempts > 0`;
          return job !== undefined;
        });
        // Its second attempt would be in five seconds.
        await stack.sql`update public.job_queue set scheduled_at = now() + interval '1 hour'
        where job_type = 'process-webhook' and status = 'pending' and attempts > 0`;
      },
      cure: () => stack.sql`update public.job_queue set status = 'cancelled'
      where job_type = 'process-webhook' and status = 'pending' and attempts > 0`,
      text: /Failed attempts at webhooks that wait to be sent again: 1\./,
    },
  };

describe('an alert travels to its receiver and resolves', () => {
  test.each(Object.keys(CAUSES))('%s', async (rule) => {
    const { cause, cure, text } = CAUSES[rule] as (typeof CAUSES)[string];
    await cause();
    const raised = await told(rule, 'alert.raised', 600);
    expect(raised.data.text).toMatch(text);
    await cure();
    const resolved = await told(rule, 'alert.resolved', 3600);
    expect(resolved.data.subject).toMatch(/^Resolved: /);
    expect(heard(rule).map(({ type }) => type)).toEqual(['alert.raised', 'alert.resolved']);
  });

  test('cron_stopped: a start reports it, and its wake-up delivers it', async () => {
    await stack.sql`update private.last_cron_run set ran_at = now() - interval '10 minutes' where only_row`;
    const { generation_id } = await user.start({ prompt: 'who else would tell' });
    const [event] = await stack.until('the alert without any cron', async () => {
      const events = heard('cron_stopped');
      return events.length > 0 && events;
    });
    expect(event).toMatchObject({ type: 'alert.raised', data: { severity: 'critical', threshold: 180 } });
    expect(event?.data.text).toMatch(/^The cron last ran 10 minutes ago/);
    await user.completed(generation_id);
    await user.completed((await user.start({ prompt: 'told once' })).generation_id);
    expect(heard('cron_stopped')).toHaveLength(1);
    await told('cron_stopped', 'alert.resolved', 3600);
  });
});

describe('in the form of', () => {
  const bodies = <T>(kind: string) => receiver.at(`/${kind}`).map(({ body }) => JSON.parse(body) as T);

  test('Slack: a header, a section, and the rule', () => {
    const all = bodies<{ text: string; blocks: { type: string; text?: { type: string; text: string } }[] }>(
      'slack',
    );
    expect(all.length).toBeGreaterThan(10);
    for (const { text, blocks } of all) {
      expect(text).toMatch(/^\[staging\] (Alert|Resolved|Still): /);
      expect(blocks.map(({ type }) => type)).toEqual(['header', 'section', 'context']);
      expect(blocks[0]?.text).toMatchObject({ type: 'plain_text' });
      expect(blocks[0]?.text?.text.length).toBeLessThanOrEqual(150);
      expect(blocks[1]?.text).toMatchObject({ type: 'mrkdwn' });
      expect(blocks[1]?.text?.text.length).toBeLessThanOrEqual(3000);
    }
  });

  test('Discord: an embed, and nobody is mentioned', () => {
    const all = bodies<{ allowed_mentions: object; embeds: Record<string, unknown>[] }>('discord');
    expect(all.length).toBeGreaterThan(10);
    for (const { allowed_mentions, embeds } of all) {
      expect(allowed_mentions).toEqual({ parse: [] });
      expect(embeds).toEqual([
        {
          title: expect.stringMatching(/^(Alert|Resolved|Still): .{1,200}$/),
          description: expect.stringMatching(/^.{1,4096}$/),
          timestamp: expect.stringMatching(/^20\d\d-/),
          color: expect.any(Number),
          footer: { text: expect.stringMatching(/^\w+ · \w+$/) },
        },
      ]);
    }
  });

  test('a mailer: its own body, and its token', () => {
    const all = receiver.at('/email');
    expect(all.length).toBeGreaterThan(10);
    for (const { headers, body } of all) {
      expect(headers.authorization).toBe(`Bearer ${TOKEN}`);
      expect(headers['webhook-signature']).toBeUndefined();
      expect(JSON.parse(body)).toEqual({
        from: 'a@example.com',
        to: ['b@example.com'],
        subject: expect.stringMatching(/^(Alert|Resolved|Still): /),
        text: expect.stringMatching(/\S/),
      });
    }
  });

  test('nobody else: no receiver but the mailer’s gets its token, and none but json a signature', () => {
    for (const { path, headers } of receiver.deliveries.filter(({ path }) => path !== '/of-a-user')) {
      expect(headers.authorization === undefined, path).toBe(path !== '/email');
      expect(headers['webhook-signature'] !== undefined, path).toBe(path === '/json');
    }
  });
});

test('a receiver that is down is tried again, and alerts() says what it answered', async () => {
  receiver.reply('/discord', { status: 500, body: `no, ${receiver.origin}/discord` });
  await rpc('test_alert_receiver', { p_name: 'discord' });
  const last = async () => {
    const { receivers } = await rpc<{ receivers: { name: string; last_notice: Record<string, unknown> }[] }>(
      'alerts',
    );
    return receivers.find(({ name }) => name === 'discord')?.last_notice;
  };
  await stack.sweep();
  expect(await last()).toMatchObject({
    kind: 'test',
    status: 'pending',
    attempt: { attempt: 1, status: 500, response: 'no, (url)' },
  });
  await stack.sql`update public.job_queue set scheduled_at = now() where job_type = 'process-webhook' and status = 'pending'`;
  await stack.sweep();
  expect(await last()).toMatchObject({ status: 'delivered', attempt: { attempt: 2, status: 204 } });
});
