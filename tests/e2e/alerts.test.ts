import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOOK, STORIES, type World } from './support/alert-stories.ts';
import { type Delivery, type Receiver, startReceiver } from './support/receiver.ts';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/**
 * Each alert on its way from its cause to receivers of every kind, and back to quiet. Causes and ends are the real ones:
 * requests, the simulator's and the local Supabase's faults, killed processes, and what operators call. SQL only makes
 * time pass, by moving times into the past, for nobody waits half an hour here.
 */

const SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
const TOKEN = 'mailer-token-5d1f';

interface Event {
  type: string;
  data: { rule: string; severity: string; subject: string; text: string; value: number; threshold: number };
}

let receiver: Receiver;
let stack: TestStack;
let user: TestUser;
let world: World;

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
  await rpc('admin_save_plan', {
    p_plan: { name: 'default', requests_per_minute: 1000, images_per_day: 10_000, running_jobs: 200 },
    p_reason: 'many start at once',
  });
  world = { stack, user, receiver, rpc };
});
afterAll(async () => {
  await stack?.stop();
  await receiver?.stop();
});

/** As an operator calls it: over PostgREST, with the secret key. */
async function rpc<T = Record<string, unknown>>(name: string, args: object = {}): Promise<T> {
  const answer = await fetch(`${stack.addresses.supabaseUrl}/rest/v1/rpc/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', apikey: stack.addresses.secretKey },
    body: JSON.stringify(args),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${JSON.stringify(body)}`);
  return body as T;
}

/** As if so many seconds had passed for every alert. */
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

/** The cron runs until something has been told, after the first run as if so many seconds had passed. */
async function sweepUntil<T>(what: string, seconds: number, is: () => T | undefined): Promise<T> {
  await stack.sweep();
  await pass(seconds);
  return stack.until(what, async () => {
    await stack.sweep();
    return is();
  });
}

describe('an alert travels from its cause to its receiver and resolves', () => {
  test('each rule in the table has a story', async () => {
    const { rules } = await world.rpc<{ rules: { name: string }[] }>('alerts');
    expect(
      [...new Set(STORIES.map(({ rule }) => rule))].toSorted(),
      'tell how the rule comes about and ends: tests/e2e/support/alert-stories.ts',
    ).toEqual(rules.map(({ name }) => name).toSorted());
  });

  test.each(STORIES.map((story) => [`${story.rule}${story.when ? `: ${story.when}` : ''}`, story] as const))(
    '%s',
    async (_, { rule, cause, text, cure, withoutCron }) => {
      const before = heard(rule).length;
      const told = (type: string) =>
        heard(rule)
          .slice(before)
          .find((event) => event.type === type);
      try {
        await cause(world);
        const raised = withoutCron
          ? await stack.until(`the alert ${rule} without any cron`, async () => told('alert.raised'))
          : await sweepUntil(`alert.raised of ${rule}`, 600, () => told('alert.raised'));
        expect(raised.data.text).toMatch(text);
      } finally {
        await cure(world); // also for the stories after it
      }
      const resolved = await sweepUntil(`alert.resolved of ${rule}`, 3600, () => told('alert.resolved'));
      expect(resolved.data.subject).toMatch(/^Resolved: /);
      const types = heard(rule).slice(before);
      expect(types.map(({ type }) => type)).toEqual(['alert.raised', 'alert.resolved']);
      const { rules } = await world.rpc<{ rules: { name: string; state: string }[] }>('alerts');
      expect(rules.find(({ name }) => name === rule)).toMatchObject({ state: 'clear' });
    },
  );

  test('cron_stopped: is told once for each interval, however many start', async () => {
    const before = heard('cron_stopped').length;
    await stack.sql`update private.last_cron_run set ran_at = ran_at - interval '10 minutes' where only_row`;
    for (const prompt of ['one', 'two']) await user.completed((await user.start({ prompt })).generation_id);
    const [event, ...more] = heard('cron_stopped').slice(before);
    expect(event).toMatchObject({ type: 'alert.raised', data: { severity: 'critical', threshold: 180 } });
    expect(more).toEqual([]);
    await sweepUntil('its end', 3600, () =>
      heard('cron_stopped')
        .slice(before)
        .find(({ type }) => type === 'alert.resolved'),
    );
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
    for (const { path, headers } of receiver.deliveries.filter(({ path }) => path !== HOOK)) {
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
