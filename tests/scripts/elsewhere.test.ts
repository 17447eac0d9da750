import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../../dev/replicate/simulator.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { lookElsewhere } from '../../scripts/elsewhere.ts';
import { createSupabase, EMPTY } from '../stack/testing.ts';

// What npm start says of a Supabase and a Replicate of one's own, before anything is built.

let supabase: RunningSupabase;
let empty: RunningSupabase;
/** Has a table of models, and nothing else of ours. */
let half: RunningSupabase;
let replicate: Simulator;

beforeAll(async () => {
  [supabase, empty, half] = await Promise.all([
    createSupabase(),
    createSupabase(EMPTY),
    createSupabase(EMPTY),
  ]);
  const sql = postgres(half.databaseUrl, { max: 1, onnotice: () => {} });
  await sql`create table public.models (id uuid primary key, replicate_id text)`;
  await sql`grant select on public.models to service_role`;
  await sql`notify pgrst, 'reload schema'`;
  await sql.end();
  replicate = await startSimulator();
});
afterAll(async () => {
  await Promise.all([supabase?.stop(), empty?.stop(), half?.stop(), replicate?.close()]);
});

const project = (from: RunningSupabase) => ({
  SUPABASE_URL: `${from.url}/`,
  SUPABASE_ANON_KEY: from.publishableKey,
  SUPABASE_SERVICE_ROLE_KEY: from.secretKey,
});
const account = () => ({ REPLICATE_API_TOKEN: replicate.token, REPLICATE_API_URL: replicate.url });
const webhooks = () => ({
  PUBLIC_URL: 'https://tunnel.example.com',
  REPLICATE_WEBHOOK_SECRET: replicate.webhookSecret,
});

test('nothing of both that are in order, and nothing of none', async () => {
  expect(await lookElsewhere({ ...project(supabase), ...account(), ...webhooks() })).toEqual({
    wrong: [],
    notes: [],
  });
  const legacy = { SUPABASE_ANON_KEY: supabase.anonKey, SUPABASE_SERVICE_ROLE_KEY: supabase.serviceRoleKey };
  expect(await lookElsewhere({ ...project(supabase), ...legacy })).toEqual({ wrong: [], notes: [] });
  expect(await lookElsewhere({})).toEqual({ wrong: [], notes: [] });
});

test.each([
  [
    'a project that does not answer',
    () => ({ ...project(supabase), SUPABASE_URL: 'http://127.0.0.1:9' }),
    'does not answer',
  ],
  ['one without migrations', () => project(empty), 'does not have our tables'],
  [
    'one with the original’s table of models alone',
    () => project(half),
    'does not have all of our migrations, or has tables of another system',
  ],
  [
    'an address without its keys',
    () => ({ SUPABASE_URL: supabase.url, SUPABASE_SERVICE_ROLE_KEY: supabase.secretKey }),
    'SUPABASE_URL is set without SUPABASE_ANON_KEY:',
  ],
  [
    'a secret key of another one',
    () => ({ ...project(supabase), SUPABASE_SERVICE_ROLE_KEY: 'sb_secret_of_another' }),
    'refuses SUPABASE_SERVICE_ROLE_KEY',
  ],
  [
    'a publishable key of another one',
    () => ({ ...project(supabase), SUPABASE_ANON_KEY: 'sb_publishable_of_another' }),
    'refuses SUPABASE_ANON_KEY',
  ],
  [
    'a Replicate that does not answer',
    () => ({ ...account(), REPLICATE_API_URL: 'http://127.0.0.1:9' }),
    'does not answer',
  ],
  [
    'a token of nobody',
    () => ({ ...account(), REPLICATE_API_TOKEN: 'r8_of_nobody' }),
    'does not know REPLICATE_API_TOKEN',
  ],
])('%s is said, with the way out', async (_what, env, sentence) => {
  const { wrong } = await lookElsewhere(env());
  expect(wrong).toEqual([expect.stringContaining(sentence)]);
});

test.each([
  ['no address for webhooks', () => ({}), 'REPLICATE_WEBHOOK_SECRET=whsec_… npm start'],
  [
    'no address for webhooks: Cloudflare’s own tool',
    () => ({}),
    'github.com/cloudflare/cloudflared/releases',
  ],
  [
    'no secret of webhooks',
    () => ({ PUBLIC_URL: 'https://tunnel.example.com' }),
    'REPLICATE_WEBHOOK_SECRET is not set',
  ],
  [
    'a secret of another account',
    () => ({ ...webhooks(), REPLICATE_WEBHOOK_SECRET: 'whsec_b3RoZXI=' }),
    'not the one of this account',
  ],
])('%s: the sweep does it, and what would change that is said', async (_what, env, sentence) => {
  expect(await lookElsewhere({ ...account(), ...env() })).toEqual({
    wrong: [],
    notes: [expect.stringContaining(sentence)],
  });
});
