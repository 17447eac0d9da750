/** Logs as diffusion models write them: one line a step, in the format of tqdm that clients parse for progress. */

const barWidth = 10;

/**
 * The logs of a run after `share` (0 to 1) of its time.
 *
 * @param seconds the run's whole time
 */
export function progressLogs(seed: number, steps: number, share: number, seconds: number): string {
  const done = Math.min(steps, Math.floor(share * steps));
  const lines = [`Using seed: ${seed}`];
  for (let step = 0; step <= done; step += 1)
    lines.push(line(step, steps, (seconds * step) / steps, seconds));
  return `${lines.join('\n')}\n`;
}

function line(step: number, steps: number, elapsed: number, seconds: number): string {
  const percent = Math.floor((100 * step) / steps);
  const filled = Math.floor((barWidth * step) / steps);
  const bar = '█'.repeat(filled).padEnd(barWidth);
  const rate = step === 0 ? '?' : (step / Math.max(elapsed, 0.001)).toFixed(2);
  const left = step === 0 ? '?' : clock(seconds - elapsed);
  return `${String(percent).padStart(3)}%|${bar}| ${step}/${steps} [${clock(elapsed)}<${left}, ${rate}it/s]`;
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return `${String(Math.floor(whole / 60)).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`;
}
