import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { PROJECT_ROOT } from '../../dev/stack/options.ts';
import { LiveSocket, LiveStream, Refused } from './support/live.ts';
import { expectProblem } from './support/problem.ts';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/** The live channel may be missing, hang or fail: images are made all the same, and not more slowly. */

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => fs.rm(folder, { recursive: true }))));

/** The project's wrangler.toml in another folder. */
async function wranglerToml(change: (toml: string, folder: string) => string | Promise<string>) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'live-broken-'));
  folders.push(folder);
  const toml = await fs.readFile(path.join(PROJECT_ROOT, 'wrangler.toml'), 'utf8');
  const absolute = toml.replace(/^(main|directory) = "/gm, `$1 = "${PROJECT_ROOT}`);
  const file = path.join(folder, 'wrangler.toml');
  await fs.writeFile(file, await change(absolute, folder));
  return file;
}

const BINDINGS = /\[\[env\.[\w-]+\.durable_objects\.bindings\]\]\n(\w+ = .*\n)+/g;

const withoutBindings = () =>
  wranglerToml((toml) => {
    expect(toml.match(BINDINGS), 'bindings of the live channel in wrangler.toml').toHaveLength(3);
    return toml.replace(BINDINGS, '');
  });

/** process-generation with another class in place of the live channel. */
const withChannel = (answer: string) =>
  wranglerToml(async (toml, folder) => {
    const build = path.join(PROJECT_ROOT, 'functions/process-generation/build');
    await fs.cp(build, path.join(folder, 'build'), { recursive: true });
    const entry = path.join(folder, 'build/broken.js');
    await fs.writeFile(
      entry,
      `export { default } from './index.js';
       export class LiveChannel { async fetch(request) { await request.text(); ${answer} } }`,
    );
    const changed = toml.replace(path.join(build, 'index.js'), entry);
    expect(changed, 'the entry of process-generation in wrangler.toml').not.toBe(toml);
    return changed;
  });

describe.each([
  ['missing', withoutBindings],
  ['hanging', () => withChannel('await new Promise(() => {});')],
  ['failing', () => withChannel("throw new Error('broken');")],
  ['answering nonsense', () => withChannel("return new Response('what?', { status: 418 });")],
])('a live channel that is %s', (_, toml) => {
  test('does not touch the images; listeners are refused and may poll', async () => {
    const stack = await TestStack.start({ wranglerToml: await toml() });
    try {
      const user = await TestUser.signUp(stack);
      // As if somebody listened: the database hands out what changes.
      await stack.sql`insert into private.live_listeners (user_id, until) values (${user.id}, 'infinity')`;
      const before = Date.now();
      const { generations = [] } = await user.start({ prompt: 'in the dark', num_images: 3 });
      for (const { generation_id } of generations) await user.completed(generation_id);
      // Each image is told at least four times; waiting for a channel that hangs would take 2 s each.
      expect(Date.now() - before, 'milliseconds for three images').toBeLessThan(6_000);
      const cancelled = await user.start({ prompt: 'later', scheduled_at: '2027-11-01T00:00:00Z' });
      const answer = await user.call('POST', `/generations/${cancelled.generation_id}/cancel`);
      expect(answer.body).toEqual({ generation_id: cancelled.generation_id, status: 'cancelled' });

      const opening = await Promise.allSettled([LiveSocket.open(user), LiveStream.open(user)]);
      for (const refused of opening) {
        if (refused.status === 'fulfilled') throw new Error('the connection should have been refused');
        if (!(refused.reason instanceof Refused)) throw refused.reason;
        expectProblem(refused.reason.answer, 503, 'unavailable');
      }
    } finally {
      await stack.stop();
    }
  });
});
