import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { Database, refusal } from './support.ts';

// Several source images and a mask: what the run is given, what is kept and told, and what is refused.

const db = await Database.open();
const MANY = 'test/many';
const MASKED = 'test/masked';
const ONLY_MASKED = 'test/only-masked';
const PLAIN = 'test/plain';
await db.sql`
  insert into public.models (replicate_id, cost_per_generation, supports_img2img, max_source_images, supports_mask)
  values (${MANY}, 0.01, true, 3, false), (${MASKED}, 0.01, true, 1, true), (${ONLY_MASKED}, 0.01, false, 1, true),
    (${PLAIN}, 0.01, false, 0, false)`;
beforeEach(() => db.clear());

const URL = 'https://example.com/a.png';
type Row = Record<string, unknown>;
const get = (user: string, id: string) => db.callAs<Row>(user, 'get_generation', { p_generation_id: id });
const kept = (user: string, id: string) => db.callAs<Row>(user, 'kept_request', { p_generation_id: id });

async function uploaded(user: string, hours = 0) {
  const id = randomUUID();
  const name = `${user}/${id}.png`;
  await db.sql`insert into storage.objects (bucket_id, name, created_at)
    values ('source-images', ${name}, now() - ${hours} * interval '1 hour')`;
  return { id, name };
}

/** A finished generation of the user's, with its image. */
async function made(user: string) {
  const { generation_id } = await db.start(user);
  await db.sql`update public.image_generations set status = 'completed' where id = ${generation_id}`;
  await db.sql`insert into public.images (generation_id, user_id, storage_path, public_url)
    values (${generation_id}, ${user}, ${`${user}/${generation_id}.webp`}, 'https://x.example')`;
  return generation_id;
}

/** A user with an upload, an image, and a request for both and an address. */
async function withThree() {
  const user = await db.createUser();
  const upload = await uploaded(user);
  const own = await made(user);
  const sources = [{ source_id: upload.id }, { source_generation_id: own }, { source_image_url: URL }];
  return { user, upload, own, sources };
}

describe('several source images', () => {
  test('the run is given each with its file, in their order; the answer names them without', async () => {
    const { user, upload, own, sources } = await withThree();
    const { job_id, generation_id } = await db.start(user, { model_id: MANY, sources });
    const { payload } = await db.job(job_id);
    expect(payload).toMatchObject({
      sources,
      files: [
        { source_bucket: 'source-images', source_path: upload.name },
        { source_bucket: 'generated-images', source_path: `${user}/${own}.webp` },
        {},
      ],
    });
    const told = await get(user, generation_id);
    expect(told).toMatchObject({ sources, mask: null, source_id: null, source_generation_id: null });
    expect(told.parent_id, 'it came from the first of them that is a generation').toBe(own);
    expect(await db.generation(generation_id)).toMatchObject({ has_source: true, upload_ids: [upload.id] });
  });

  test('one alone is the same as the field of a single one, and told in both forms', async () => {
    const user = await db.createUser();
    const { id, name } = await uploaded(user);
    for (const request of [{ sources: [id] }, { sources: [{ source_id: id }] }, { source_id: id }]) {
      const { job_id, generation_id } = await db.start(user, { model_id: MANY, ...request });
      const { payload } = await db.job(job_id);
      expect(payload).toMatchObject({ source_id: id, source_path: name });
      expect(payload).not.toHaveProperty('sources');
      expect(payload).not.toHaveProperty('files');
      expect(await get(user, generation_id)).toMatchObject({ source_id: id, sources: [{ source_id: id }] });
    }
  });

  test('a request made again names them as they were', async () => {
    const { user, sources } = await withThree();
    const { generation_id } = await db.start(user, { model_id: MANY, sources });
    const again = await kept(user, generation_id);
    expect(again).toMatchObject({ model_id: MANY, sources });
    const second = await db.start(user, { ...again, priority: undefined, parent_id: generation_id });
    expect(await get(user, second.generation_id)).toMatchObject({ sources, parent_id: generation_id });
  });

  test('one that was deleted is not left out in silence', async () => {
    const { user, own, sources } = await withThree();
    const { generation_id } = await db.start(user, { model_id: MANY, sources });
    await db.sql`delete from public.image_generations where id = ${own}`;
    const again = await kept(user, generation_id);
    expect(again).toMatchObject({ source_is_gone: true });
    expect(again).not.toHaveProperty('sources');
  });

  test.each([
    [{ sources: [] }, 'sources'],
    [{ sources: Array(11).fill({ source_image_url: URL }) }, 'sources'],
    [{ sources: { source_image_url: URL } }, 'sources'],
    [{ sources: [{ source_image_url: URL }, {}] }, 'sources[1]'],
    [{ sources: [7] }, 'sources[0]'],
    [{ sources: ['https://example.com/a.png'] }, 'sources[0]'],
    [{ sources: [{ source_image_url: 'http://localhost' }] }, 'sources[0].source_image_url'],
    [{ sources: [{ url: URL }] }, 'sources[0]'],
    [{ sources: [{ source_image_url: URL, source_bucket: 'x' }] }, 'sources[0]'],
    [{ sources: [{ source_image_url: URL, source_id: randomUUID() }] }, 'sources[0].source_id'],
    [{ sources: [{ source_image_url: URL }], source_image_url: URL }, 'sources'],
    [{ mask: { source_image_url: URL } }, 'mask'],
    [{ source_image_url: URL, mask: [] }, 'mask'],
    [{ source_image_url: URL, mask: { source_id: 'x' } }, 'mask.source_id'],
    [{ files: [{ source_path: 'a' }] }, 'files'],
  ])('%j is refused by its name', async (request, field) => {
    const user = await db.createUser();
    expect(await refusal(db.start(user, { model_id: MANY, ...request }))).toMatchObject({
      sqlstate: 'PT422',
      code: 'invalid_request',
      field,
    });
  });

  test.each([
    [MANY, 4, false, /3 at most/],
    [MASKED, 2, true, /1 at most/],
    [PLAIN, 1, false, /takes no source image/],
    [MANY, 1, true, /takes no mask/],
    [ONLY_MASKED, 1, false, /give a mask, too/],
  ])('%s, %i of them, a mask: %s: more than the model takes', async (model_id, count, mask, message) => {
    const user = await db.createUser();
    const request = {
      model_id,
      sources: Array(count).fill({ source_image_url: URL }),
      ...(mask ? { mask: { source_image_url: URL } } : {}),
    };
    const refused = await refusal(db.start(user, request));
    expect(refused).toMatchObject({ sqlstate: 'PT422', code: 'unsupported' });
    expect(refused.message).toMatch(message);
  });

  test('another user’s is not there', async () => {
    const [user, other] = [await db.createUser(), await db.createUser()];
    const [upload, own] = [await uploaded(other), await made(other)];
    for (const theirs of [{ source_id: upload.id }, { source_generation_id: own }]) {
      for (const request of [{ sources: [{ source_image_url: URL }, theirs] }, { sources: [theirs] }])
        expect(await refusal(db.start(user, { model_id: MANY, ...request }))).toMatchObject({
          code: 'not_found',
        });
      const masked = { model_id: MASKED, source_image_url: URL, mask: theirs };
      expect(await refusal(db.start(user, masked))).toMatchObject({ code: 'not_found' });
    }
  });
});

describe('a mask', () => {
  test('goes with its file behind that of the source image, and is kept and told', async () => {
    const user = await db.createUser();
    const [source, mask] = [await uploaded(user), await uploaded(user)];
    for (const model_id of [MASKED, ONLY_MASKED]) {
      const request = { model_id, source_id: source.id, mask: mask.id };
      const { job_id, generation_id } = await db.start(user, request);
      const { payload } = await db.job(job_id);
      expect(payload).toMatchObject({
        source_id: source.id,
        mask: { source_id: mask.id },
        files: [{ source_path: source.name }, { source_path: mask.name }],
      });
      expect(await get(user, generation_id)).toMatchObject({
        source_id: source.id,
        sources: [{ source_id: source.id }],
        mask: { source_id: mask.id },
      });
      expect(await kept(user, generation_id)).toMatchObject({
        source_id: source.id,
        mask: { source_id: mask.id },
      });
    }
  });

  test('that was deleted is not left out in silence', async () => {
    const { user, upload, own } = await withThree();
    const request = { model_id: MASKED, source_id: upload.id, mask: { source_generation_id: own } };
    const { generation_id } = await db.start(user, request);
    await db.sql`delete from public.image_generations where id = ${own}`;
    expect(await kept(user, generation_id)).toMatchObject({ source_id: upload.id, mask_is_gone: true });
  });

  test('is kept by another try of a row whose job is no more', async () => {
    const user = await db.createUser();
    const [source, mask] = [await uploaded(user), await uploaded(user)];
    const request = { model_id: MASKED, source_id: source.id, mask: mask.id };
    const { job_id, generation_id } = await db.start(user, request);
    const before = (await db.job(job_id)).payload;
    await db.sql`update public.image_generations set status = 'failed' where id = ${generation_id}`;
    await db.sql`update public.job_queue set status = 'failed' where id = ${job_id}`;
    await db.sql`delete from public.job_queue where id = ${job_id}`;
    await db.as(
      'authenticated',
      user,
      (sql) => sql`
      update public.image_generations set status = 'pending' where id = ${generation_id}`,
    );
    const [row] = await db.sql`select job_id from public.image_generations where id = ${generation_id}`;
    const { payload } = await db.job(row?.job_id);
    const given = ({ source_id, mask: of, files }: Row) => ({ source_id, of, files });
    expect(given(payload as Row)).toEqual(given(before as Row));
  });
});

test('uploads that an open generation needs outlive their day', async () => {
  const user = await db.createUser();
  const [source, mask, other] = [await uploaded(user), await uploaded(user), await uploaded(user)];
  const spent = async () => {
    const rows = await db.sql`select o.name from storage.objects as o
      where o.bucket_id = 'source-images' and o.name like ${`${user}/%`}
        and private.is_spent_source(o.name, o.created_at, o.metadata) order by o.name`;
    return rows.map(({ name }) => name);
  };
  const { generation_id } = await db.start(user, { model_id: MASKED, source_id: source.id, mask: mask.id });
  await db.sql`update storage.objects set created_at = now() - interval '25 hours' where name like ${`${user}/%`}`;
  expect(await spent()).toEqual([other.name]);
  await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
  expect(await spent()).toEqual([source.name, mask.name, other.name].sort());
});
