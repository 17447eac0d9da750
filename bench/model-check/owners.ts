import { randomUUID } from 'node:crypto';
import type { Player } from './player.ts';

/** What users do to what is theirs, by the functions and by their own statements, as the original's apps do. */

/** One that somebody has started, mostly a late one. */
const anyOf = ({ dice, common }: Player) =>
  common.generations[common.generations.length - 1 - dice.below(40)];

const OF_ONE = 'where id = $1 returning status, job_id';

export async function cancelOwn(player: Player): Promise<void> {
  const one = anyOf(player);
  if (!one) return;
  const { calls } = player.common;
  const args = { p_generation_id: one.id };
  switch (player.dice.weighted({ call: 4, row: 3, failed: 1, batch: 1 })) {
    case 'call':
      await player.call('cancel_generation', args, one.user);
      return;
    case 'row':
      await calls.byUser(
        'cancel_generation',
        args,
        one.user,
        `update public.image_generations set status = 'cancelled' ${OF_ONE}`,
        [one.id],
      );
      return;
    case 'failed':
      await calls.byUser(
        'cancel_generation',
        args,
        one.user,
        `update public.image_generations set status = 'failed', error_message = 'Cancelled by user' ${OF_ONE}`,
        [one.id],
      );
      return;
    default:
      if (!one.batch) return;
      await calls.byUser(
        'cancel batch',
        { batch: one.batch },
        one.user,
        "update public.batch_generations set status = 'failed', completed_at = now() where id = $1 returning id",
        [one.batch],
      );
  }
}

export async function retryOwn(player: Player): Promise<void> {
  const { dice, common } = player;
  const ids = common.generations.map(({ id }) => id);
  const [failed] = dice.chance(0.8)
    ? await common.calls.sql<{ id: string; user: string }[]>`
        select id, user_id as user from public.image_generations
        where id = any(${ids}) and status = 'failed' and job_id is not null
        order by completed_at desc offset ${dice.below(3)} limit 1`
    : [anyOf(player)];
  if (!failed) return;
  await common.calls.byUser(
    'try again',
    { p_generation_id: failed.id },
    failed.user,
    `update public.image_generations set status = 'pending', error_message = null, retry_count = 0 ${OF_ONE}`,
    [failed.id],
  );
}

export async function deleteOwn(player: Player): Promise<void> {
  const { dice, common } = player;
  const one = anyOf(player);
  if (!one) return;
  const args = { p_generation_id: one.id };
  const what = dice.weighted({ call: 2, row: 2, batch: 1 });
  if (what === 'call') {
    await player.call('delete_generation', args, one.user);
  } else if (what === 'row') {
    const text = 'delete from public.image_generations where id = $1 returning id';
    await common.calls.byUser('delete_generation', args, one.user, text, [one.id]);
  } else if (one.batch) {
    const text = 'delete from public.batch_generations where id = $1 returning id';
    await common.calls.byUser('delete batch', { batch: one.batch }, one.user, text, [one.batch]);
  }
}

/** In two statements; the second one sometimes twice, as from two tabs. */
export async function insertAndStart(player: Player): Promise<void> {
  const { dice, common } = player;
  const user = player.user();
  const id = randomUUID();
  const model = dice.any(['model/drawn', 'model/dear', 'model/timed']);
  const inserted = await common.calls.byUser(
    'insert generation',
    {},
    user.id,
    `insert into public.image_generations (id, user_id, prompt, model) values ($1, $2, 'a lighthouse', $3)
      returning status`,
    [id, user.id, model],
  );
  if (inserted.refused) return;
  const args = {
    p_generation_id: id,
    p_request: { prompt: 'a lighthouse', model_id: model },
    p_next: dice.any([0, 1]),
  };
  const calls = dice.chance(0.2) ? [args, args] : [args];
  const answers = await Promise.all(
    calls.map((one) => player.call('start_inserted_generation', one, user.id)),
  );
  for (const { answer } of answers) if (answer?.replayed === false) player.begun(answer, user.id);
}
