import { expect, test } from 'vitest';
import { project } from './project.ts';

// Values that the copy cannot keep as they are, or that Picture Queue sets: each is told of, by the dry run too.

test('buckets whose settings change are named, with what they were', async () => {
  const { run } = await project(
    `insert into storage.buckets (id, name, public) values ('source-images', 'source-images', true)`,
  );
  for (const action of ['dry-run', 'apply'] as const) {
    const report = await run(action);
    expect(report).toContain(
      'generated-images becomes public: whoever knows the address of a file may read it. Before: public false, file_size_limit 1048576, allowed_mime_types null',
    );
    expect(report).toContain('Before: public true, file_size_limit null');
  }
});

test('what is cut or left out is counted', async () => {
  const { sql, old, run } = await project(`
    alter table public.profiles disable row level security;
    update public.profiles set username = repeat('x', 300), avatar_url = repeat('y', 3000) where username = 'ann';
    update public.image_generations set error_message = 'late' where prompt in ('in completed', 'in queued');
    update public.images set archived_at = 'infinity' where filename in (select filename from public.images
      where archived_at is null and user_id is not null limit 2)`);
  const lines = [
    '| the username is cut after 255 characters | 1 |',
    '| the address of the avatar is longer than 2048 characters, and is left out | 1 |',
    '| the error message of a generation that has not failed is left out | 1 |',
    '| the error message is replaced, because the generation was under way | 1 |',
    '| the version in its model’s name is cut | 1 |',
    '| archived_at is out of bounds (the years 1970 to 9999), and is left out | 2 |',
  ];
  const dry = await run('dry-run');
  for (const line of lines) expect(dry).toContain(line);
  const report = await run('apply');
  for (const line of lines) expect(report).toContain(line);
  expect(report).toContain('| images: archived | 1 | 1 |');
  expect(
    await sql`select count(*)::int as n from public.images where archived_at is not null and user_id = ${old.owner}`,
  ).toEqual([{ n: 1 }]);
});

test('models that get the values of the catalogue, and those that are new, are named', async () => {
  const { run } = await project(
    `update public.models set cost_per_generation = 0.5 where replicate_id = 'black-forest-labs/flux-dev'`,
  );
  expect(await run('dry-run')).toMatch(
    /\| of the catalogue, and new to this project: users may choose them \| \d+ \|/,
  );
  const report = await run('apply');
  expect(report).toMatch(/- black-forest-labs\/flux-dev: cost_per_generation was 0\.5, is [\d.]+;/);
  expect(report).toMatch(/- black-forest-labs\/flux-schnell: .*name was "Flux Fast", is "flux-schnell"/);
  expect(report).toMatch(/Models that are new[\s\S]*- google\/imagen-4\n/);
  expect(report).not.toMatch(/- someone\/own-model/);
});

test('a value that does not fit is found by the dry run, not by the copy', async () => {
  const { run } = await project(`alter table public.image_generations alter column seed type numeric;
    update public.image_generations set seed = 1e30 where prompt = 'in failed'`);
  const sentence = 'values of image_generations.seed: bigint out of range. Change or remove them';
  await expect(run('dry-run')).rejects.toThrow(sentence);
  await expect(run('apply')).rejects.toThrow(sentence);
});
