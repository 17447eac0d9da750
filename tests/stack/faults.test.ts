import type { SupabaseClient } from '@supabase/supabase-js';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { answers } from '../../dev/stack/supabase/fault-answers.ts';
import type { RunningSupabase } from '../../dev/stack/supabase/index.ts';
import { SupabaseControl } from '../e2e/support/supabase.ts';
import { fixtureSupabase, withKey } from './fixtures/project.ts';

/** The switches that make the local Supabase unwell. */

let supabase: RunningSupabase;
let service: SupabaseClient;
let control: SupabaseControl;

beforeAll(async () => {
  supabase = await fixtureSupabase();
  service = withKey(supabase, supabase.secretKey);
  control = new SupabaseControl(supabase.url);
  return supabase.stop;
});
afterEach(() => control.heal());

const add = () => service.rpc('add', { a: 1 });
const log = (entry: string) =>
  fetch(`${supabase.url}/rest/v1/rpc/log_entry`, {
    method: 'POST',
    headers: { apikey: supabase.secretKey },
    body: JSON.stringify({ entry }),
  });
const entries = async () => (await service.from('audit').select()).data?.map(({ entry }) => entry) ?? [];

describe('which requests', () => {
  test('a number of times', async () => {
    await control.fault({ service: 'rest', path: 'rpc/add', times: 2 }, { answer: 'PGRST303' });
    expect((await service.rpc('scalars')).data).toEqual([1, 2]);
    for (let n = 0; n < 2; n += 1) {
      const { status, error } = await add();
      expect([status, error?.code, error?.message]).toEqual([401, 'PGRST303', 'JWT issued at future']);
    }
    expect((await add()).data).toBe(11);
    expect(await control.played()).toMatchObject([{ seen: 3, applied: 2 }]);
  });

  test('the nth, a method, a service', async () => {
    await control.faults([
      { match: { path: 'rpc/add', nth: 2 }, fault: { answer: '57P03' } },
      { match: { method: 'GET', service: 'rest' }, fault: { answer: '25006' } },
    ]);
    expect((await add()).status).toBe(200);
    expect((await add()).status).toBe(500);
    expect((await add()).status).toBe(200);
    expect((await service.from('notes').select()).status).toBe(405);
    expect((await service.storage.listBuckets()).error).toBeNull();
  });

  test('a whole outage, for a time', async () => {
    await control.fault({ for_ms: 600 }, { drop: 'before' });
    expect((await add()).error?.message).toMatch(/fetch failed/);
    expect((await withKey(supabase, supabase.publishableKey).auth.getUser('x.y.z')).error).not.toBeNull();
    await expect.poll(async () => (await add()).data).toBe(11);
  });

  test.each([
    [[{ match: { servce: 'rest' }, fault: {} }], /rules\.0\.match\.servce must be one of service/],
    [[{ match: { service: 'realtime' }, fault: {} }], /must be one of auth, rest, storage/],
    [[{ fault: { answer: 'PGRST999' } }], /answer must be one of .*PGRST000/],
    [[{ match: {} }], /rules\.0\.fault must be given/],
    [{}, /must be a list/],
  ])('a rule that is none is refused: %j', async (rules, sentence) => {
    await expect(control.faults(rules as never)).rejects.toThrow(sentence);
  });
});

describe('what goes wrong', () => {
  test.each(Object.entries(answers))('%s', async (answer, { status, body }) => {
    await control.fault({ path: 'rpc/add', times: 1 }, { answer });
    const came = await fetch(`${supabase.url}/rest/v1/rpc/add`, { method: 'POST' });
    expect(came.status).toBe(status);
    expect(typeof body === 'string' ? await came.text() : await came.json()).toEqual(body);
  });

  test('a status, body and headers of one’s own', async () => {
    await control.fault(
      { service: 'storage', path: 'object/open', times: 1 },
      { status: 503, body: { message: 'down' }, headers: { 'retry-after': '7' } },
    );
    const came = await fetch(`${supabase.url}/storage/v1/object/open/x.png`, { method: 'POST', body: 'x' });
    expect([came.status, came.headers.get('retry-after'), await came.json()]).toEqual([
      503,
      '7',
      { message: 'down' },
    ]);
  });

  test('slow', async () => {
    await control.fault({ times: 1 }, { delay_ms: 300 });
    const begun = performance.now();
    expect((await add()).data).toBe(11);
    expect(performance.now() - begun).toBeGreaterThan(290);
  });

  test('the work is done and its answer lost', async () => {
    await control.fault({ path: 'log_entry', times: 1 }, { drop: 'after' });
    await expect(log('dropped')).rejects.toThrow();
    await control.fault({ path: 'log_entry', times: 1 }, { answer: '57P01', after: true });
    const late = await log('answered otherwise');
    expect([late.status, await late.json()]).toEqual([503, answers['57P01']?.body]);
    await control.fault({ path: 'object/open', times: 1 }, { drop: 'after' });
    const upload = await service.storage.from('open').upload('lost.txt', Buffer.from('there'));
    expect(upload.error).not.toBeNull();
    await control.fault({ path: '/notes', times: 1 }, { status: 502, after: true });
    expect((await service.from('notes').select()).status).toBe(502); // of lite
    expect(await entries()).toEqual(expect.arrayContaining(['dropped', 'answered otherwise']));
    expect(await (await service.storage.from('open').download('lost.txt')).data?.text()).toBe('there');
  });

  test('the work is not done when the connection is cut before', async () => {
    await control.fault({ path: 'log_entry', times: 1 }, { drop: 'before' });
    await expect(log('never')).rejects.toThrow();
    expect(await entries()).not.toContain('never');
  });

  test('an answer that breaks off', async () => {
    const content = Buffer.alloc(100_000, 'x');
    await service.storage.from('open').upload('long.txt', content, { upsert: true });
    const url = `${supabase.url}/storage/v1/object/public/open/long.txt`;
    await control.fault({ path: 'long.txt', times: 1 }, { drop: 'midway' });
    await expect(fetch(url).then((answer) => answer.arrayBuffer())).rejects.toThrow();
    await control.fault({ path: 'rpc/echo', times: 1 }, { drop: 'midway' });
    const rpc = await service.rpc('echo', { value: 'x'.repeat(1_000) });
    expect(rpc.error).not.toBeNull();
    expect((await (await fetch(url)).arrayBuffer()).byteLength).toBe(content.length);
  });
});
