// npm test: everything that must be true before a change lands. `npm test -- lint unit` runs some parts.
import os from 'node:os';
import { ensureActionlint } from './actionlint.mjs';
import { ensureBrowser } from './browser.mjs';
import { allTests, changedFiles, importingTests, planOf } from './changed.mjs';
import { ensureWebKit } from './engines.mjs';
import { ensurePostgres15 } from './postgres15.mjs';
import { say } from './progress.mjs';
import { environment, foreground } from './run.mjs';
import { ensureRuntime } from './runtimes.mjs';
import { runTests } from './second-run.mjs';
import { asksForHelp, setUp } from './setup.mjs';
import { ensureSpace } from './space.mjs';
import { ensureSqlfluff } from './sql.mjs';
import { main, UserError } from './user-error.mjs';
import { WORKERS } from './workers.mjs';

const NATIVE_CRATES = ['-p', 'shared', '-p', 'xtask'];
const WASM = ['--target', 'wasm32-unknown-unknown'];
const WASM_CRATES = ['edge', ...WORKERS].flatMap((name) => ['-p', name]);
const DENY = ['--', '-D', 'warnings'];

const PARTS = {
  lint: async () => {
    await check('Rust format', 'cargo', ['fmt', '--all', '--check']);
    await check('Rust lints of shared', 'cargo', ['clippy', ...NATIVE_CRATES, '--all-targets', ...DENY]);
    await check('Rust lints of the Workers', 'cargo', ['clippy', ...WASM, ...WASM_CRATES, ...DENY]);
    await check('TypeScript format and lints', 'biome', ['check', '--error-on-warnings', '.']);
    await check('TypeScript types', 'tsc', []);
    await check('TypeScript types of the client', 'tsc', ['-p', 'client']);
    await check('TypeScript types of the studio', 'tsc', ['-p', 'web']);
    await check(
      'SQL lints',
      'squawk',
      ['--config', 'supabase/squawk.toml', 'supabase/migrations/*.sql'],
      true,
    );
    const sqlfluff = await ensureSqlfluff();
    if (sqlfluff) {
      const args = [
        '-m',
        'sqlfluff',
        'lint',
        '--disable-progress-bar',
        '--config',
        'supabase/sqlfluff.cfg',
        'supabase',
      ];
      await check('SQL format', 'python3', args, false, sqlfluff);
    } else {
      say('– SQL format: skipped, it needs Python 3 with pip');
    }
    const { bin, missing } = await ensureActionlint();
    // What else it finds in the PATH would make its answer another one on each machine.
    if (bin) await check('GitHub workflows', bin, ['-shellcheck=', '-pyflakes=']);
    else say(`– GitHub workflows: skipped, ${missing}`);
  },
  unit: async () => {
    await check('Rust tests', 'cargo', ['test', ...NATIVE_CRATES]);
  },
  system: async (files = []) => {
    if (files.length === 0) ensureSpace(os.tmpdir(), TESTS_GIGABYTES, 'A whole run of the tests');
    const needs = (pattern) => files.length === 0 || files.some((file) => pattern.test(file));
    const browser = needs(NEED_BROWSER) ? { CHROMIUM_PATH: await ensureBrowser() } : {};
    if (needs(NEED_WEBKIT)) {
      const missing = await ensureWebKit();
      if (missing) say(`– the studio in WebKitGTK: skipped, ${missing}`);
    }
    if (needs(NEED_RUNTIMES)) for (const name of ['deno', 'bun']) await ensureRuntime(name);
    await tests('database, simulator, stack and end-to-end tests', files, browser);
  },
  examples: async () => {
    ensureSpace(os.tmpdir(), EXAMPLES_GIGABYTES, 'Building the examples');
    const env = { BUILD_EXAMPLES: '1', CHROMIUM_PATH: await ensureBrowser() };
    await tests('the apps of examples/, built by their frameworks', ['tests/examples/builds.test.ts'], env);
  },
  postgres15: async () => {
    const { bin, missing } = await ensurePostgres15();
    if (!bin) return say(`– database tests on PostgreSQL 15: skipped, ${missing}`);
    ensureSpace(os.tmpdir(), TESTS_GIGABYTES, 'A whole run of the database tests');
    await tests('database tests on PostgreSQL 15', ['tests/database'], { POSTGRES_BIN: bin });
    // By itself: pg_cron works in one database of a server.
    await tests('the move on PostgreSQL 15', ['tests/move'], { POSTGRES_BIN: bin });
  },
  deploy: async () => {
    for (const worker of WORKERS) {
      const args = ['deploy', '--dry-run', '--env', worker, '--outdir', `.local/dry-run/${worker}`];
      await check(`wrangler deploy --dry-run --env ${worker}`, 'wrangler', args);
    }
  },
};

const HELP = `npm test [-- part …]
npm test -- --changed [commit, branch or tag]

Sets up what is missing and runs every check, or some parts of them:

  lint         formats, lints and types of Rust, TypeScript and SQL, and GitHub's workflows
  unit         the tests of Rust
  system       the tests of the database, the stand-ins, the clients, the studio and the whole system
  examples     the apps of examples/, built by Next.js, SvelteKit and Expo from the packages of npm
  postgres15   the tests of the database and of the move on Debian 12's PostgreSQL 15, where it is or may be installed
  deploy       what wrangler would upload

--changed runs what a change touches: what is not committed, and with a name also what has been committed since the
branch left it. It says what it leaves out. Workers are built as WORKER_BUILD=dev builds them, unless that is set.

It ends with the times, or with the check that failed and the command that runs it again.
`;

/** Their Postgres' data takes 3 at its peak, beside what is built: some tests play a million jobs. */
const TESTS_GIGABYTES = 4;
/** Packages of three frameworks, and what they build. */
const EXAMPLES_GIGABYTES = 3;
const times = [];
/** Tests that start WebKitGTK; Deno and Bun; Chromium. */
const NEED_WEBKIT = /^tests\/engines\//;
const NEED_RUNTIMES = /^tests\/client\/runtimes/;
const NEED_BROWSER = /^tests\/(browser\/|client\/vite|scripts\/browser)/;

await main(async () => {
  const asked = process.argv.slice(2);
  if (asksForHelp(asked)) {
    process.stdout.write(HELP);
    return 0;
  }
  const started = Date.now();
  const prepared = async () => {
    await setUp();
    times.push(['set-up', Date.now() - started]);
  };
  if (asked[0] === '--changed') {
    if (asked.length > 2) throw new UserError('--changed takes one commit, branch or tag, and no parts.');
    await runChanged(asked[1], prepared);
  } else {
    const unknown = asked.filter((part) => !(part in PARTS));
    if (unknown.length > 0) {
      throw new UserError(
        `There is no part ${unknown.join(', ')}. npm test -- ${Object.keys(PARTS).join(' | ')}`,
      );
    }
    await prepared();
    for (const part of asked.length > 0 ? asked : Object.keys(PARTS)) await PARTS[part]();
  }
  say('\nAll passed:');
  for (const [title, ms] of times) say(`  ${String(Math.round(ms / 1000)).padStart(4)} s  ${title}`);
  return 0;
});

/** Lints always, and of the rest what a change touches. */
async function runChanged(ref, prepared) {
  const files = await changedFiles(ref);
  if (files.length === 0) {
    say(
      ref === undefined
        ? 'Everything is committed; npm test -- --changed main compares with main.'
        : `Nothing differs from ${ref}.`,
    );
    return;
  }
  process.env.WORKER_BUILD ??= 'dev';
  await prepared();
  const plan = planOf(files, await importingTests(ref), await allTests(), process.env.WORKER_BUILD === 'dev');
  say(`\n${files.length} files have changed${ref === undefined ? '' : ` since ${ref}`}. Left out:`);
  if (plan.everything) say(`  nothing of system: every test depends on ${plan.everything}`);
  for (const [what, why] of plan.leftOut) say(`  ${what}: ${why}`);
  await PARTS.lint();
  if (plan.rust) await PARTS.unit();
  if (plan.system.length > 0) await PARTS.system(plan.system);
  if (plan.deploy) await PARTS.deploy();
}

function check(title, command, args, shell = false, extra = {}) {
  const options = { shell, env: testEnvironment(extra) };
  return timed(title, `${command} ${args.join(' ')}`, () => foreground(command, args, options));
}

/** vitest on these files or folders, or on all. */
function tests(title, files, extra) {
  const again = ['vitest', 'run', ...files].join(' ');
  return timed(title, again, () => runTests(files, { env: testEnvironment(extra) }));
}

async function timed(title, again, run) {
  say(`\n▸ ${title}`);
  const started = Date.now();
  const code = await run();
  times.push([title, Date.now() - started]);
  if (code !== 0) throw new UserError(`${title}: failed; see above. Again: ${again}`);
}

/** The tests bring their own Supabase and Replicate: keys that happen to be set must not reach them. */
function testEnvironment(extra) {
  const variables = environment(extra);
  for (const name of Object.keys(variables)) {
    if (/^(SUPABASE|REPLICATE)_/.test(name) || name === 'PUBLIC_URL' || name === 'DATABASE_URL') {
      delete variables[name];
    }
  }
  return variables;
}
