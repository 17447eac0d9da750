import { createHash, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Database, MODEL, refusal } from '../support.ts';

// What the original's apps call things: a model by any of its names, a user by the name of the sign-up.
const db = await Database.open();
await db.sql`update public.models set name = 'painter' where replicate_id = ${MODEL}`;

describe('a model is named', () => {
  const start = (model_id: unknown) => async () => {
    const user = await db.createUser();
    const { generation_id } = await db.start(user, { model_id });
    return (await db.generation(generation_id)).model;
  };

  test('by owner/name, by its short name, by the id of its row', async () => {
    const [row] = await db.sql`select id from public.models where replicate_id = ${MODEL}`;
    for (const name of [MODEL, 'painter', row?.id, row?.id.toUpperCase()])
      expect(await start(name)()).toBe(MODEL);
  });

  const SENTENCES: [string, string][] = [
    ['nobody/nothing', 'There is no model nobody/nothing.'],
    [
      'nothing',
      'There is no model called nothing. A model is named by owner/name, by its id or by its short name.',
    ],
    [
      '00000000-0000-4000-8000-000000000000',
      'There is no model with the id 00000000-0000-4000-8000-000000000000.',
    ],
  ];
  test.each(SENTENCES)('and %s is none, for its own reason', async (name, message) => {
    expect(await refusal(start(name)())).toEqual({ sqlstate: 'PT404', code: 'unknown_model', message });
  });

  test('and one that is not offered any more is told apart, by any name', async () => {
    const id = randomUUID();
    await db.sql`insert into public.models (id, replicate_id, name, is_active)
      values (${id}, 'old/brush', 'brush', false)`;
    for (const name of ['old/brush', 'brush', id])
      expect((await refusal(start(name)())).message).toBe('The model old/brush is not offered any more.');
  });

  test('and a short name that several have names none', async () => {
    await db.sql`insert into public.models (replicate_id, name) values ('a/twin', 'twin'), ('b/twin', 'twin')`;
    expect((await refusal(start('twin')())).message).toBe(
      'Several models are called twin: name one by owner/name.',
    );
    expect(await start('b/twin')()).toBe('b/twin');
  });

  test('by the same id in every project, which the Worker knows by itself', async () => {
    const [row] =
      await db.sql`select id from public.models where replicate_id = 'black-forest-labs/flux-schnell'`;
    const digest = createHash('sha256').update('black-forest-labs/flux-schnell').digest('hex');
    expect(row?.id.replaceAll('-', '')).toBe(digest.slice(0, 32));
  });

  test('and the catalogue has no short name twice', async () => {
    expect(
      await db.sql`select name from public.models where is_active and name <> 'twin' group by name having count(*) > 1`,
    ).toHaveLength(0);
  });
});

describe('a sign-up', () => {
  async function signUp(told: unknown) {
    const id = randomUUID();
    await db.sql`insert into auth.users (id, email, raw_user_meta_data)
      values (${id}, ${`${id}@example.com`}, ${JSON.stringify(told)}::text::jsonb)`;
    const [profile] = await db.sql`select * from public.profiles where id = ${id}`;
    return { id, profile };
  }

  test('gives the profile its name and image', async () => {
    const { profile, id } = await signUp({
      username: 'ada',
      avatar_url: 'https://x.example/ada.webp',
      other: 1,
    });
    expect(profile).toMatchObject({
      username: 'ada',
      avatar_url: 'https://x.example/ada.webp',
      email: `${id}@example.com`,
    });
  });

  test.each([
    null,
    {},
    [],
    'ada',
    { username: 7 },
    { username: 'x'.repeat(256) },
    { avatar_url: 'x'.repeat(2049) },
  ])('that tells %j works, without them', async (told) => {
    expect((await signUp(told)).profile).toMatchObject({ username: null, avatar_url: null });
  });

  test('whose profile was deleted may be inserted by its user, as the apps do, with the account’s own address', async () => {
    const { id } = await signUp({ username: 'ada' });
    const [profile] = await db.as('authenticated', id, async (sql) => {
      await sql`delete from public.profiles where id = ${id}`;
      return sql`insert into public.profiles (id, email, username)
        values (${id}, 'somebody@else.example', 'lovelace') returning *`;
    });
    expect(profile).toMatchObject({ username: 'lovelace', email: `${id}@example.com` });
    const other = await db.createUser();
    const foreign = db.as(
      'authenticated',
      id,
      (sql) => sql`insert into public.profiles (id, username) values (${other}, 'x') on conflict do nothing`,
    );
    expect((await refusal(foreign)).sqlstate).toBe('42501');
  });
});

test('PostgREST embeds the images of a generation as a list: no constraint says that it is one', async () => {
  // What PostgREST reads: src/library/PostgREST/SchemaCache.hs, allM2OandO2ORels (contype p and u).
  const unique = await db.sql`select conname from pg_constraint
    where conrelid = 'public.images'::regclass and contype in ('p', 'u')
      and conkey @> array(select attnum from pg_attribute
        where attrelid = 'public.images'::regclass and attname = 'generation_id')`;
  expect(unique).toHaveLength(0);
  const user = await db.createUser();
  const { generation_id } = await db.start(user);
  const add = () =>
    db.sql`insert into public.images (generation_id, user_id, storage_path, public_url)
      values (${generation_id}, ${user}, 'a', 'a')`;
  await add();
  expect((await refusal(add())).sqlstate, 'one image for a generation').toBe('23505');
});

test('complete_job of a job that is not there says so', async () => {
  const id = randomUUID();
  for (const call of [`complete_job('${id}')`, `complete_job(p_job_id => '${id}', p_error => 'broken')`])
    expect(await refusal(db.as('service_role', null, (sql) => sql.unsafe(`select ${call}`)))).toEqual({
      sqlstate: 'PT404',
      code: 'not_found',
      message: `Job not found: ${id}`,
    });
});
