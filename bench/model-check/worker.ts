import type { Row } from './attempts.ts';
import type { Player } from './player.ts';

/** What a worker does with a job that it was handed, or believes to have. */
export function work(player: Player, row: Row): Promise<unknown> {
  switch (row.job_type) {
    case 'generate-image':
      return generate(player, row);
    case 'download-image':
      return store(player, row);
    case 'cancel-prediction':
      return stop(player, row);
    case 'cleanup-storage':
      return cleanUp(player, row);
    default:
      return plain(player, row);
  }
}

const lease = (row: Row) => ({ p_job_id: row.id, p_lease: row.lease });

function fail(player: Player, row: Row, code = 'broken'): Promise<unknown> {
  const { dice } = player;
  return player.call('fail_job', {
    ...lease(row),
    p_error_message: 'x',
    p_error_details: dice.chance(0.2) ? { code, retry: 'once' } : { code },
    p_retry_in_seconds: dice.any([null, 0, 0, 0.3]),
  });
}

const snooze = (player: Player, row: Row, unknown = false) =>
  player.call('snooze_job', {
    ...lease(row),
    p_seconds: player.dice.any([0, 0, 0.5]),
    p_outcome_unknown: unknown,
  });
const extend = (player: Player, row: Row) =>
  player.call('extend_lease', { ...lease(row), p_lease_seconds: player.dice.any([1, 60]) });

/** Several that were created at about the same time, in one call; also of jobs that are no longer theirs. */
async function recordAll(player: Player, rows: Row[]): Promise<void> {
  const { dice, common } = player;
  const made = rows.map((row) => ({ row, prediction: common.nextPrediction(row.id) }));
  const { answer } = await player.call('record_predictions', {
    p_predictions: made.map(({ row, prediction }) => ({
      job_id: row.id,
      lease: row.lease,
      prediction_id: prediction,
      details: { model_id: row.payload.model_id },
    })),
    p_wait_seconds: dice.any([1, 60]),
  });
  common.running.push(...made.map(({ row, prediction }) => ({ job: row.id as string, prediction })));
  player.take((answer?.answers ?? []).flatMap((one: Row) => one.job ?? []));
}

async function record(player: Player, row: Row): Promise<void> {
  const { dice, common } = player;
  const isNew = (one: Row) => one.job_type === 'generate-image' && !one.prediction_id && one.id !== row.id;
  const others = [...player.hand.filter(isNew), ...common.known.slice(-20).filter(isNew)];
  if (others.length > 0 && dice.chance(0.5)) {
    const all = [...new Map([row, ...others.slice(0, 4)].map((one) => [one.id, one])).values()];
    player.hand = player.hand.filter((one) => !all.includes(one));
    return recordAll(player, dice.chance(0.5) ? all : all.reverse());
  }
  const prediction = common.nextPrediction(row.id);
  const there = { job: row.id, prediction };
  if (dice.chance(0.1)) {
    // The run dies before it can tell; the webhook will.
    common.running.push(there);
    return;
  }
  const { answer } = await player.call('record_prediction', {
    ...lease(row),
    p_prediction_id: prediction,
    p_wait_seconds: dice.any([1, 60]),
    p_details: { model_id: row.payload.model_id },
  });
  common.running.push(there);
  if (answer?.job) player.take([answer.job]);
}

async function generate(player: Player, row: Row): Promise<unknown> {
  const { dice, common } = player;
  if (row.prediction_id && dice.chance(0.8)) return player.finish(row.id, row.prediction_id);
  if (row.payload.model_id === 'model/refused' && dice.chance(0.5)) {
    return player.call('refuse_model', { ...lease(row), p_status: 422, p_error_message: 'x' });
  }
  const what = dice.weighted({
    record: 60,
    fail: 10,
    snooze: 5,
    unknown: 4,
    extend: 3,
    die: common.weather ? 0 : 8,
    pause: common.weather ? 6 : 0,
  });
  switch (what) {
    case 'record':
      return record(player, row);
    case 'fail':
      return fail(player, row);
    case 'snooze':
      return snooze(player, row);
    case 'unknown':
      return snooze(player, row, true);
    case 'extend':
      return extend(player, row);
    case 'pause': {
      const p_reason = dice.any(['throttled', 'outage']);
      const p_code = p_reason === 'outage' ? 503 : 429;
      return player.call('pause_provider', { ...lease(row), p_seconds: 1, p_reason, p_code });
    }
    default:
  }
}

function store(player: Player, row: Row): Promise<unknown> {
  const { dice } = player;
  const what = dice.weighted({ store: 70, fail: 12, snooze: 4, extend: 3, die: 8 });
  if (what === 'fail') return fail(player, row);
  if (what === 'snooze') return snooze(player, row);
  if (what === 'extend') return extend(player, row);
  if (what === 'die') return Promise.resolve();
  const image = {
    filename: 'a.webp',
    storage_path: `${row.payload.user_id}/${row.payload.generation_id}.webp`,
    public_url: 'https://x.example/a.webp',
    file_size: 1000,
    width: 512,
    height: 512,
    format: 'webp',
  };
  return player.call('finish_download', { ...lease(row), p_image: image });
}

function stop(player: Player, row: Row): Promise<unknown> {
  const { dice, common } = player;
  const what = dice.weighted({ found: 60, running: 10, nothing: 15, snooze: 4, die: 8 });
  if (what === 'snooze') return snooze(player, row);
  if (what === 'die') return Promise.resolve();
  const ids = row.payload.prediction_id
    ? [row.payload.prediction_id]
    : common.running.filter(({ job }) => job === row.payload.job_id).map(({ prediction }) => prediction);
  const status = what === 'running' ? { status: 'running' } : { status: 'canceled', predict_time: 0.7 };
  const predictions = what === 'nothing' ? [] : ids.map((id) => ({ id, ...status }));
  return player.call('complete_job', { ...lease(row), p_result: { predictions } });
}

async function cleanUp(player: Player, row: Row): Promise<void> {
  await player.call('removable_objects', lease(row));
  await player.call('complete_job', { ...lease(row), p_result: {} });
}

async function plain(player: Player, row: Row): Promise<unknown> {
  const { dice } = player;
  const what = dice.weighted({ one: 40, many: 20, fail: 15, unfenced: 5, snooze: 8, extend: 4, die: 8 });
  switch (what) {
    case 'one':
      return player.call('complete_job', { ...lease(row), p_result: { a: 1 } });
    case 'many': {
      const others = player.hand.filter(
        ({ payload, job_type }) => !payload.generation_id && job_type !== row.job_type,
      );
      player.hand = player.hand.filter((one) => !others.includes(one));
      // A job once: the answer is a list of ids, and does not tell which of two leases it was.
      const all = [row, ...others.filter(({ job_type }) => !job_type.includes('-'))].filter(
        ({ id }, index, list) => list.findIndex((one) => one.id === id) === index,
      );
      return player.call('complete_jobs', {
        p_job_ids: all.map(({ id }) => id),
        p_leases: all.map((one) => one.lease),
      });
    }
    case 'fail':
      return fail(player, row);
    case 'unfenced':
      return player.call('complete_job', {
        p_job_id: row.id,
        ...(dice.chance(0.3) ? { p_error_message: 'x' } : {}),
      });
    case 'snooze':
      return snooze(player, row);
    case 'extend':
      return extend(player, row);
    default:
  }
}
