/** One Worker goes to a new version, step by step. */
import { UserError } from '../user-error.mjs';
import type { Cloudflare, Deployed, Release } from './cloudflare.ts';
import type { Health } from './health.ts';
import { isSame } from './release.ts';
import type { Outcome } from './run.ts';
import type { Prepared } from './workers.ts';

export interface Means {
  cloudflare: Cloudflare;
  /** Shares of the requests before all of them, in percent. */
  steps: number[];
  /** Asks for its health: whichever version answers, or the one that is meant. */
  health(prepared: Prepared, version?: string): Promise<Health>;
  /** Between a share and the look at the new version's health. */
  pause(percent: number): Promise<void>;
}

/** @param before what is deployed of it now */
export async function upgrade(
  prepared: Prepared,
  before: Deployed | undefined,
  release: Release,
  { cloudflare, steps, health, pause }: Means,
): Promise<Outcome> {
  if (!before)
    throw new UserError(`${prepared.name} is not there yet: npm run setup deploys it for the first time.`);
  if (isSame(prepared, before)) {
    // A deployment may have been cut before they were there, on a machine whose mark is lost.
    await cloudflare.triggers(prepared);
    return { unchanged: 'unchanged' };
  }
  const usual = await health(prepared);
  // A deployment that was cut has uploaded it already.
  const again = before.incoming?.fingerprint === prepared.fingerprint ? before.incoming : undefined;
  const version = again?.versionId ?? (await cloudflare.upload(prepared, release, before));
  if (version === undefined) {
    // A new class of Durable Objects: Cloudflare takes it with all the requests only.
    await cloudflare.deploy(prepared, release, before);
    return { done: 'deployed at once, because it brings a Durable Object migration' };
  }
  for (const step of steps) {
    await cloudflare.share(
      prepared,
      [
        [version, step],
        [before.versionId, 100 - step],
      ],
      `Release ${release.name}`,
    );
    await pause(step);
    const now = await health(prepared, version);
    if (now.isWell || !usual.isWell) continue;
    await cloudflare.share(prepared, [[before.versionId, 100]], `Rolled back ${release.name}: ${now.said}`);
    throw new UserError(
      `the new version answered ${now.said} at ${now.url}, so all requests go to the one of before again.`,
    );
  }
  // Before the last share: a run that is cut here finds the version on its way, and comes by again.
  await cloudflare.triggers(prepared);
  await cloudflare.share(prepared, [[version, 100]], `Release ${release.name}`);
  return { done: `version ${version} in place of ${before.versionId}` };
}
