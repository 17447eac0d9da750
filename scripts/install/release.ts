/**
 * Which release a run belongs to, read from what is deployed: the Workers of one release go back together, also where
 * a run was cut, failed or went on from another machine.
 */
import { type Cloudflare, type Deployed, newRelease, type Release, type Version } from './cloudflare.ts';
import type { Worker } from './settings.ts';
import type { Named, Prepared } from './workers.ts';

/** Asks for all three at once. */
export async function lookAtAll(
  workers: Named[],
  cloudflare: Cloudflare,
): Promise<Map<Worker, Deployed | undefined>> {
  const all = await Promise.all(
    workers.map(async (each) => [each.worker, await cloudflare.deployed(each)] as const),
  );
  return new Map(all);
}

/** The version that came last, whether it has all requests already or a share of them. */
export const newestOf = (deployed: Deployed): Version => deployed.incoming ?? deployed;

/**
 * The last release while it is not up on all of its Workers, which is gone on with under its name; a new one otherwise.
 *
 * @param found what is deployed of each of the Workers
 * @param cut those whose deployment from here is known not to have come to its end, though the version is there
 */
export function releaseOf(
  workers: Prepared[],
  found: Map<Worker, Deployed | undefined>,
  cut: Worker[] = [],
  now = new Date(),
): Release {
  const there = [...found].flatMap(([worker, deployed]) => (deployed ? [{ worker, deployed }] : []));
  const names = there.map(({ deployed }) => newestOf(deployed).release ?? '').sort();
  const last = names.at(-1) ?? '';
  const its = there.filter(({ deployed }) => last !== '' && newestOf(deployed).release === last);
  const up = its.filter(({ worker, deployed }) => !deployed.incoming && !cut.includes(worker)).length;
  // The version that was uploaded last knows best what the release was to change.
  const [latest] = its
    .map(({ deployed }) => newestOf(deployed))
    .toSorted((a, b) => b.createdOn.localeCompare(a.createdOn));
  const goesOn = up < (latest?.of ?? 0);
  const changing = workers.filter(
    (each) => !isSame(each, found.get(each.worker)) || cut.includes(each.worker),
  );
  const own = new Set([
    ...(goesOn ? its.map(({ worker }) => worker) : []),
    ...changing.map(({ worker }) => worker),
  ]);
  // Later than all that stands there, whatever the clock of this machine says.
  const seen = [last, ...there.map(({ deployed }) => deployed.rolledBackFrom ?? '')].sort().at(-1);
  return { name: goesOn ? last : newRelease(now, seen), of: own.size };
}

/** Whether nothing has to be done. */
export const isSame = ({ fingerprint }: Prepared, deployed: Deployed | undefined): boolean =>
  deployed?.fingerprint === fingerprint && !deployed.incoming;
