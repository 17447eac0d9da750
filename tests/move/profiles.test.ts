import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { apply } from '../../scripts/move/apply.ts';
import { situationOf } from '../../scripts/move/findings.ts';
import { parseOptions } from '../../scripts/move/options.ts';
import { project } from './project.ts';
import { snapshot } from './snapshot.ts';

// The push gives each user a profile in the app's own table. An undo takes away those that nobody has used since.

const USERS = Array.from({ length: 4 }, () => randomUUID());
const [changed, likes, writes, idle] = USERS;
const SIGN_UP = USERS.map((id) => `insert into auth.users (id) values ('${id}');`).join('\n');

test('an undo leaves the profiles that have changed, and those that rows name', async () => {
  const { sql, old, run } = await project(SIGN_UP);
  const likesBefore = (await snapshot(sql))['rows of public.image_likes'];
  await run('apply');
  await sql`update public.profiles set username = 'eve' where id = ${changed ?? null}`;
  await sql`insert into public.image_likes (image_id, user_id) values (${old.named.newer ?? null}, ${likes ?? null})`;
  await sql`insert into public.prompt_templates (user_id, name, prompt) values (${writes ?? null}, 't', 'p')`;
  const report = await run('undo');
  expect(report).toContain('3 profiles that the move has added stay');
  const there = await sql<{ id: string; username: string | null }[]>`
    select id, username from public.profiles where id = any(${USERS})`;
  expect(new Map(there.map(({ id, username }) => [id, username]))).toEqual(
    new Map([
      [changed, 'eve'],
      [likes, null],
      [writes, null],
    ]),
  );
  expect(there.map(({ id }) => id)).not.toContain(idle);
  const likesAfter = (await snapshot(sql))['rows of public.image_likes'];
  expect(likesAfter?.length).toBe((likesBefore?.length ?? 0) + 1);
  await run('apply');
  expect(await run('undo')).not.toContain('profiles that the move has added stay');
});

test('a profile that a user got in the midst of the push is the user’s', async () => {
  const { url, sql, run } = await project();
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'picture-queue-profiles-'));
  await fs.writeFile(path.join(folder, '20261124000100_broken.sql'), 'select 1 / 0');
  const options = parseOptions(['--database-url', url, '--apply'], {});
  if (!options) throw new Error('the help was not asked for');
  await expect(apply(sql, await situationOf(sql), options, undefined, folder)).rejects.toThrow('by zero');
  await fs.rm(folder, { recursive: true });
  await sql`insert into auth.users (id) values (${idle ?? null})`;
  await sql`insert into public.profiles (id, username) values (${idle ?? null}, 'zoe')`;
  await run('apply');
  expect(await run('undo')).not.toContain('profiles that the move has added stay');
  expect(await sql`select username from public.profiles where id = ${idle ?? null}`).toEqual([
    { username: 'zoe' },
  ]);
});

test('rows that went with a deleted image are told of', async () => {
  const { sql, old, run } = await project();
  await run('apply');
  await sql`delete from public.images where id = ${old.named.newer ?? null}`;
  await expect(run('undo')).rejects.toThrow('Rows of yours that went with a deleted image');
  const report = await run('undo', '--put-changes-aside');
  expect(report).toContain('Rows of yours that went with it');
});
