import type { Row } from './attempts.ts';
import { clock } from './calls.ts';
import type { Snapshot } from './checks.ts';
import { MARGIN } from './claims.ts';
import { type Common, DEFAULT_LIMIT } from './common.ts';
import type { Player } from './player.ts';
import { isLimited } from './state.ts';
import { work } from './worker.ts';

/** A probe of the provider that was lost keeps others from trying so long. */
const PATIENCE = 60_000;

/**
 * Brings every job to its end, with workers that do not die. What is due and has a slot is found by a claim of
 * enough; and whatever is left after a time is lost.
 */
export async function drain(
  common: Common,
  players: Player[],
  check: () => Promise<Snapshot>,
  fail: (wrong: string[]) => void,
): Promise<void> {
  const [player] = players as [Player];
  for (const one of players) one.hand = [];
  let last = clock();
  // Plans were raised: the cron gives what has come free.
  await player.call('record_sweep', { p_stats: {} });
  for (let round = 0; ; round++) {
    const { answer, begun } = await player.call('claim_jobs', {
      p_limit: 1000,
      p_lease_seconds: 3,
      p_job_types: null,
    });
    const rows = (answer ?? []) as Row[];
    player.take(rows);
    player.hand = [];
    const seen = await check();
    const open = seen.jobs.filter(({ status }) => status === 'pending' || status === 'processing');
    if (open.length === 0) return;
    if (rows.length > 0) last = clock();
    if (!common.weather) fail(overlooked(common, seen, open, begun));
    if (clock() - last > PATIENCE)
      fail([`${open.length} jobs are lost: ${JSON.stringify(open.slice(0, 5))}`]);
    if (round > 2000) fail([`the queue does not become empty: ${JSON.stringify(open.slice(0, 5))}`]);
    // Searches for what a run may have left wait for the end of its lease, which may be minutes.
    const far = open.filter(
      (job) => job.status === 'pending' && Date.parse(job.scheduled_at) > Date.now() + 3000,
    );
    for (const { id } of far) await player.call('complete_job', { p_job_id: id });
    const mine = open.filter(({ status }) => status === 'processing');
    await Promise.all(
      players.map(async (one, index) => {
        for (let at = index; at < mine.length; at += players.length) await settle(one, mine[at] as Row);
        one.hand = [];
      }),
    );
    if (mine.length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Due before that claim of everything, beside a free slot of its user, and not handed out. */
function overlooked(common: Common, { jobs }: Snapshot, open: Row[], claimed: number): string[] {
  return open.flatMap((job) => {
    if (job.status !== 'pending' || Date.parse(job.scheduled_at) > claimed - MARGIN) return [];
    if (job.expires_at !== null && Date.parse(job.expires_at) < Date.now()) return [];
    const user = common.users.find(({ id }) => id === job.payload.user_id);
    // Users that nobody knows have the default plan; a job of nobody's has no limit.
    const most = user ? user.runningJobs : job.payload.user_id ? DEFAULT_LIMIT : null;
    const limit = isLimited(job.job_type) ? (most ?? Infinity) : Infinity;
    const running = jobs.filter(
      (one) =>
        one.status === 'processing' &&
        one.job_type === job.job_type &&
        one.payload.user_id === job.payload.user_id,
    ).length;
    return running < limit
      ? [`a claim of 1,000 did not find ${JSON.stringify(job)}, ${running} of ${limit} run`]
      : [];
  });
}

async function settle(player: Player, row: Row): Promise<void> {
  const lease = { p_job_id: row.id, p_lease: row.lease };
  if (row.job_type === 'generate-image') {
    const prediction = row.prediction_id ?? player.common.nextPrediction(row.id);
    if (!row.prediction_id)
      await player.call('record_prediction', { ...lease, p_prediction_id: prediction, p_wait_seconds: 3 });
    const outcome = {
      status: 'succeeded',
      output_url: 'https://replicate.delivery/a.webp',
      format: 'webp',
      predict_time: 2,
    };
    const { answer } = await player.call('finish_prediction', {
      p_job_id: row.id,
      p_prediction_id: prediction,
      p_outcome: outcome,
      p_lease_seconds: 3,
      p_next: 0,
    });
    if (answer?.job) await settle(player, answer.job);
  } else if (row.job_type === 'download-image') {
    await player.call('finish_download', {
      ...lease,
      p_image: { storage_path: 'a', public_url: 'https://x.example/a', width: 512, height: 512 },
    });
  } else if (row.job_type === 'cancel-prediction') {
    await work(player, row);
  } else {
    await player.call('complete_job', { ...lease, p_result: {} });
  }
}
