import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Receiver, startReceiver } from './support/receiver.ts';
import { TestStack } from './support/stack.ts';
import { call, MODEL, TestUser } from './support/user.ts';

/** What the Workers write into their log: which request led to which job, and never what is somebody's own. */

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

let receiver: Receiver;
let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  receiver = await startReceiver();
  stack = await TestStack.start({ env: { WEBHOOK_ALLOWED_ORIGINS: receiver.origin } });
  await stack.sql`update private.settings set webhook_allowed_origins = array[${receiver.origin}]`;
  user = await TestUser.signUp(stack);
});
afterAll(async () => {
  await stack?.stop();
  await receiver?.stop();
});

interface Line {
  level: string;
  what: string;
  request_id?: string;
  batch_id?: string | null;
  generation_id?: string;
  job_id?: string;
  traceparent?: string | null;
  status?: number;
}

/** The lines of JSON in the log, wherever in a line of the stack they stand. */
const lines = (): Line[] =>
  [...stack.log().matchAll(/\{"[^\n]*\}/g)].flatMap(([text]) => {
    try {
      return [JSON.parse(text) as Line];
    } catch {
      return [];
    }
  });
const line = (what: string, is: (line: Line) => boolean) =>
  stack.until(`the line ${what}`, async () => lines().find((one) => one.what === what && is(one)));

describe('a trace', () => {
  test('leads from the request through the job to the webhook, and is in the log', async () => {
    const answer = await user.call<{ generation_id: string; job_id: string }>(
      'POST',
      '/start-generation',
      { model_id: MODEL, prompt: 'traced', webhook_url: `${receiver.origin}/traced` },
      { traceparent: TRACE },
    );
    const { generation_id, job_id } = answer.body;
    expect(await line('start', (one) => one.generation_id === generation_id)).toEqual({
      level: 'info',
      what: 'start',
      request_id: answer.headers.get('x-request-id'),
      batch_id: null,
      generation_id,
      job_id,
      traceparent: TRACE,
    });
    const [job] = await stack.sql`select payload from public.job_queue where id = ${job_id}`;
    expect(job?.payload.traceparent).toBe(TRACE);
    const [delivery] = await stack.until('the webhook', async () => {
      const all = receiver.at('/traced');
      return all.length > 0 && all;
    });
    expect(delivery?.headers.traceparent).toBe(TRACE);
    expect(
      JSON.stringify(await stack.simulator.predictions(job_id)),
      'it is none of the provider’s business',
    ).not.toContain(TRACE);
  });

  test.each([
    ['none', {}],
    ['one that is none', { traceparent: `${TRACE}-and-more` }],
  ])('%s: there is none in job and webhook', async (name, headers) => {
    const path = `/${name.replaceAll(' ', '-')}`;
    const { generation_id, job_id } = await user.start(
      { prompt: name, webhook_url: receiver.origin + path },
      headers,
    );
    expect(await line('start', (one) => one.generation_id === generation_id)).toMatchObject({
      traceparent: null,
    });
    const [job] = await stack.sql`select payload from public.job_queue where id = ${job_id}`;
    expect(job?.payload).not.toHaveProperty('traceparent');
    await stack.until('the webhook', async () => receiver.at(path).length > 0);
    expect(receiver.at(path)[0]?.headers).not.toHaveProperty('traceparent');
  });

  test('a key names the same start whatever the trace is', async () => {
    const headers = { 'idempotency-key': 'once' };
    const first = await user.start({ prompt: 'once' }, { ...headers, traceparent: TRACE });
    const again = await user.start({ prompt: 'once' }, headers);
    expect(again.generation_id).toBe(first.generation_id);
    expect(
      lines().filter((one) => one.what === 'start' && one.generation_id === first.generation_id),
    ).toHaveLength(1);
  });
});

test('each image of a batch has its line, and what fails names its generation and the request', async () => {
  const { batch_id, generations } = await user.start({ prompts: ['one', 'two'] });
  for (const { generation_id, job_id } of generations ?? []) {
    expect(await line('start', (one) => one.generation_id === generation_id)).toMatchObject({
      batch_id,
      job_id,
    });
  }
  await stack.simulator.fault('not made', { error: 'E005' });
  const failed = await user.start({ prompt: 'not made' });
  await user.ended(failed.generation_id);
  await line('prediction failed', (one) => one.job_id === failed.job_id);
  await stack.simulator.fault('refused at once', { status: 404 });
  const refused = await user.start({ prompt: 'refused at once' });
  await user.ended(refused.generation_id);
  await line('the provider refuses a model', (one) => one.generation_id === refused.generation_id);
  await stack.sql`delete from private.refused_models where true`;
  await stack.supabase.fault({ path: 'rpc/start_generation' }, { status: 503 });
  const answer = await user.call('POST', '/start-generation', { model_id: MODEL, prompt: 'x' });
  await stack.supabase.heal();
  expect(answer.status).toBe(503);
  const id = answer.headers.get('x-request-id');
  expect(await line('request failed', (one) => one.request_id === id)).toMatchObject({
    level: 'error',
    status: 503,
  });
});

/** Somebody's own, each a text that is nowhere else. */
const CANARIES = Object.fromEntries(
  [
    'prompt',
    'negative',
    'source',
    'webhook',
    'query',
    'idempotency',
    'token',
    'subprotocol',
    'alert-url',
    'mailer',
    'password',
    'answer',
  ].map((what) => [what, `canary-${what}-7f3a91`]),
) as Record<string, string>;

test('no secret, token, prompt or address of somebody’s own is in the log, whatever goes wrong', async () => {
  const { startGenerationUrl, processJobsUrl, processGenerationUrl, serviceRoleKey, supabaseUrl } =
    stack.addresses;
  const rpc = (name: string, args: object) =>
    fetch(`${supabaseUrl}/rest/v1/rpc/${name}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        apikey: serviceRoleKey,
        authorization: `Bearer ${serviceRoleKey}`,
      },
      body: JSON.stringify(args),
    });
  const before = stack.log().length;
  const request = (more: object = {}) => ({
    prompt: `${CANARIES.prompt} a lighthouse`,
    negative_prompt: CANARIES.negative,
    webhook_url: `${receiver.origin}/${CANARIES.webhook}?key=${CANARIES.query}`,
    ...more,
  });
  /** Retries come at once. */
  const over = (id: string) =>
    stack.until(`generation ${id} to end`, async () => {
      const { status } = await user.get(id);
      if (['completed', 'failed', 'cancelled'].includes(status)) return true;
      await stack.letTimePass(id);
      await stack.processJobs();
      return false;
    });
  const ended = async (more: object = {}) => over((await user.start(request(more))).generation_id);

  // All goes well; the receiver refuses, and repeats what it was sent.
  receiver.reply(`/${CANARIES.webhook}?key=${CANARIES.query}`, {
    status: 500,
    body: CANARIES.answer as string,
  });
  await ended();
  await user.start(request(), { 'idempotency-key': CANARIES.idempotency as string });
  // The provider, Storage and the database in trouble.
  for (const fault of [
    { error: 'E005' },
    { error: 'PA' },
    // As providers do, it quotes what it was asked for.
    { error: `NSFW content detected in prompt "${CANARIES.prompt} a lighthouse"` },
    {
      status: 422,
      body: JSON.stringify({
        title: 'Input validation failed',
        detail: `- input.prompt: "${CANARIES.prompt}" is not allowed, nor is "${CANARIES.negative}"`,
      }),
    },
    { status: 422 },
    { status: 400 },
    { file: 'not_image' },
    { file: 'not_found', file_times: 1 },
  ] as const) {
    await stack.simulator.fault(CANARIES.prompt as string, fault);
    await ended();
    await stack.sql`delete from private.refused_models where true`;
  }
  await stack.simulator.faults([]);
  await stack.supabase.fault(
    { service: 'storage', times: 2 },
    { status: 500, body: { message: CANARIES.answer } },
  );
  await ended();
  for (const name of [
    'start_generation',
    'claim_jobs',
    'record_prediction',
    'finish_prediction',
    'finish_download',
  ]) {
    await stack.supabase.fault({ path: `rpc/${name}`, times: 1 }, { drop: 'before' });
    const answer = await user.call<{ generation_id?: string }>('POST', '/start-generation', {
      model_id: MODEL,
      ...request(),
    });
    if (answer.body.generation_id) await over(answer.body.generation_id);
  }
  await stack.supabase.heal();
  // Requests that are refused, on every Worker.
  const post = (url: string, headers: Record<string, string>, body: unknown = request()) =>
    call('POST', url, { headers, body }).catch(() => undefined);
  const bad = { authorization: `Bearer ${CANARIES.token}`, apikey: `sb_secret_${CANARIES.token}` };
  for (const url of [
    `${startGenerationUrl}/start-generation`,
    `${startGenerationUrl}/generations/${CANARIES.prompt}/cancel`,
    `${processJobsUrl}/process-jobs`,
    `${processGenerationUrl}/process-generation`,
    `${processGenerationUrl}/webhooks/replicate?job=${CANARIES.query}`,
  ]) {
    await post(url, bad);
    await post(url, {
      ...bad,
      'webhook-signature': `v1,${CANARIES.token}`,
      'webhook-id': 'x',
      'webhook-timestamp': '1',
    });
    await post(url, bad, `{"prompt": "${CANARIES.prompt}`);
  }
  await user.call('POST', '/start-generation', { model_id: CANARIES.prompt, prompt: CANARIES.prompt });
  await user.call('POST', '/start-generation', {
    model_id: MODEL,
    ...request({ source_image_url: `http://10.0.0.1/${CANARIES.source}` }),
  });
  await user.call('POST', '/start-generation', {
    model_id: 'black-forest-labs/flux-dev',
    ...request({
      source_image_url: `https://${CANARIES.source}.example.com/${CANARIES.source}.png?sig=${CANARIES.query}`,
    }),
  });
  await call('GET', `${startGenerationUrl}/events?token=${CANARIES.token}`, {
    headers: { 'sec-websocket-protocol': `picture-queue, bearer.${CANARIES.subprotocol}` },
  }).catch(() => undefined);
  await post(
    `${processGenerationUrl}/process-generation`,
    { authorization: `Bearer ${serviceRoleKey}` },
    { model_id: MODEL, prompt: CANARIES.prompt },
  );
  // Alerts, to a mailer that refuses.
  const added = await rpc('set_alert_receiver', {
    p_name: 'canary',
    p_kind: 'email',
    p_url: `${receiver.origin}/${CANARIES['alert-url']}`,
    p_secret: CANARIES.mailer,
    p_template: { from: 'a@example.com', text: '{text}' },
  });
  expect(added.status).toBe(200);
  receiver.reply(`/${CANARIES['alert-url']}`, { status: 401, body: `${CANARIES.mailer}` });
  await rpc('test_alert_receiver', { p_name: 'canary' });
  await user.supabase.auth.signInWithPassword({
    email: 'nobody@example.com',
    password: CANARIES.password as string,
  });
  await stack.sweep();
  await stack.until(
    'the mailer to be asked',
    async () => receiver.at(`/${CANARIES['alert-url']}`).length > 0,
  );
  await stack.until(
    'the receiver to be told',
    async () => receiver.at(`/${CANARIES.webhook}?key=${CANARIES.query}`).length > 3,
  );

  const { replicateApiToken, replicateWebhookSecret, jwtSecret } = stack.addresses;
  const own = {
    ...CANARIES,
    'the user’s token': user.token,
    'the secret key': serviceRoleKey,
    'the provider’s token': replicateApiToken,
    'the provider’s webhook secret': replicateWebhookSecret,
    'the secret of tokens': jwtSecret,
  };
  const written = stack.log().slice(before);
  expect(written.split('\n').length, 'much has been written').toBeGreaterThan(15);
  const told = Object.entries(own).flatMap(([what, text]) =>
    written
      .split('\n')
      .filter((one) => one.includes(text))
      .map((one) => `${what}: ${one}`),
  );
  expect(told, 'a line of the log has what is somebody’s own: leave it out where the line is made').toEqual(
    [],
  );
}, 180_000);
