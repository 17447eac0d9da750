import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { environment, ROOT } from '../../scripts/run.mjs';
import { ACCOUNT, type Cloudflare, TOKEN } from './cloudflare.ts';
import { Installation } from './installation.ts';
import { REF } from './supabase-api.ts';

const MINUTES = 60_000;

/** Of one Worker; the order and the arguments are those of the code that runs them. */
const CONFIG = '--config DIR/process-generation.json';
const NOTED = (message: string) =>
  `--secrets-file DIR/process-generation.secrets.json --tag RELEASE-FINGERPRINT --message '${message}'`;
const LOOK = [
  `npx wrangler deployments status ${CONFIG} --json`,
  `npx wrangler versions view OLD ${CONFIG} --json`,
];
const REPLACES = NOTED('Release RELEASE of 3, replaces OLD');
const DEPLOYED = [...LOOK, `npx wrangler deploy ${CONFIG} ${REPLACES}`];
const share = (shares: string) =>
  `npx wrangler versions deploy ${shares} ${CONFIG} --yes --message 'Release RELEASE'`;
const SHOWN = {
  // Looked at with the others first; twice, because the first deployment tells the address.
  setup: [...LOOK, ...DEPLOYED, ...DEPLOYED],
  deploy: [
    ...LOOK,
    ...LOOK,
    `npx wrangler versions upload ${CONFIG} ${REPLACES}`,
    share('NEW@10% OLD@90%'),
    share('NEW@50% OLD@50%'),
    `npx wrangler triggers deploy ${CONFIG}`,
    share('NEW@100%'),
  ],
};

const commands = (output: string, dir: string) =>
  [...output.matchAll(/^ {2}\$ (npx wrangler .*process-generation.*)$/gm)].map(([, line = '']) =>
    line.replaceAll(`${dir}/.local/production`, 'DIR').replace(/RELEASE-[0-9a-f]{12}/, 'RELEASE-FINGERPRINT'),
  );

describe('npm run setup -- --dry-run', () => {
  test('in a new clone, without accounts: every command, and a list of what could not be checked', {
    timeout: 5 * MINUTES,
  }, () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'picture-queue-dry-'));
    const variables = Object.entries(process.env).filter(
      ([name]) => !/^(SUPABASE|REPLICATE|CLOUDFLARE)_/.test(name),
    );
    const env = { ...environment(), ...Object.fromEntries(variables), PATH: environment().PATH, HOME: dir };
    for (const command of ['setup', 'deploy']) {
      const args = ['scripts/install/main.ts', command, '--dry-run', '--no-build', '--dir', dir];
      const output = execFileSync('sh', ['-c', `exec node ${args.join(' ')} 2>&1`], {
        cwd: ROOT,
        env,
        encoding: 'utf8',
      });
      expect(output).toContain('$ npx supabase db push --remote=REF --yes');
      expect(output.match(/wrangler bundles it/g)).toHaveLength(3);
      expect(output).toMatch(
        /Nothing was changed\. Not checked, because it needs your accounts:\n( {2}– .+\n)+$/,
      );
      expect(output).toContain('REPLICATE_API_TOKEN');
      expect(commands(output, dir), command).toEqual(SHOWN[command as keyof typeof SHOWN]);
    }
    expect(fs.readdirSync(dir).filter((name) => name.startsWith('.env'))).toEqual([]);
    fs.rmSync(dir, { recursive: true });
  });
});

test('npm run setup without any login names both at once', { timeout: 5 * MINUTES }, () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'picture-queue-logins-'));
  const variables = Object.entries(environment()).filter(
    ([name]) => !/^(SUPABASE|REPLICATE|CLOUDFLARE)_/.test(name),
  );
  const env = { ...Object.fromEntries(variables), HOME: dir, SUPABASE_NO_KEYRING: '1' };
  const args = ['scripts/install/main.ts', 'setup', '--yes', '--no-build', '--dir', dir];
  const { status, stderr } = spawnSync('node', args, { cwd: ROOT, env, encoding: 'utf8' });
  expect(status, stderr).toBe(1);
  expect(stderr).toContain('1/6 settings and logins: nobody is logged in at Cloudflare');
  expect(stderr).toContain('nobody is logged in at Supabase');
  expect(stderr).toContain('Nothing was done before. npm run setup goes on from here');
  fs.rmSync(dir, { recursive: true });
});

/** A terminal for a program, where Python is there to make one. */
const PTY = 'import pty, sys, os; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
const hasPython = (() => {
  try {
    execFileSync('python3', ['-c', 'import pty, os; os.waitstatus_to_exitcode'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.runIf(hasPython)('npm run setup in a terminal', () => {
  let one: Installation;
  let cloudflare: Cloudflare;

  beforeAll(async () => {
    one = await Installation.start();
    cloudflare = one.cloudflare;
  });
  afterAll(() => one.stop());

  test('asks for the project and the token, keeps the answers, and says where it stands when a step fails', {
    timeout: 5 * MINUTES,
  }, async () => {
    const profile = await one.supabase.profile(one.dir);
    const args = ['node', 'scripts/install/main.ts', 'setup', '--no-build', '--no-smoke', '--dir', one.dir];
    const child = spawn('python3', ['-c', PTY, ...args], {
      cwd: ROOT,
      env: environment({
        HOME: one.dir,
        CLOUDFLARE_API_BASE_URL: cloudflare.url,
        CLOUDFLARE_API_TOKEN: TOKEN,
        CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
        SUPABASE_PROFILE: profile,
        SUPABASE_ACCESS_TOKEN: one.settings().SUPABASE_ACCESS_TOKEN ?? `sbp_${'0123456789'.repeat(4)}`,
        REPLICATE_API_URL: one.replicate.url,
        // No database answers there.
        SUPABASE_DB_URL: 'postgres://postgres:password-of-nobody@127.0.0.1:9/postgres?sslmode=disable',
      }),
    });
    const answers: [RegExp, string][] = [
      [/Which project of Supabase/, '1'],
      [/Replicate token \(not shown\)/, 'r8 with a space'],
      [/copy it again[\s\S]*Replicate token \(not shown\)/, one.replicate.token],
    ];
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
        const [next] = answers;
        if (!next?.[0].test(output)) return;
        answers.shift();
        child.stdin.write(`${next[1]}\r`);
      });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(answers, output).toEqual([]);
    expect(code, output).toBe(1);
    expect(output).toContain('pictures (eu-central-1)');
    expect(output).toContain('2/6 database:');
    expect(output).toContain(
      'Done before: settings and logins. npm run setup goes on from here when you run it again.',
    );
    expect(output).not.toContain(one.replicate.token);
    expect(output).not.toContain('password-of-nobody');
    expect(one.file.read()).toMatchObject({
      SUPABASE_PROJECT_REF: REF,
      REPLICATE_API_TOKEN: one.replicate.token,
    });
  });
});
