import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../scripts/run.mjs';
import { MIGRATIONS } from '../stack/testing.ts';
import { Installation } from './installation.ts';
import { SECRET } from './supabase-api.ts';

// The real wrangler and the real Supabase CLI, in front of stand-ins for their services and a real Postgres.

const MINUTES = 60_000;
const ALL = fs
  .readdirSync(MIGRATIONS)
  .filter((file) => file.endsWith('.sql'))
  .map((file) => file.split('_')[0]);
const SETUP = ['--no-smoke'];
const LOCAL = 'https://process-generation.rehearsal.workers.dev';

describe('npm run setup', () => {
  let one: Installation;
  let wanted: unknown;
  /** What an undisturbed run changes at Cloudflare, in order. */
  let firstWrites: string[];

  beforeAll(async () => {
    one = await Installation.start();
  });
  afterAll(() => one.stop());

  test('brings an installation about, and shows no secret on the way', {
    timeout: 10 * MINUTES,
  }, async () => {
    const watch = watchArguments(one.secrets);
    const { code, output } = await one.run('setup', SETUP, one.settings());
    const shown = watch.stop();
    expect(code, output).toBe(0);
    expect(one.cloudflare.unknown).toEqual([]);
    expect(await one.migrations()).toEqual(ALL);
    expect(one.file.read()).toMatchObject({
      SUPABASE_SERVICE_ROLE_KEY: SECRET,
      REPLICATE_WEBHOOK_SECRET: one.replicate.webhookSecret,
      PUBLIC_URL: LOCAL,
      START_GENERATION_URL: 'https://start-generation.rehearsal.workers.dev',
      PLACEMENT_REGION: 'aws:eu-central-1',
    });
    expect(fs.statSync(one.file.file).mode & 0o777).toBe(0o600);
    expect(bindings(one, 'process-generation')).toMatchObject({
      PUBLIC_URL: LOCAL,
      SUPABASE_URL: 'https://abcdefghijklmnopqrst.supabase.co',
      SUPABASE_SERVICE_ROLE_KEY: SECRET,
      REPLICATE_API_TOKEN: one.replicate.token,
    });
    expect(Object.keys(bindings(one, 'start-generation'))).not.toContain('SUPABASE_SERVICE_ROLE_KEY');
    const placement = (worker: string) => one.cloudflare.current(worker).placement;
    expect(placement('process-jobs')).toMatchObject({ region: 'aws:eu-central-1' });
    expect(placement('start-generation')).toBeUndefined();
    expect(one.cloudflare.scripts.get('process-jobs')?.crons).toEqual(['* * * * *']);
    expect(one.secrets.filter((secret) => output.includes(secret))).toEqual([]);
    expect(shown, 'arguments of processes').toEqual([]);
    expect(await one.filesWithSecrets()).toEqual([]);
    wanted = await one.state();
    firstWrites = [...one.cloudflare.writes];
  });

  test('again, it changes nothing and says so', { timeout: 10 * MINUTES }, async () => {
    const writes = one.cloudflare.writes.length;
    const { code, output } = await one.run('setup', SETUP);
    expect(code, output).toBe(0);
    expect(one.cloudflare.writes.slice(writes)).toEqual([]);
    expect(output.match(/: unchanged/g)).toHaveLength(5);
    expect(await one.state()).toEqual(wanted);
  });

  test.runIf(fs.existsSync(path.join(ROOT, '.git')))(
    'in a clone, it changes no file that git knows',
    {
      timeout: 10 * MINUTES,
    },
    async () => {
      const clone = path.join(one.dir, 'clone');
      const git = (...args: string[]) =>
        execFileSync('git', args, { cwd: clone, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
      fs.mkdirSync(clone);
      git('clone', '--quiet', '--depth', '1', `file://${ROOT}`, '.');
      // What npm install and the build bring.
      const builds = ['process-generation', 'process-jobs', 'start-generation'].map(
        (each) => `functions/${each}/build`,
      );
      for (const made of ['node_modules', '.tools', 'web/dist', ...builds])
        fs.symlinkSync(path.join(ROOT, made), path.join(clone, made));
      const all = { ...one.settings(), WAKE: 'off', RATE_LIMIT: '600', ANALYTICS_DATASET: 'pictures' };
      for (const command of ['setup', 'deploy'] as const) {
        const args = command === 'setup' ? SETUP : [...SETUP, '--steps', 'none'];
        const { code, output } = await one.run(command, args, all, clone);
        expect(code, output).toBe(0);
        expect(git('status', '--porcelain', '--untracked-files=no')).toBe('');
      }
      expect(git('check-ignore', '.env.production', '.local').trim().split('\n')).toHaveLength(2);
      expect(bindings(one, 'start-generation')).toMatchObject({ WAKE: 'off' });
      fs.rmSync(clone, { recursive: true });
    },
  );

  test('killed at each step, it goes on and ends in the same state', { timeout: 30 * MINUTES }, async () => {
    const cut = await Installation.start();
    try {
      /** Runs it until it is killed. What is passed already does not come again. */
      const cutAt = async (point: string, arm: (kill: () => void) => void): Promise<boolean> => {
        let killed = false;
        arm(() => {
          if (killed) return;
          killed = true;
          cut.kill();
        });
        const { code, output } = await cut.run('setup', SETUP, cut.settings());
        expect(killed || code === 0, `${point}: ${output}`).toBe(true);
        return killed;
      };

      // While it asks Supabase for the keys: some settings are written, some are not.
      await cutAt('the keys', (kill) => {
        cut.supabase.onAsk = (path) => path.endsWith('/api-keys') && kill();
      });
      cut.supabase.onAsk = () => {};
      expect(Object.keys(cut.file.read())).not.toContain('SUPABASE_SERVICE_ROLE_KEY');

      // In the midst of the migrations.
      await cutAt('the migrations', (kill) => {
        const timer = setInterval(async () => {
          if ((await cut.migrations().catch(() => [])).length < 3) return;
          clearInterval(timer);
          kill();
        }, 10);
      });
      expect((await cut.migrations()).length).toBeGreaterThan(2);

      // At Cloudflare: each thing is done, and nobody hears of it.
      const reached: string[] = [];
      for (const point of [...new Set(firstWrites)]) {
        const isCut = await cutAt(point, (kill) => {
          cut.cloudflare.onWrite = (what) => what === point && kill();
        });
        cut.cloudflare.onWrite = () => {};
        if (isCut) reached.push(point);
      }
      expect(reached.length, `killed at ${reached.join(', ')} of ${firstWrites.join(', ')}`).toBeGreaterThan(
        6,
      );

      const last = await cut.run('setup', SETUP);
      expect(last.code, last.output).toBe(0);
      expect(await cut.state()).toEqual(wanted);
      expect(cut.cloudflare.unknown).toEqual([]);
      expect(await cut.filesWithSecrets()).toEqual([]);
    } finally {
      await cut.stop();
    }
  });
});

/** What a Worker is given, by name. */
function bindings(one: Installation, name: string): Record<string, string | undefined> {
  return Object.fromEntries(
    one.cloudflare.current(name).bindings.map(({ name: binding, text }) => [binding, text]),
  );
}

/** Looks at the arguments of every process, as anybody on the machine can; where there is a /proc. */
function watchArguments(secrets: string[]): { stop(): string[] } {
  const seen = new Set<string>();
  const look = () => {
    for (const pid of fs.existsSync('/proc')
      ? fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))
      : []) {
      try {
        const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
        if (secrets.some((secret) => command.includes(secret))) seen.add(command);
      } catch {
        // it has ended
      }
    }
  };
  const timer = setInterval(look, 20);
  return {
    stop: () => {
      clearInterval(timer);
      return [...seen];
    },
  };
}
