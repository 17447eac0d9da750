// npm test -- --changed: which checks a change touches.
import fs from 'node:fs';
import path from 'node:path';
import { output, ROOT } from './run.mjs';
import { UserError } from './user-error.mjs';

/** Tests that start the whole system and ask it; those in a browser are left out. */
const SYSTEM = [
  'tests/e2e',
  'tests/examples',
  'tests/original',
  'tests/bench/regions.test.ts',
  'tests/bench/restore.test.ts',
  'tests/client/compat.test.ts',
  'tests/client/docs.test.ts',
  'tests/client/stack.test.ts',
  'tests/client/stack-live.test.ts',
  'tests/client/stack-server.test.ts',
  'tests/client/stack-webhooks.test.ts',
];
/** Tests that read every file, or nearly: they take seconds, and always run. */
const ALWAYS = ['words', 'docs', 'contributing'].map((name) => `tests/scripts/${name}.test.ts`);
const RUST = 'Rust';
const DEPLOY = 'deploy';

/**
 * What the imports of a test do not tell: that it reads a file, runs a program, or asks a system that is built from
 * these files. Every row that a file matches counts.
 */
const TOUCHES = [
  [/\.rs$|^Cargo\.|^clippy\.toml$|^rustfmt\.toml$|^\.cargo\/|\/Cargo\.toml$/, [RUST]],
  // Read by the tests of Rust.
  [/^shared\/src\/.*\.json$|^tests\/conformance\//, [RUST]],
  [/^docs\/(concepts\/architecture|reference\/bounds)\.md$/, [RUST]],
  // The Workers.
  [/^(functions|shared\/src)\/|^shared\/Cargo\.toml$|^Cargo\.|^wrangler\.toml$/, SYSTEM],
  [/^wrangler\.toml$|^functions\/.*\/Cargo\.toml$/, [DEPLOY]],
  [/^shared\/src\/http\//, ['tests/client/errors.test.ts', 'tests/client/types.test.ts']],
  [/^shared\/src\/http\/openapi\.json$/, ['tests/scripts/reference.test.ts']],
  [/^shared\/src\/catalogue\//, ['tests/database/model.test.ts', 'tests/web', 'tests/scripts']],
  // SQL.
  [/^supabase\//, ['tests/database', 'tests/move', ...SYSTEM, 'tests/scripts']],
  [/^tests\/conformance\//, ['tests/database/conformance.test.ts']],
  [/^docs\/concepts\/queue\.md$/, ['tests/database/states.test.ts']],
  [/^docs\/reference\/bounds\.md$/, ['tests/database/bounds.test.ts']],
  // What runs beside the tests.
  [/^dev\/stack\//, ['tests/stack', ...SYSTEM]],
  [/^dev\/replicate\//, ['tests/replicate', ...SYSTEM]],
  [/^bench\//, ['tests/bench']],
  [/^scripts\/|^xtask\/|^package\.json$/, ['tests/scripts']],
  [/^scripts\/move\//, ['tests/move']],
  [/^docs\/guides\/move-from-the-original\.md$/, ['tests/move/cli.test.ts', 'tests/move/page.test.ts']],
  [/^scripts\/(install|smoke|setup)|^wrangler\.toml$|^web\/_headers$/, ['tests/install']],
  [/^\.github\/|^mise\.toml$/, ['tests/scripts/workflows.test.ts']],
  [/^scripts\/smoke/, ['tests/e2e/smoke.test.ts']],
  [
    /^docs\/operations\/runbook\/|^scripts\/export-user\//,
    ['tests/e2e/runbook.test.ts', 'tests/bench/restore.test.ts'],
  ],
  [/^bench\/soak\//, ['tests/e2e/soak.test.ts', 'tests/e2e/soak-weather.test.ts']],
  [/^bench\/model-check\//, ['tests/database/model.test.ts']],
  // Clients and the studio: tests build and pack them.
  [/^client\//, ['tests/client', 'tests/web', 'tests/browser', 'tests/engines', 'tests/examples']],
  [
    /^web\//,
    ['tests/web', 'tests/browser', 'tests/engines', 'tests/e2e/studio.test.ts', 'tests/e2e/app.test.ts'],
  ],
  [/^docs\/guides\/studio\.md$/, ['tests/web/browsers.test.ts']],
  [/^examples\//, ['tests/examples']],
  // Pages, and what they show.
  [/\.md$/, ['tests/scripts/help.test.ts']],
  [/^(functions|shared\/src)\/.*\.rs$|^docs\/operations\/logs\.md$/, ['tests/scripts/logs.test.ts']],
  [
    /^docs\/operations\/.*\.(yml|json)$|^tests\/scripts\/prometheus-rules/,
    ['tests/scripts/prometheus.test.ts', 'tests/e2e/metrics.test.ts'],
  ],
  [/^functions\/edge\/src\/host\.mjs$/, ['tests/scripts/logs.test.ts']],
  [/^docs\/reference\//, ['tests/scripts/reference.test.ts']],
  [/^(README|client\/README|docs\/guides\/.*|docs\/start\/.*)\.md$/, ['tests/client/docs.test.ts']],
  [/^docs\/guides\/client\.md$/, ['tests/client/docs-react.test.ts']],
  [/^docs\/guides\/move-from-the-original\.md$/, ['tests/original']],
];

/** Where everything comes from: with them every test runs. */
const EVERYTHING =
  /^(package-lock\.json|vitest\.config\.ts|tsconfig\.json|scripts\/(run|setup|tools|workers)\.mjs)$/;

/**
 * The files that differ from `ref`, by commits since the two parted and by what is not committed.
 *
 * @param ref undefined: what is not committed
 */
export async function changedFiles(ref) {
  if ((await output('git', ['rev-parse', '--git-dir'])) === undefined) {
    throw new UserError('--changed asks git what has changed, and this is no checkout of git.');
  }
  const lists = [
    ['diff', '--name-only', '-z', '--cached'],
    ['ls-files', '-z', '--others', '--modified', '--exclude-standard'],
  ];
  if (ref !== undefined) {
    if ((await output('git', ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`])) === undefined) {
      throw new UserError(`--changed ${ref}: git knows no such commit, branch or tag.`);
    }
    lists.push(['diff', '--name-only', '-z', `${ref}...HEAD`]);
  }
  const texts = await Promise.all(lists.map((args) => output('git', args)));
  const files = texts.flatMap((text) => (text ?? '').split('\0')).filter((name) => name !== '');
  return [...new Set(files)].sort();
}

/**
 * What to run for a change.
 *
 * @param files that have changed
 * @param imported tests that import one of them, as vitest finds them
 * @param tests all files of tests
 * @param devBuild whether the Workers are built without optimisation
 * @returns `system`: the tests to run; `leftOut`: each part that is not run whole, and why
 */
export function planOf(files, imported, tests, devBuild) {
  const touched = new Set(files.length > 0 ? ALWAYS : []);
  for (const file of files)
    for (const [pattern, names] of TOUCHES)
      if (pattern.test(file)) for (const name of names) touched.add(name);
  // What lies beside the tests of a folder and is no module, such as SQL, a fixture or a recorded answer.
  for (const file of files)
    if (/^tests\/.*(?<!\.ts|\.tsx)$/.test(file)) touched.add(file.split('/').slice(0, 2).join('/'));

  const everything = files.find((file) => EVERYTHING.test(file));
  const isTouched = (test) =>
    imported.includes(test) || [...touched].some((name) => test === name || test.startsWith(`${name}/`));
  let system = everything ? tests : tests.filter(isTouched);
  const others = tests.length - system.length;
  const leftOut = [];
  const rust = everything !== undefined || touched.has(RUST);
  if (!rust) leftOut.push(['unit', 'no Rust has changed, and nothing that its tests read']);
  if (others > 0) {
    leftOut.push([
      `${others} of ${tests.length} files of tests`,
      'neither their imports nor scripts/changed.mjs lead to what has changed',
    ]);
  }
  const sizes = 'tests/stack/worker-size.test.ts';
  if (devBuild && system.includes(sizes)) {
    system = system.filter((test) => test !== sizes);
    leftOut.push([sizes, 'the Workers are built without optimisation here']);
  }
  leftOut.push(['postgres15', 'it repeats the tests of the database and of the move on an older PostgreSQL']);
  const deploy = everything !== undefined || touched.has(DEPLOY);
  if (!deploy) leftOut.push(['deploy', 'wrangler would upload by the same configuration']);
  return { rust, system, deploy, everything, leftOut };
}

/** The tests that import what has changed since `ref`, as vitest finds them. */
export async function importingTests(ref) {
  return await listed([`--changed${ref === undefined ? '' : `=${ref}`}`]);
}

/** Every file of tests. */
export const allTests = () => listed([]);

async function listed(args) {
  const file = path.join(ROOT, `.local/tests-${process.pid}.json`);
  try {
    const done = await output('vitest', ['list', '--filesOnly', `--json=${file}`, ...args]);
    if (done === undefined)
      throw new UserError('vitest could not list the tests. Again: npx vitest list --filesOnly');
    const found = JSON.parse(fs.readFileSync(file, 'utf8'));
    return found.map((one) => path.relative(ROOT, one.file).split(path.sep).join('/')).sort();
  } finally {
    fs.rmSync(file, { force: true });
  }
}
