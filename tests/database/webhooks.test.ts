import { beforeEach, describe, expect, test } from 'vitest';
import { Database, type Job, refusal, type Started } from './support.ts';
import { URL, webhooksOf } from './webhook-support.ts';

/** Outgoing webhooks: what is announced, and to whom. */

const db = await Database.open();
const { start, claimWebhooks, webhookJobs, log, message, claimWebhook, complete, fail } = webhooksOf(db);
beforeEach(() => db.clear());

describe('what is announced', () => {
  const ends: [string, (user: string, started: Started) => Promise<unknown>][] = [
    ['completed', complete],
    ['failed', () => fail()],
    [
      'cancelled',
      (user, started) => db.callAs(user, 'cancel_generation', { p_generation_id: started.generation_id }),
    ],
  ];
  test.each(ends)('a generation that is %s', async (end, bring) => {
    const user = await db.createUser();
    const started = await start(user);
    await bring(user, started);
    const sent = await message(await claimWebhook());
    expect(sent).toMatchObject({ outcome: 'message', url: URL });
    const body = JSON.parse(sent.body);
    const now = await db.callAs<Record<string, unknown>>(user, 'get_generation', {
      p_generation_id: started.generation_id,
    });
    expect(body).toEqual({ type: `generation.${end}`, timestamp: now.completed_at, data: now });
    expect(body.data.status).toBe(end);
    if (end === 'completed') expect(body.data.images).toMatchObject([{ url: 'https://x.example/b.webp' }]);
    if (end === 'failed') expect(body.data.error).toEqual({ code: 'broken', message: 'It broke.' });
    expect(sent.webhook_id).toMatch(/^msg_[0-9a-f-]{36}$/);
    expect(await log(user, started)).toMatchObject([
      { webhook_id: sent.webhook_id, type: `generation.${end}`, url: URL, status: 'pending', attempts: [] },
    ]);
  });

  test('one that expires before it is started, as cancelled', async () => {
    const user = await db.createUser();
    const started = await start(user, { expires_in: 60 });
    await db.sql`update public.job_queue set expires_at = now() - interval '1 second' where id = ${started.job_id}`;
    expect(await db.claim(1, { types: ['generate-image'] })).toEqual([]);
    const body = JSON.parse((await message(await claimWebhook())).body);
    expect(body).toMatchObject({ type: 'generation.cancelled', data: { error: { code: 'expired' } } });
  });

  test('one that lost all its runs, as failed', async () => {
    const user = await db.createUser();
    const started = await start(user);
    for (let run = 1; run <= 3; run += 1) {
      expect(await db.claim(1, { types: ['generate-image'] })).toHaveLength(1);
      await db.letTimePass(started.job_id);
    }
    expect(await db.claim(1, { types: ['generate-image'] })).toEqual([]);
    const body = JSON.parse((await message(await claimWebhook())).body);
    expect(body).toMatchObject({
      type: 'generation.failed',
      data: { error: { code: 'attempts_exhausted' } },
    });
  });

  test('each generation of a batch, once', async () => {
    const user = await db.createUser();
    const started = await start(user, { items: [{ prompt: 'one' }, { prompt: 'two' }, { prompt: 'three' }] });
    await complete();
    await fail();
    await db.callAs(user, 'cancel_generation', {
      p_generation_id: started.generations[2]?.generation_id,
    });
    const bodies = (await Promise.all((await claimWebhooks()).map(message))).map((sent) =>
      JSON.parse(sent.body),
    );
    expect(bodies.map((body) => body.type).sort()).toEqual([
      'generation.cancelled',
      'generation.completed',
      'generation.failed',
    ]);
    expect(new Set(bodies.map((body) => body.data.id))).toEqual(
      new Set(started.generations.map((one) => one.generation_id)),
    );
    expect(bodies.every((body) => body.data.batch_id === started.batch_id)).toBe(true);
  });

  test('nothing where no address was named, and nothing on a retry', async () => {
    const user = await db.createUser();
    await db.start(user);
    await fail();
    await start(user);
    const [job] = await db.claim(1, { types: ['generate-image'] });
    expect(
      await db.service('fail_job', {
        p_job_id: job?.id,
        p_lease: job?.lease,
        p_error_message: 'Once more.',
        p_retry_in_seconds: 0,
      }),
    ).toEqual({ outcome: 'retrying' });
    expect(await webhookJobs()).toEqual([]);
  });

  test('an end once, however often it is announced; the next end of the same generation again', async () => {
    const user = await db.createUser();
    const started = await start(user);
    await fail();
    const again = () => db.sql`select private.announce_generation(${started.generation_id})`;
    await again();
    await again();
    expect(await webhookJobs()).toHaveLength(1);
    const first = await message(await claimWebhook());

    await db.service('requeue_job', { p_job_id: started.job_id });
    await again();
    expect(await webhookJobs(), 'a generation that runs has not ended').toHaveLength(1);
    await complete();
    const second = await message(await claimWebhook());
    expect(second.webhook_id).not.toBe(first.webhook_id);
    expect(JSON.parse(second.body).type).toBe('generation.completed');
    const [job] = await webhookJobs();
    expect(JSON.parse((await message(job as Job)).body), 'an event stays what it was').toEqual(
      JSON.parse(first.body),
    );
    expect((await log(user, started)).map((one) => one.type)).toEqual([
      'generation.failed',
      'generation.completed',
    ]);
  });

  test('in the transaction of the end: what is rolled back was never announced', async () => {
    const user = await db.createUser();
    const started = await start(user);
    await db
      .as('authenticated', user, async (sql) => {
        await sql`select public.cancel_generation(${started.generation_id})`;
        throw new Error('rolled back');
      })
      .catch(() => {});
    expect(await webhookJobs()).toEqual([]);
    expect(await log(user, started)).toEqual([]);
  });
});

describe('the address', () => {
  test.each([
    'http://hooks.example.com/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://localhost/',
    'https://hooks.internal/',
    'https://hooks.example.com./',
    'https://user@hooks.example.com/',
    'https://hooks.example.com:8443/',
    'https://hooks.example.com\\@10.0.0.1/',
    'https://hooks.example.com/a b',
    'ftp://hooks.example.com/',
    'hooks.example.com',
    `https://hooks.example.com/${'a'.repeat(2048)}`,
  ])('%s is refused', async (url) => {
    const user = await db.createUser();
    expect(await refusal(start(user, { webhook_url: url }))).toMatchObject({
      sqlstate: 'PT422',
      code: 'invalid_request',
      message: expect.stringMatching(/^webhook_url must be /),
    });
    expect(await refusal(start(user, { webhook_url: 7 }))).toMatchObject({ sqlstate: 'PT422' });
  });

  test('an origin of private.settings is taken, and nothing beside it', async () => {
    const user = await db.createUser();
    await db.sql`update private.settings set webhook_allowed_origins = '{http://127.0.0.1:9000}'`;
    try {
      for (const url of ['http://127.0.0.1:9000', 'http://127.0.0.1:9000/hook?a=b']) {
        const { generation_id } = await start(user, { webhook_url: url });
        expect(await db.generation(generation_id)).toMatchObject({ webhook_url: url });
      }
      for (const url of [
        'http://127.0.0.1:90001/',
        'http://127.0.0.1:9000@10.0.0.1/',
        'http://127.0.0.1/',
        'http://127.0.0.1:9000.evil.example/',
        'http://127.0.0.1:9000\\@10.0.0.1/',
      ]) {
        expect((await refusal(start(user, { webhook_url: url }))).code, url).toBe('invalid_request');
      }
    } finally {
      await db.sql`update private.settings set webhook_allowed_origins = '{}'`;
    }
  });

  test('enqueue_job takes it, as the original’s users start images', async () => {
    const user = await db.createUser();
    const job = await db.callAs<string>(user, 'enqueue_job', {
      p_job_type: 'generate-image',
      p_payload: { prompt: 'x', model_id: 'test/painter', webhook_url: URL },
    });
    const { generation_id } = await db.job(job);
    expect(await db.generation(generation_id as string)).toMatchObject({ webhook_url: URL });
  });
});
