import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Deployed, newRelease, noteOf, readNote } from '../../scripts/install/cloudflare.ts';
import { releaseOf } from '../../scripts/install/release.ts';
import { type Prepared, WORKERS } from '../../scripts/install/workers.ts';

// What the next run and a roll back read from the deployed versions.

const NOW = new Date('2026-11-29T18:00:00Z');
const TODAY = '261129180000';
const LAST = '261101120000';
const BEFORE = '261001120000';

const workers = WORKERS.map(
  (worker): Prepared => ({ worker, name: worker, config: '', secrets: {}, fingerprint: 'new' }),
);

const version = (release: string, of: number, more: Partial<Deployed> = {}): Deployed => ({
  versionId: randomUUID(),
  createdOn: `2026-${release}`,
  release,
  fingerprint: release === LAST ? 'new' : 'old',
  of,
  before: randomUUID(),
  ...more,
});

const mapOf = (deployed: (Deployed | undefined)[]) =>
  new Map(WORKERS.map((worker, index) => [worker, deployed[index]]));

/** @param deployed in the order of process-generation, process-jobs, start-generation */
const next = (...deployed: (Deployed | undefined)[]) => releaseOf(workers, mapOf(deployed), [], NOW);

describe('the release of a run', () => {
  test('is the last one while a Worker of it is missing, of which no machine keeps a note', () => {
    expect(next(version(LAST, 3), version(BEFORE, 3), version(BEFORE, 3))).toEqual({ name: LAST, of: 3 });
  });

  test('is the last one while one of its versions has a share only', () => {
    const incoming = version(LAST, 2);
    const half = version(BEFORE, 3, { incoming });
    expect(next(half, version(LAST, 2), version(BEFORE, 3, { fingerprint: 'new' }))).toEqual({
      name: LAST,
      of: 2,
    });
  });

  test('is the last one where a Worker’s version is there, and not its routes and triggers', () => {
    const up = [version(LAST, 3), version(LAST, 3), version(LAST, 3)];
    expect(releaseOf(workers, mapOf(up), ['process-jobs'], NOW)).toEqual({ name: LAST, of: 3 });
    expect(releaseOf(workers, mapOf(up), [], NOW).name).toBe(TODAY);
  });

  test('is a new one when the last is up, whatever other Workers differ by', () => {
    const up = () => version(LAST, 2, { fingerprint: 'other' });
    expect(next(up(), up(), version(BEFORE, 3))).toEqual({ name: TODAY, of: 3 });
    expect(next(version(LAST, 1), version(BEFORE, 3), version(BEFORE, 3))).toEqual({ name: TODAY, of: 2 });
  });

  test('changes no more Workers than its last correction says', () => {
    // The first was to change three; its correction, uploaded later, leaves start-generation alone.
    const first = version(LAST, 3, { createdOn: '2026-11-01T12:00:00Z', fingerprint: 'other' });
    const correction = version(LAST, 2, { createdOn: '2026-11-01T13:00:00Z', fingerprint: 'other' });
    expect(next(correction, first, version(BEFORE, 3)).name).toBe(TODAY);
  });

  test('is a new one after a roll back, and where nothing is of ours or nothing is there', () => {
    const back = () => version(BEFORE, 3, { rolledBackFrom: LAST });
    expect(next(back(), back(), back())).toEqual({ name: TODAY, of: 3 });
    const theirs: Deployed = { versionId: randomUUID(), createdOn: '2026-11-01' };
    expect(next(theirs, theirs, theirs)).toEqual({ name: TODAY, of: 3 });
    expect(next(undefined, undefined, undefined)).toEqual({ name: TODAY, of: 3 });
  });

  test('is later than what is deployed and what was taken back, though this clock is behind', () => {
    expect(newRelease(NOW, '261129180500')).toBe('261129180501');
    const ahead = () => version(BEFORE, 3, { rolledBackFrom: '261130000000' });
    expect(next(ahead(), ahead(), ahead()).name).toBe('261130000001');
  });
});

describe('the message of a version', () => {
  const deployed = version(BEFORE, 3);
  const again = version(LAST, 3, { before: deployed.versionId });
  const { before: _none, ...first } = version(LAST, 3);

  test.each([
    ['the first of all', undefined, {}],
    [
      'one that replaces the release of before',
      deployed,
      { replaced: deployed.versionId, before: deployed.versionId },
    ],
    ['the second of one release', again, { replaced: again.versionId, before: deployed.versionId }],
    ['the second of the first release', first, { replaced: first.versionId }],
  ])('%s: is short enough for Cloudflare, and read as it was meant', (_what, replaced, meant) => {
    const note = noteOf({ name: LAST, of: 3 }, replaced);
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(100);
    expect(readNote(note)).toEqual({ of: 3, ...meant });
  });
});
