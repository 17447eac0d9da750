import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestStack } from '../e2e/support/stack.ts';
import { SUBSCRIPTIONS } from './apps/queue.ts';
import { STORIES } from './calls.ts';
import { CURL } from './commands.ts';
import { EXCEPTIONS, PAGE } from './exceptions.ts';
import { Replay } from './replay.ts';
import { subscribe } from './subscribe.ts';

/** The original's apps, call by call, against the whole system. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CALLS = STORIES.flatMap(({ calls }) => calls);

describe('the description', () => {
  test('says of each write what the app reads of it, or what it leads to', () => {
    expect(CALLS.filter(({ method, reads, after }) => !reads && !after && method !== 'GET')).toEqual([]);
  });

  test('has exceptions that the page for those who move names', async () => {
    const page = await fs.readFile(path.join(ROOT, PAGE), 'utf8');
    const used = new Set(SUBSCRIPTIONS.flatMap(({ exception }) => exception ?? []));
    expect([...used].toSorted()).toEqual(Object.keys(EXCEPTIONS).toSorted());
    for (const words of Object.values(EXCEPTIONS)) expect(page).toContain(words);
  });

  test('has none for what watches a picture: both apps do it by its generation', () => {
    const unheard = SUBSCRIPTIONS.filter(({ exception }) => exception);
    expect(
      unheard.filter(({ by, table }) => !by.startsWith('the library:') || table !== 'job_queue'),
    ).toEqual([]);
  });
});

describe('on the local stack', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await TestStack.start();
    // What is the apps' own, as the page tells those who begin on a fresh project.
    const own = await fs.readFile(path.join(ROOT, 'supabase/optional/original-apps.sql'), 'utf8');
    await stack.sql.unsafe(own).simple();
  });
  afterAll(() => stack?.stop());

  test.each(STORIES.map((story) => [story.name, story] as const))('%s', async (_, { scene, calls }) => {
    const replay = await Replay.begin(stack, scene);
    const surprises: string[] = [];
    for (const call of calls) {
      const problem = await replay.send(call);
      const name = `${call.to} (${call.method} ${call.path})`;
      if (problem) surprises.push(`${name}: ${problem}`);
    }
    expect(surprises).toEqual([]);
  });

  const heard = SUBSCRIPTIONS.filter(({ exception }) => !exception);
  test.each(heard.map((one) => [one, `${one.by}, ${one.event}`] as const))('$1', async (watched) => {
    const replay = await Replay.begin(stack, 'a batch that runs');
    const told = await subscribe(replay, watched);
    await stack.simulator.faults([]);
    const { generation_id: later } = await replay.user.start({ prompt: 'A later fox' });
    await stack.simulator.release();
    const { generation = '', batch = '' } = replay.values;
    // An insertion is told as the row was then; all else by its end.
    await (watched.event === 'INSERT'
      ? told({ id: later, status: 'pending' })
      : told({ id: watched.table === 'batch_generations' ? batch : generation, status: 'completed' }));
    await replay.user.supabase.removeAllChannels();
  });

  test('what the apps subscribe to is published, and their users may read it', async () => {
    const rows = await stack.sql`
      select t.relname as name from pg_publication as p
      join pg_publication_rel as r on r.prpubid = p.oid
      join pg_class as t on t.oid = r.prrelid
      where p.pubname = 'supabase_realtime' and has_table_privilege('authenticated', t.oid, 'select')`;
    const published = new Set(rows.map(({ name }) => name));
    const wrong = SUBSCRIPTIONS.filter(({ table, exception }) => published.has(table) === Boolean(exception));
    expect(wrong).toEqual([]);
  });

  test('the documentation’s look at process-jobs: by POST and with the secret key', async () => {
    const { supabaseUrl, serviceRoleKey } = stack.addresses;
    const ask = (method: string, headers = {}) => fetch(supabaseUrl + CURL.path, { method, headers });
    expect((await ask('GET')).ok, CURL.differs).toBe(false);
    const answer = await ask('POST', { authorization: `Bearer ${serviceRoleKey}` });
    expect(await answer.json()).toMatchObject({ ...CURL.gives, errors: 0 });
  });
});
