const MINUTE_MS = 60_000;

export interface CronTarget {
  /** Name of the worker. */
  worker: string;
  /** Cron expressions of five fields, as in wrangler.toml; UTC. */
  crons: string[];
}

/** Fires each worker's scheduled event at the full minutes its expressions name, as Cloudflare does. */
export function startCron(
  targets: CronTarget[],
  fire: (worker: string, cron: string, time: Date) => void,
): { stop(): void } {
  let timer: NodeJS.Timeout;
  const waitForNextMinute = () => {
    const next = (Math.floor(Date.now() / MINUTE_MS) + 1) * MINUTE_MS;
    timer = setTimeout(() => {
      // A timer may be early by a millisecond: the minute it was meant for counts.
      const time = new Date(next);
      for (const { worker, crons } of targets) {
        for (const cron of crons) if (cronMatches(cron, time)) fire(worker, cron, time);
      }
      waitForNextMinute();
    }, next - Date.now());
  };
  waitForNextMinute();
  return { stop: () => clearTimeout(timer) };
}

/** Whether a five-field cron expression (minute, hour, day, month, weekday; numbers, `*`, `/`, `-`, `,`) names a minute. */
export function cronMatches(cron: string, time: Date): boolean {
  const parts = cron.trim().split(/\s+/);
  if (parts.length !== 5) return false;
  const values = [
    time.getUTCMinutes(),
    time.getUTCHours(),
    time.getUTCDate(),
    time.getUTCMonth() + 1,
    time.getUTCDay() + 1, // Cloudflare counts Sunday as 1
  ];
  return parts.every((part, index) => part.split(',').some((item) => itemMatches(item, values[index] ?? 0)));
}

function itemMatches(item: string, value: number): boolean {
  const [range = '', step = '1'] = item.split('/');
  const [from = '', to = item.includes('/') ? '' : from] = range.split('-');
  const low = from === '*' ? 0 : Number(from);
  const high = from === '*' || to === '' ? Number.POSITIVE_INFINITY : Number(to);
  const offset = from === '*' ? value : value - low;
  return value >= low && value <= high && offset % Number(step) === 0;
}
