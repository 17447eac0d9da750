import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { MODEL, TestUser } from './support/user.ts';
import { wrappedWorkers } from './support/wrapped.ts';

/**
 * Cloudflare may go on with an isolate where nothing but bindings has changed, and hands it another `env`. So does
 * the module that stands in front of the Workers here.
 */

/** `POST /bindings` lists variables that stand over the first ones from now on; `{}` brings back the first `env`. */
const ENTRY = `import { WorkerEntrypoint } from 'cloudflare:workers';
import Worker from './index.js';
export * from './index.js';
let replaced;
export default class extends WorkerEntrypoint {
  async fetch(request) {
    if (new URL(request.url).pathname === '/bindings') {
      const variables = await request.json();
      replaced = Object.keys(variables).length > 0 ? { ...this.env, ...variables } : undefined;
      return new Response();
    }
    return new Worker(this.ctx, replaced ?? this.env).fetch(request);
  }
  scheduled(controller) {
    return new Worker(this.ctx, replaced ?? this.env).scheduled(controller);
  }
}
`;

let stack: TestStack;
let user: TestUser;
let remove: () => Promise<void>;

beforeAll(async () => {
  const workers = await wrappedWorkers(ENTRY);
  remove = workers.remove;
  stack = await TestStack.start({ wranglerToml: workers.wranglerToml, args: ['--wake', 'off'] });
  user = await TestUser.signUp(stack);
});
afterAll(async () => {
  await stack?.stop();
  await remove?.();
});

async function replace(url: string, variables: Record<string, string>): Promise<void> {
  const answer = await fetch(`${url}/bindings`, { method: 'POST', body: JSON.stringify(variables) });
  expect(answer.status).toBe(200);
}

test('a service key that was replaced is refused at once, and the new one taken', async () => {
  const { processJobsUrl, serviceRoleKey: old } = stack.addresses;
  const ask = async (apikey: string) =>
    (await fetch(`${processJobsUrl}/metrics`, { headers: { apikey } })).status;
  expect([await ask(old), await ask('sb_secret_new')]).toEqual([200, 401]);

  await replace(processJobsUrl, { SUPABASE_SERVICE_ROLE_KEY: 'sb_secret_new' });
  // The project itself does not know the new one.
  expect([await ask(old), await ask('sb_secret_new')]).toEqual([401, 503]);

  await replace(processJobsUrl, { SUPABASE_SERVICE_ROLE_KEY: '' });
  await stack.sweep();
  await stack.until('the sweep to miss the key', async () =>
    stack.lastLines().includes('"what":"configuration","detail":"SUPABASE_SERVICE_ROLE_KEY is not set'),
  );

  await replace(processJobsUrl, {});
  expect([await ask(old), await ask('sb_secret_new')]).toEqual([200, 401]);
});

test('a token that was verified with a secret that was replaced is refused at once', async () => {
  const { startGenerationUrl } = stack.addresses;
  const list = () => user.call<Record<string, unknown>>('GET', '/generations');
  expect((await list()).status).toBe(200);
  expect((await list()).status).toBe(200);

  await replace(startGenerationUrl, { SUPABASE_JWT_SECRET: 'another secret of the project, 32 bytes' });
  expectProblem(await list(), 401, 'unauthorized');

  await replace(startGenerationUrl, {});
  expect((await list()).status).toBe(200);
});

test('variables, and what was made of them', async () => {
  const { startGenerationUrl } = stack.addresses;
  const allowed = async () => {
    const answer = await fetch(`${startGenerationUrl}/health`, { headers: { origin: 'https://b.example' } });
    return answer.headers.get('access-control-allow-origin');
  };
  expect(await allowed()).toBe('*');
  await replace(startGenerationUrl, { ALLOWED_ORIGINS: 'https://b.example' });
  expect(await allowed()).toBe('https://b.example');
  await replace(startGenerationUrl, { ALLOWED_ORIGINS: 'https://a.example' });
  expect(await allowed()).toBeNull();

  // Local receivers of webhooks.
  const start = () =>
    user.call('POST', '/start-generation', {
      model_id: MODEL,
      prompt: 'told',
      webhook_url: 'http://127.0.0.1:9/told',
    });
  expect(await start()).toMatchObject({ status: 400, body: { field: 'webhook_url' } });
  await replace(startGenerationUrl, { WEBHOOK_ALLOWED_ORIGINS: 'http://127.0.0.1:9' });
  await stack.sql`update private.settings set webhook_allowed_origins = array['http://127.0.0.1:9']`;
  expect((await start()).status).toBe(202);
});
