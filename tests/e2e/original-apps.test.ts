import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type CountedStack, startCounted } from './support/counted.ts';
import type { CountingProxy } from './support/proxy.ts';
import type { TestStack } from './support/stack.ts';
import { call, type Generation, MODEL, type Started, TestUser } from './support/user.ts';

/** The doors that the original's apps know, with every request that they cost at Supabase. */

let counted: CountedStack;
let proxy: CountingProxy;
let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  counted = await startCounted();
  ({ proxy, stack, user } = counted);
});
afterEach(async () => {
  await stack.simulator.faults([]);
  await stack.until('the queue to be idle', async () => {
    const [row] = await stack.sql`
      select count(*)::int as open from public.job_queue where status in ('pending', 'processing')`;
    return row?.open === 0;
  });
});
afterAll(() => counted?.stop());

interface StartedBatch {
  success: boolean;
  message: string;
  batch: { id: string; name: string | null; total_count: number; generations: { id: string }[] };
}

const PREFIX = '/functions/v1';

/** A row as the mobile app inserts it, past the proxy. */
async function insert(more: object = {}): Promise<string> {
  const row = { user_id: user.id, prompt: 'a fox', model: 'flux-schnell', status: 'pending', ...more };
  const { data, error } = await user.supabase.from('image_generations').insert(row).select('id').single();
  if (error) throw new Error(`the row was refused: ${error.message}`);
  return data.id;
}

const rowOf = async (generation: string) => {
  const [row] = await stack.sql`select * from public.image_generations where id = ${generation}`;
  return row;
};

describe('generate-image', () => {
  test('starts the row that its user has inserted, in one request', async () => {
    const generation_id = await insert();
    const before = proxy.passed.length;
    const body = { generation_id, prompt: 'a fox', model_id: MODEL, width: 1024, height: 1024 };
    const answer = await user.call<Started>('POST', `${PREFIX}/generate-image`, body);
    expect([answer.status, answer.body]).toMatchObject([
      202,
      { success: true, generation_id, status: 'queued' },
    ]);
    expect(proxy.passed[before]?.path).toBe('/rest/v1/rpc/start_inserted_generation');
    const { images } = await user.completed(generation_id);
    expect(images).toHaveLength(1);
    const { 'POST /rest/v1/rpc/get_generation': _, ...others } = proxy.counts(before);
    expect(others).toEqual({
      'POST /rest/v1/rpc/start_inserted_generation': 1,
      'POST /rest/v1/rpc/record_prediction': 1,
      'POST /rest/v1/rpc/finish_prediction': 1,
      'POST /storage/v1/object/generated-images/*/*.webp': 1,
      'POST /rest/v1/rpc/finish_download': 1,
    });
  });

  test('tells the same start again, and makes no second picture', async () => {
    const generation_id = await insert();
    const start = () => user.call<Started>('POST', '/generate-image', { generation_id });
    const [first, second] = [await start(), await start()];
    expect(second.body.job_id).toBe(first.body.job_id);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    await user.completed(generation_id);
    expect(await stack.simulator.predictions(first.body.job_id)).toHaveLength(1);
  });

  test('takes from the row what the body leaves out: a remix keeps its source', async () => {
    const source = await user.start({ prompt: 'a source' });
    const { images } = await user.completed(source.generation_id);
    const dev = 'black-forest-labs/flux-dev';
    const generation_id = await insert({
      model: dev,
      source_image_url: images[0]?.url,
      generation_strength: 0.7,
      seed: 7,
    });
    const body = { generation_id, prompt: 'the same at night', model_id: dev };
    const { status, body: started } = await user.call<Started>('POST', '/generate-image', body);
    expect(status).toBe(202);
    await user.completed(generation_id);
    const [made] = await stack.simulator.predictions(started.job_id);
    expect(made?.prediction.input).toMatchObject({
      prompt: 'the same at night',
      prompt_strength: 0.7,
      seed: 7,
    });
    const file = images[0]?.url.split('/').at(-1);
    expect(made?.prediction.input).toMatchObject({ image: expect.stringContaining(file ?? 'no file') });
  });

  test('refuses what names no row of the caller’s, and says which model it does not know', async () => {
    const id = await insert();
    const stranger = await TestUser.signUp(stack);
    const refused: [TestUser, object, number, string][] = [
      [user, {}, 400, 'invalid_request'],
      [user, { generation_id: 'x' }, 400, 'invalid_request'],
      [stranger, { generation_id: id }, 404, 'not_found'],
      [user, { generation_id: id, prompt: 'a fox', model_id: 'no-such' }, 404, 'unknown_model'],
      [user, { generation_id: id, prompt: 'a fox', model_id: MODEL, strength: 0.5 }, 400, 'invalid_request'],
      [user, { generation_id: id, prompt: 'a fox', model_id: MODEL, steps: 4 }, 400, 'invalid_request'],
    ];
    for (const [who, body, status, code] of refused) {
      const answer = await who.call('POST', '/generate-image', body);
      expect([answer.status, answer.body], JSON.stringify(body)).toMatchObject([status, { code }]);
    }
    expect((await rowOf(id))?.job_id).toBeNull();
    await user.call('DELETE', `/generations/${id}`);
  });
});

describe('model_id', () => {
  test('is a name at the provider, the id of a row or a short name', async () => {
    const [model] = await stack.sql`select id, name from public.models where replicate_id = ${MODEL}`;
    for (const model_id of [MODEL, model?.id, model?.name]) {
      const { generation_id } = await user.start({ prompt: 'a name', model_id });
      expect((await rowOf(generation_id))?.model, model_id).toBe(MODEL);
      await user.completed(generation_id);
    }
  });

  test('of an unknown model is refused in the words for what it is, without a request', async () => {
    const before = proxy.passed.length;
    const details = new Set();
    for (const model_id of ['no/such', 'no-such', '0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11']) {
      const answer = await user.call<{ code: string; detail: string }>('POST', '/start-generation', {
        prompt: 'a fox',
        model_id,
      });
      expect([answer.status, answer.body.code]).toEqual([404, 'unknown_model']);
      details.add(answer.body.detail);
    }
    expect(details.size).toBe(3);
    expect(proxy.passed.length).toBe(before);
  });
});

describe('batch-generate', () => {
  const shared_settings = {
    model_id: 'sdxl',
    model_version: '',
    width: 1024,
    height: 1024,
    steps: 4,
    guidance_scale: 7.5,
  };

  test('starts a batch with a name, in one request, and each prompt has what is its own', async () => {
    const before = proxy.passed.length;
    const answer = await user.call<StartedBatch>('POST', `${PREFIX}/batch-generate`, {
      prompts: [{ text: 'A fox', negative_prompt: 'blur', seed: 1, tags: ['animals'] }, { text: 'A hare' }],
      shared_settings,
      batch_name: 'Animals',
    });
    expect([answer.status, answer.body]).toMatchObject([
      202,
      { success: true, batch: { name: 'Animals', total_count: 2 } },
    ]);
    expect(answer.body.message).toContain('tags');
    expect(proxy.passed[before]?.path).toBe('/rest/v1/rpc/start_batch');
    const ids = answer.body.batch.generations.map(({ id }) => id);
    for (const id of ids) await user.completed(id);
    const rows = await stack.sql`
      select prompt, negative_prompt, seed::int, steps, batch_id from public.image_generations
      where id in ${stack.sql(ids)} order by batch_index`;
    expect([...rows]).toMatchObject([
      { prompt: 'A fox', negative_prompt: 'blur', seed: 1, steps: 4, batch_id: answer.body.batch.id },
      {
        prompt: 'A hare',
        negative_prompt: null,
        seed: expect.any(Number),
        steps: 4,
        batch_id: answer.body.batch.id,
      },
    ]);
  });

  test('may be of one prompt', async () => {
    const { body } = await user.call<StartedBatch>('POST', '/batch-generate', {
      prompts: [{ text: 'A lone fox', negative_prompt: 'blur' }],
      shared_settings,
    });
    const [one, ...others] = body.batch.generations;
    expect(others).toEqual([]);
    await user.completed(one?.id ?? '');
    expect(await rowOf(one?.id ?? '')).toMatchObject({ batch_id: body.batch.id, negative_prompt: 'blur' });
  });

  test('takes no idempotency key, rather than to ignore it', async () => {
    const body = { prompts: [{ text: 'A fox' }], shared_settings };
    const answer = await user.call('POST', '/batch-generate', body, { 'idempotency-key': 'k' });
    expect([answer.status, answer.body]).toMatchObject([400, { field: 'idempotency-key' }]);
  });
});

describe('an end, and a second try', () => {
  const failed = async () => {
    await stack.simulator.fault('a torn fox', { error: 'E005' });
    const started = await user.start({ prompt: 'a torn fox' });
    await user.reaches(started.generation_id, 'failed');
    await stack.simulator.faults([]);
    return started.generation_id;
  };

  test('POST /generations/{id}/retry makes a failed one again, and nobody else’s', async () => {
    const id = await failed();
    const stranger = await TestUser.signUp(stack);
    expect((await stranger.call('POST', `/generations/${id}/retry`)).status).toBe(404);
    const before = proxy.passed.length;
    const answer = await user.call<Generation>('POST', `/generations/${id}/retry`);
    expect([answer.status, answer.body]).toMatchObject([202, { id, status: 'queued', error: null }]);
    await user.completed(id);
    expect(proxy.counts(before)).toMatchObject({ 'POST /rest/v1/rpc/retry_generation': 1 });
    expect((await user.call('POST', `/generations/${id}/retry`)).status).toBe(409);
  });

  test('process-queue has done at once what a row was set to', async () => {
    const id = await failed();
    const { error } = await user.supabase
      .from('image_generations')
      .update({ status: 'pending' })
      .eq('id', id);
    expect(error).toBeNull();
    const before = proxy.passed.length;
    const answer = await user.call('POST', `${PREFIX}/process-queue`);
    expect([answer.status, answer.body]).toEqual([202, { success: true }]);
    await user.completed(id);
    expect(proxy.counts(before)['POST /rest/v1/rpc/claim_jobs']).toBeGreaterThan(0);
    const anybody = `${stack.addresses.startGenerationUrl}/process-queue`;
    expect((await call('POST', anybody)).status).toBe(401);
  });
});

describe('DELETE', () => {
  const expectGone = (sql: () => Promise<unknown[]>) =>
    stack.until('it to go', async () => {
      await stack.sql`update private.removed_objects set due_at = now() where due_at > now()`;
      await stack.sweep();
      return (await sql()).length === 0;
    });
  const files = (id: string) => () =>
    stack.sql`select name from storage.objects where position(${id} in name) > 0`;

  test('of a generation: its image, its file and its jobs go, in one request', async () => {
    const { generation_id: id, job_id } = await user.start({ prompt: 'a fox to delete' });
    await user.completed(id);
    const stranger = await TestUser.signUp(stack);
    expect((await stranger.call('DELETE', `/generations/${id}`)).status).toBe(404);
    const before = proxy.passed.length;
    const answer = await user.call('DELETE', `${PREFIX}/generations/${id}`);
    expect([answer.status, answer.body]).toEqual([200, { id, deleted: true }]);
    expect(proxy.passed[before]?.path).toBe('/rest/v1/rpc/delete_generation');
    expect((await user.call('GET', `/generations/${id}`)).status).toBe(404);
    expect((await user.call('DELETE', `/generations/${id}`)).status).toBe(404);
    const rows = await stack.sql`
      select id from public.images where generation_id = ${id}
      union all select id from public.job_queue where id = ${job_id}`;
    expect([...rows]).toEqual([]);
    await expectGone(files(id));
  });

  test('of a running one: its prediction is stopped', async () => {
    await stack.simulator.fault('a held fox', { hold: 'run' });
    const { generation_id: id, job_id } = await user.start({ prompt: 'a held fox' });
    await user.reaches(id, 'processing');
    expect((await user.call('DELETE', `/generations/${id}`)).status).toBe(200);
    await stack.until('its prediction to be cancelled', async () => {
      const all = await stack.simulator.predictions(job_id);
      return all.length > 0 && all.every(({ prediction }) => prediction.status === 'canceled');
    });
    expect(await rowOf(id)).toBeUndefined();
  });

  test('of one whose image is being stored: nothing of it stays', async () => {
    await stack.simulator.faults([{ match: { endpoint: 'file', times: 1 }, fault: { delay_ms: 1_500 } }]);
    const { generation_id: id } = await user.start({ prompt: 'a late fox' });
    await user.reaches(id, 'downloading');
    const before = proxy.passed.length;
    expect((await user.call('DELETE', `/generations/${id}`)).status).toBe(200);
    // The file lies in Storage by now, if nothing kept it out.
    await stack.until('the run to tell of its end', async () => {
      return proxy.counts(before)['POST /rest/v1/rpc/finish_download'] !== undefined;
    });
    await expectGone(files(id));
    expect([...(await stack.sql`select id from public.images where generation_id = ${id}`)]).toEqual([]);
  });

  test('of an image: its file goes, and its generation stays', async () => {
    const { generation_id: id } = await user.start({ prompt: 'a fox that stays' });
    const image = (await user.completed(id)).images[0]?.id;
    const before = proxy.passed.length;
    const answer = await user.call('DELETE', `/images/${image}`);
    expect([answer.status, answer.body]).toEqual([200, { id: image, deleted: true }]);
    expect(proxy.passed[before]?.path).toBe('/rest/v1/rpc/delete_image');
    expect(await user.get(id)).toMatchObject({ status: 'completed', images: [] });
    expect((await user.call('DELETE', `/images/${image}`)).status).toBe(404);
    expect((await user.call('DELETE', '/images/no-id')).status).toBe(404);
    await expectGone(files(id));
  });
});

describe('the private functions under the public address', () => {
  const at = (path: string) => `${stack.addresses.startGenerationUrl}${PREFIX}${path}`;
  const key = () => ({ authorization: `Bearer ${counted.supabase.serviceRoleKey}` });

  test('answer who has the service key, as at their own address', async () => {
    const jobs = await call('POST', at('/process-jobs'), { headers: key() });
    expect([jobs.status, jobs.body]).toMatchObject([200, { success: true, processed: 0, errors: 0 }]);
    const alone = await call('POST', at('/process-generation'), {
      headers: key(),
      body: { prompt: 'a fox alone', model_id: MODEL, user_id: user.id },
    });
    expect([alone.status, alone.body]).toMatchObject([200, { success: true }]);
  });

  test('refuse everybody else: the way there says nothing of who calls', async () => {
    for (const path of ['/process-jobs', '/process-generation']) {
      for (const headers of [{}, { authorization: `Bearer ${user.token}` }]) {
        const answer = await call('POST', at(path), { headers, body: {} });
        expect([answer.status, answer.body], path).toMatchObject([401, { code: 'unauthorized' }]);
        expect(answer.headers.get('www-authenticate')).toBe('Bearer');
        expect(answer.headers.get('content-type')).toBe('application/problem+json');
      }
      expect((await call('GET', at(path))).status).toBe(405);
    }
  });
});
