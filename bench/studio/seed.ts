import type { TestStack } from '../../tests/e2e/support/stack.ts';

/**
 * Gives a user many finished images: copies of those that they have, each a generation of its own with an image of
 * its own, a minute older than the one before. The files are those of the first ones, each under an address of its own.
 *
 * @param amount how many there are afterwards
 */
export async function fill(stack: TestStack, userId: string, amount: number): Promise<void> {
  const own = await stack.sql<{ id: string }[]>`
    select id from public.image_generations where user_id = ${userId} order by created_at`;
  const first = own.length;
  if (first === 0) throw new Error('there is no image to copy');
  await stack.sql`
    with numbers as (select n from generate_series(1, ${amount - first}::int) as n),
    originals as (
      select g, i, row_number() over (order by g.created_at) - 1 as place
      from public.image_generations as g join public.images as i on i.generation_id = g.id
      where g.user_id = ${userId}
    ),
    copies as (
      select n, o.g, o.i, gen_random_uuid() as id, now() - make_interval(mins => n) as created_at
      from numbers join originals as o on o.place = n % ${first}
    ),
    generations as (
      insert into public.image_generations
      select (jsonb_populate_record(c.g, jsonb_build_object(
        'id', c.id, 'created_at', c.created_at, 'started_at', c.created_at, 'completed_at', c.created_at,
        'prompt', (c.g).prompt || ', number ' || c.n, 'job_id', null, 'download_job_id', null, 'cancel_job_id', null,
        'replicate_prediction_id', null
      ))).* from copies as c
      returning id
    )
    insert into public.images
    select (jsonb_populate_record(c.i, jsonb_build_object(
      'id', gen_random_uuid(), 'generation_id', c.id, 'created_at', c.created_at,
      'public_url', (c.i).public_url || '?number=' || c.n
    ))).* from copies as c where (select count(*) from generations) > 0`;
}
