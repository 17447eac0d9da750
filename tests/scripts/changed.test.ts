import { expect, test } from 'vitest';
import { allTests, changedFiles, planOf } from '../../scripts/changed.mjs';

const TESTS = await allTests();
const plan = (...files: string[]) => planOf(files, [], TESTS, false);
/** The folders, and the single files of others, of what runs. */
const runs = (...files: string[]) => {
  const { system } = plan(...files);
  return (name: string) => system.some((test) => test === name || test.startsWith(`${name}/`));
};

test('a page: its links and words, and no Rust', () => {
  const { rust, deploy, system, leftOut } = plan('docs/operations/pressure.md');
  expect({ rust, deploy }).toEqual({ rust: false, deploy: false });
  expect(system).toEqual(
    ['contributing', 'docs', 'help', 'words'].map((name) => `tests/scripts/${name}.test.ts`),
  );
  expect(leftOut.map(([what]) => what)).toEqual([
    'unit',
    `${TESTS.length - 4} of ${TESTS.length} files of tests`,
    'postgres15',
    'deploy',
  ]);
});

test('a page that tests read runs them', () => {
  expect(plan('docs/concepts/queue.md').system).toContain('tests/database/states.test.ts');
  expect(plan('docs/reference/bounds.md')).toMatchObject({ rust: true });
  expect(plan('docs/operations/logs.md').system).toContain('tests/scripts/logs.test.ts');
  const move = plan('docs/guides/move-from-the-original.md').system;
  expect(move).toEqual(expect.arrayContaining(['tests/move/cli.test.ts', 'tests/move/page.test.ts']));
});

test('SQL runs the tests of the database and of the whole system, and no Rust', () => {
  const has = runs('supabase/migrations/20261128000003_queue.sql');
  expect(['tests/database', 'tests/e2e', 'tests/browser', 'tests/replicate'].map(has)).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(plan('supabase/migrations/20261128000003_queue.sql').rust).toBe(false);
});

test('Rust runs its own tests and the whole system', () => {
  const { rust, system } = plan('shared/src/pipeline/backoff.rs');
  expect(rust).toBe(true);
  expect(system).toContain('tests/e2e/requests.test.ts');
  expect(system.some((test) => test.startsWith('tests/database/'))).toBe(false);
});

test('whatever has changed, its words are looked at, and whether pages still name it; without a change nothing runs', () => {
  const { system } = plan('dev/replicate/size.ts');
  expect(system).toEqual(
    expect.arrayContaining(['contributing', 'docs', 'words'].map((name) => `tests/scripts/${name}.test.ts`)),
  );
  expect(plan().system).toEqual([]);
});

test('a fixture runs the tests of its folder', () => {
  expect(runs('tests/stack/fixtures/workers/start.js')('tests/stack/workers.test.ts')).toBe(true);
});

test('what vitest finds by imports is added', () => {
  const { system } = planOf(['dev/stack/ports.ts'], ['tests/database/plan.test.ts'], TESTS, false);
  expect(system).toContain('tests/database/plan.test.ts');
});

test('the lock file runs everything, but the sizes of a build that is not optimised', () => {
  expect(plan('package-lock.json')).toMatchObject({ rust: true, deploy: true, system: TESTS });
  const { system, leftOut } = planOf(['package-lock.json'], [], TESTS, true);
  expect(system.length).toBe(TESTS.length - 1);
  expect(leftOut.map(([what]) => what)).toEqual(['tests/stack/worker-size.test.ts', 'postgres15']);
});

test('every test that the map names is there', async () => {
  const source = await import('node:fs').then((fs) => fs.readFileSync('scripts/changed.mjs', 'utf8'));
  const named = [...source.matchAll(/'(tests\/[\w./-]+)'/g)].map(([, name = '']) => name);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !TESTS.some((test) => test === name || test.startsWith(`${name}/`)))).toEqual(
    [],
  );
});

test('a name that git does not know is one sentence', async () => {
  await expect(changedFiles('no-such-branch')).rejects.toThrow('git knows no such commit, branch or tag');
  await expect(changedFiles('HEAD')).resolves.toBeInstanceOf(Array);
});
