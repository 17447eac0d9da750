import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import type postgres from 'postgres';

export const BASE = 'https://old.supabase.co/storage/v1/object/public/generated-images/';

export const STATUSES = [
  'pending',
  'queued',
  'processing',
  'downloading',
  'completed',
  'failed',
  'cancelled',
  null,
] as const;

/** Rows that the tests ask for again. */
export interface Old {
  owner: string;
  other: string;
  /** The old id of a model that the catalogue has. */
  model: string;
  unknownModel: string;
  /** A generation in each status. */
  byStatus: Map<string | null, string>;
  named: Record<string, string>;
}

/** The original's tables, empty. */
export async function createOriginal(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(await fs.readFile(new URL('original-schema.sql', import.meta.url), 'utf8')).simple();
}

/** Rows in every status, and each oddity that an old project was seen to have. */
export async function fillOriginal(sql: postgres.Sql): Promise<Old> {
  const [owner, other, without] = [randomUUID(), randomUUID(), randomUUID()];
  for (const id of [owner, other, without]) {
    await sql`insert into auth.users (id, email) values (${id}, ${`${id}@example.com`})`;
  }
  await sql`insert into public.profiles (id, username, email, avatar_url) values
    (${owner}, 'ann', 'ann@example.com', 'https://example.com/a.png'), (${other}, 'bob', null, null)`;
  const id = async (query: postgres.PendingQuery<postgres.Row[]>): Promise<string> => (await query)[0]?.id;
  const model = await id(sql`insert into public.models (replicate_id, name, display_name, is_default)
    values ('black-forest-labs/flux-schnell:abc', 'Flux Fast', 'FLUX', true) returning id`);
  await sql`insert into public.models (replicate_id, name, display_name)
    values ('black-forest-labs/flux-schnell', 'Flux Fast', 'FLUX again')`;
  await sql`insert into public.models (replicate_id, name, display_name, is_active)
    values ('black-forest-labs/flux-dev', 'flux-dev', 'dev', false)`;
  const unknownModel = await id(sql`insert into public.models (replicate_id, name, display_name)
    values ('someone/own-model', 'own', 'Own') returning id`);

  const byStatus = new Map<string | null, string>();
  for (const status of STATUSES) {
    byStatus.set(
      status,
      await id(sql`insert into public.image_generations
        (user_id, prompt, model, status, width, height, guidance_scale, seed, error_message, generation_time_seconds,
          created_at, completed_at)
        values (${owner}, ${`in ${status}`}, 'Flux Fast', ${status}, 1024, 768, 3.5, 7,
          ${status === 'failed' ? 'It was refused.' : null}, 12, '2025-10-10T10:00Z',
          ${status === 'completed' ? '2025-10-10T10:01Z' : null})
        returning id`),
    );
  }
  const generation = (columns: Record<string, unknown>) =>
    id(
      sql`insert into public.image_generations ${sql({ prompt: 'a lamp', status: 'completed', ...columns })} returning id`,
    );
  const image = (columns: Record<string, unknown>) => {
    const name = randomUUID();
    return id(
      sql`insert into public.images ${sql({
        prompt: 'a lamp',
        filename: `${name}.webp`,
        storage_path: `${owner}/${name}.webp`,
        public_url: `${BASE}${owner}/${name}.webp`,
        file_size: 1000,
        ...columns,
      })} returning id`,
    );
  };
  const batch = (columns: Record<string, unknown>) =>
    id(sql`insert into public.batch_generations ${sql({ total_count: 3, ...columns })} returning id`);

  const named: Record<string, string> = {};
  named.byId = await generation({ user_id: owner, model_id: unknownModel });
  named.byVersion = await generation({ user_id: owner, model: 'black-forest-labs/flux-schnell:abc' });
  named.byShortName = await generation({ user_id: owner, model: 'flux-schnell' });
  named.unknown = await generation({ user_id: owner, model: 'gone/model' });
  named.made = await generation({ user_id: owner, status: 'downloading' });
  named.madeImage = await image({ user_id: owner, generation_id: named.made });
  named.ownerless = await generation({ user_id: null });
  named.ownerlessImage = await image({ user_id: null, generation_id: named.ownerless });
  named.ofItsImage = await generation({ user_id: null });
  named.itsImage = await image({ user_id: other, generation_id: named.ofItsImage });
  named.ofItsGeneration = await image({ user_id: null, generation_id: named.byId, is_favorite: true });
  named.withoutAddress = await image({ user_id: owner, public_url: null, storage_path: `${owner}/no.webp` });
  named.twice = await generation({ user_id: owner });
  named.older = await image({ user_id: owner, generation_id: named.twice, created_at: '2025-10-01Z' });
  named.newer = await image({ user_id: owner, generation_id: named.twice, created_at: '2025-10-02Z' });
  named.remix = await image({ user_id: owner, source_image_id: named.newer, rating: 1000 });
  named.remixOfLost = await image({
    user_id: owner,
    source_image_id: named.ownerlessImage,
    archived_at: '2025-10-03Z',
    download_count: 4,
    is_public: true,
  });

  named.cut = await batch({
    user_id: owner,
    total_count: 5,
    completed_count: 5,
    status: 'processing',
    model_id: 'Flux Fast',
  });
  for (const status of ['completed', 'failed', 'queued']) {
    await generation({ user_id: owner, batch_id: named.cut, status });
  }
  named.whole = await batch({ user_id: null, total_count: 2, model_id: model, status: 'completed' });
  named.member = await generation({ user_id: owner, batch_id: named.whole });
  named.orphan = await generation({ user_id: null, batch_id: named.whole });
  named.empty = await batch({
    user_id: other,
    total_count: 4,
    completed_count: 1,
    status: 'pending',
    model_id: 'gone/model',
  });
  named.lostBatch = await batch({ user_id: null, total_count: 1 });
  await sql`update public.batch_generations set is_multi_generation = true, multi_count = 2 where id = ${named.cut}`;

  await sql`insert into public.job_queue (job_type, status, started_at, payload) values
    ('generate-image', 'pending', null, '{}'), ('generate-image', 'processing', now() - interval '1 day', '{}'),
    ('generate-image', 'completed', now() - interval '1 day', '{}'), ('generate-image', 'failed', now(), '{}')`;

  const [tag] = await sql`insert into public.tags (name) values ('night') returning id`;
  await sql`insert into public.image_tags (image_id, tag_id) values (${named.newer}, ${tag?.id})`;
  await sql`insert into public.image_likes (image_id, user_id) values (${named.newer}, ${other}),
    (${named.ownerlessImage}, ${other})`;
  const [board] = await sql`insert into public.boards (user_id, name) values (${owner}, 'b') returning id`;
  await sql`insert into public.board_items values (${board?.id}, ${named.older})`;
  await sql`insert into public.generation_errors (generation_id, batch_id) values (${named.member}, ${named.whole})`;
  await sql`insert into public.prompt_templates (user_id, name, prompt) values (${owner}, 't', 'p')`;
  await sql`refresh materialized view public.tag_counts`;
  return { owner, other, model, unknownModel, byStatus, named };
}
