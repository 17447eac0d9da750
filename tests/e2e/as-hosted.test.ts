import { createClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signJwt } from '../../dev/stack/supabase/jwt.ts';
import { LiveSocket } from './support/live.ts';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { BUCKET, pictures, uploadSource } from './support/uploads.ts';
import { call, MODEL, TestUser } from './support/user.ts';

/**
 * The whole system with a project as new hosted ones are: keys that are no tokens, users' tokens signed with an
 * elliptic-curve key whose public half is published, and no secret that the workers share with it.
 */

let stack: TestStack;
let user: TestUser;

beforeAll(async () => {
  stack = await TestStack.start({ args: ['--api-keys', 'new', '--user-tokens', 'ES256'] });
  user = await TestUser.signUp(stack, stack.addresses.publishableKey);
});
afterAll(() => stack?.stop());

test('from sign-up to the image, with live events', async () => {
  const [head = ''] = user.token.split('.');
  expect(JSON.parse(atob(head))).toMatchObject({ alg: 'ES256' });
  const live = await LiveSocket.open(user);
  const { generation_id } = await user.start({ prompt: 'signed with a curve' });
  await live.reaches(generation_id, 'completed');
  live.close();
  const { images } = await user.completed(generation_id);
  expect((await fetch(images[0]?.url ?? '')).status).toBe(200);
  // The app reads what is its user's, with the same token.
  const { data } = await user.supabase.from('image_generations').select('id,status');
  expect(data).toEqual([{ id: generation_id, status: 'completed' }]);
});

test('an upload, and an image made from it', async () => {
  const { source_id } = await uploadSource(user, (await pictures()).png, 'image/png');
  const model_id = 'black-forest-labs/flux-dev';
  const { generation_id } = await user.start({ prompt: 'from my own', model_id, source_id });
  await user.completed(generation_id);
  expect((await user.supabase.storage.from(BUCKET).list(user.id)).data).toHaveLength(1);
});

test('process-jobs takes the secret key', async () => {
  const { processJobsUrl, secretKey, publishableKey } = stack.addresses;
  const run = (headers: Record<string, string>) =>
    call('POST', `${processJobsUrl}/process-jobs`, { headers });
  expect((await run({ apikey: secretKey })).status).toBe(200);
  expectProblem(await run({ apikey: publishableKey }), 401, 'unauthorized');
});

test('a token under the project’s old secret, which signs nothing any more, is refused', async () => {
  const token = signJwt(
    { sub: user.id, role: 'authenticated', exp: Math.floor(Date.now() / 1000) + 60 },
    stack.addresses.jwtSecret,
  );
  const answer = await call('POST', `${stack.addresses.startGenerationUrl}/start-generation`, {
    headers: { authorization: `Bearer ${token}` },
    body: { prompt: 'forged', model_id: MODEL },
  });
  expectProblem(answer, 401, 'unauthorized');
});

test('the secret key opens what the service may, and nothing as a bearer', async () => {
  const { supabaseUrl, secretKey, anonKey } = stack.addresses;
  const service = createClient(supabaseUrl, secretKey, { auth: { persistSession: false } });
  expect((await service.from('job_queue').select('id').limit(1)).data).toHaveLength(1);
  const answer = await fetch(`${supabaseUrl}/rest/v1/job_queue`, {
    headers: { apikey: anonKey, authorization: `Bearer ${secretKey}` },
  });
  expect(answer.status).toBe(401);
});
