/** Whether a Worker answers, and the version of it that is meant. */
import type { Values } from './env-file.ts';
import { reasonOf } from './replicate.ts';
import type { Worker } from './settings.ts';

const TIMEOUT_MS = 15_000;

export interface Health {
  isWell: boolean;
  url: string;
  /** What it answered, for a sentence. */
  said: string;
}

const ADDRESS: Record<Worker, string> = {
  'process-generation': 'PROCESS_GENERATION_URL',
  'process-jobs': 'PROCESS_JOBS_URL',
  'start-generation': 'START_GENERATION_URL',
};

/** Where a Worker tells its health. */
export const addressOf = (worker: Worker, values: Values): string =>
  `${values[ADDRESS[worker]] ?? ADDRESS[worker]}/health`;

/** @param meant the version that is to answer, where it has a share of the requests */
export async function healthOf(
  worker: Worker,
  values: Values,
  meant?: { name: string; version: string },
): Promise<Health> {
  const url = addressOf(worker, values);
  // https://developers.cloudflare.com/workers/configuration/versions-and-deployments/gradual-deployments/
  const headers: Record<string, string> = meant
    ? { 'cloudflare-workers-version-overrides': `${meant.name}="${meant.version}"` }
    : {};
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.body?.cancel();
    return { isWell: response.ok, url, said: String(response.status) };
  } catch (error) {
    return { isWell: false, url, said: `nothing (${reasonOf(error as Error)})` };
  }
}
