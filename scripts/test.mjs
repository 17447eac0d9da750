// npm test: everything that must be true before a change lands. `npm test -- lint unit` runs some parts.
import { ensureBrowser } from './browser.mjs';
import { Fault, main } from './fault.mjs';
import { ensurePostgres15 } from './postgres15.mjs';
import { say } from './progress.mjs';
import { environment, foreground } from './run.mjs';
import { asksForHelp, setUp } from './setup.mjs';
import { ensureSqlfluff } from './sql.mjs';
import { WORKERS } from './workers.mjs';

const WASM = ['--target', 'wasm32-unknown-unknown'];
const WASM_CRATES = ['edge', ...WORKERS].flatMap((name) => ['-p', name]);
const DENY = ['--', '-D', 'warnings'];

const PARTS = {
  lint: async () => {
    await check('Rust format', 'cargo', ['fmt', '--all', '--check']);
    await check('Rust lints of shared', 'cargo', ['clippy', '-p', 'shared', '--all-targets', ...DENY]);
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
  },
  unit: async () => {
    await check('Rust tests', 'cargo', ['test', '-p', 'shared']);
  },
  system: async () => {
    const browser = { CHROMIUM_PATH: await ensureBrowser() };
    await check('database, simulator, stack and end-to-end tests', 'vitest', ['run'], false, browser);
  },
  postgres15: async () => {
    const { bin, missing } = await ensurePostgres15();
    if (!bin) return say(`– database tests on PostgreSQL 15: skipped, ${missing}`);
    await check('database tests on PostgreSQL 15', 'vitest', ['run', 'tests/database'], false, {
      POSTGRES_BIN: bin,
    });
  },
  deploy: async () => {
    for (const worker of WORKERS) {
      const args = ['deploy', '--dry-run', '--env', worker, '--outdir', `.local/dry-run/${worker}`];
      await check(`wrangler deploy --dry-run --env ${worker}`, 'wrangler', args);
    }
  },
};

const HELP = `npm test [-- part …]

Sets up what is missing and runs every check, or some parts of them:

  lint         formats, lints and types of Rust, TypeScript and SQL
  unit         the tests of Rust
  system       the tests of the database, the stand-ins, the clients, the studio and the whole system
  postgres15   the tests of the database on Debian 12's PostgreSQL 15, where it is or may be installed
  deploy       what wrangler would upload

It ends with the times, or with the check that failed and the command that runs it again.
`;

const times = [];

await main(async () => {
  const asked = process.argv.slice(2);
  if (asksForHelp(asked)) {
    process.stdout.write(HELP);
    return 0;
  }
  const unknown = asked.filter((part) => !(part in PARTS));
  if (unknown.length > 0) {
    throw new Fault(`There is no part ${unknown.join(', ')}. npm test -- ${Object.keys(PARTS).join(' | ')}`);
  }
  const started = Date.now();
  await setUp();
  times.push(['set-up', Date.now() - started]);
  for (const part of asked.length > 0 ? asked : Object.keys(PARTS)) await PARTS[part]();
  say('\nAll passed:');
  for (const [title, ms] of times) say(`  ${String(Math.round(ms / 1000)).padStart(4)} s  ${title}`);
  return 0;
});

async function check(title, command, args, shell = false, extra = {}) {
  say(`\n▸ ${title}`);
  const started = Date.now();
  const code = await foreground(command, args, { shell, env: testEnvironment(extra) });
  times.push([title, Date.now() - started]);
  if (code !== 0) throw new Fault(`${title}: failed; see above. Again: ${command} ${args.join(' ')}`);
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
