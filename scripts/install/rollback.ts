/** `npm run deploy -- --rollback`: the Workers of the last release go back to what was there before it. */
import { say } from '../progress.mjs';
import { UserError } from '../user-error.mjs';
import { type Cloudflare, type Deployed, whyBack } from './cloudflare.ts';
import { lookAtAll, newestOf } from './release.ts';
import type { Named } from './workers.ts';

/**
 * The one that callers see first goes first. Needs nothing that is built.
 *
 * @param expected the release that it is meant for; absent: the newest one that is deployed
 * @throws UserError before anything is changed, where a Worker runs what we did not bring or the newest is another
 */
export async function rollBack(workers: Named[], cloudflare: Cloudflare, expected?: string): Promise<void> {
  const all = await lookAtAll(workers, cloudflare);
  const found = workers.toReversed().flatMap((named) => {
    const deployed = all.get(named.worker);
    return deployed ? [{ named, deployed, from: newestOf(deployed) }] : [];
  });
  // What we did not bring notes no way back; the others alone would look like all of them.
  const strangers = found.filter(({ from, deployed }) => !from.release && !deployed.rolledBackFrom);
  if (strangers.length > 0) {
    const each = strangers.map(
      ({ named: { name }, from }) =>
        `${name} runs ${from.versionId}, which neither npm run setup nor npm run deploy has brought. Give the requests to one that they have: npx wrangler versions deploy VERSION_ID --name ${name} (npx wrangler deployments list --name ${name} has those of before).`,
    );
    throw new UserError(`nothing was changed: ${each.join('\n  ')}`);
  }
  const newest = lastOf(found.map(({ from }) => from.release));
  if (!newest) throw new UserError('nothing that npm run setup or npm run deploy has brought is deployed.');
  const takenBack = lastOf(found.map(({ deployed }: { deployed: Deployed }) => deployed.rolledBackFrom));
  // A second call would go back one more, which nobody asked for.
  if (takenBack > newest)
    throw new UserError(
      `release ${takenBack} is rolled back already; ${newest} runs. Further back: npx wrangler versions deploy VERSION_ID --name WORKER`,
    );
  if (expected !== undefined && expected !== newest)
    throw new UserError(
      `nothing was changed: the newest release is ${newest}, not ${expected}. A run that has not reached a Worker has nothing to go back from.`,
    );
  const going = found.filter(({ from }) => from.release === newest);
  const first = going.filter(({ from }) => from.before === undefined).map(({ named }) => named.name);
  if (first.length > 0)
    throw new UserError(`nothing was changed: ${first.join(', ')} had no version before release ${newest}.`);
  for (const { named, from } of going) {
    await cloudflare.share(named, [[from.before ?? '', 100]], whyBack(newest, from.versionId));
    say(`✔ ${named.name}: back at ${from.before}`);
  }
  say('The database stays as it is: the Workers of before go on with it.');
  say('Routes and the cron trigger stay as they are, too: docs/operations/runbook/roll-back.md');
}

const lastOf = (names: (string | undefined)[]): string =>
  names
    .map((name) => name ?? '')
    .sort()
    .at(-1) ?? '';
