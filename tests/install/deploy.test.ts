import fs from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Installation } from './installation.ts';

// npm run deploy, with the real wrangler and Supabase CLI: step by step, back where the new version is not well, and
// back when it is told to.

const MINUTES = 60_000;
const WORKERS = ['process-generation', 'process-jobs', 'start-generation'] as const;
const ADDRESS = {
  'process-generation': 'PROCESS_GENERATION_URL',
  'process-jobs': 'PROCESS_JOBS_URL',
  'start-generation': 'START_GENERATION_URL',
};

describe('npm run deploy', () => {
  let one: Installation;
  let workers: http.Server;
  /** Version ids that answer 500. */
  const sick = new Set<string>();
  /** Shares of the newest version, as they came. */
  const shares: string[] = [];
  let first: Record<string, string>;

  beforeAll(async () => {
    one = await Installation.start();
    // Stands for the Workers: who answers is the version that is meant.
    workers = http.createServer((request, response) => {
      const meant = /"(.+)"/.exec(String(request.headers['cloudflare-workers-version-overrides']))?.[1];
      response.writeHead(meant && sick.has(meant) ? 500 : 200).end('{}');
    });
    await new Promise<void>((resolve) => workers.listen(0, '127.0.0.1', resolve));
    const { code, output } = await one.run('setup', ['--no-smoke'], one.settings());
    expect(code, output).toBe(0);
    const { port } = workers.address() as { port: number };
    one.file.write(
      Object.fromEntries(Object.values(ADDRESS).map((name) => [name, `http://127.0.0.1:${port}`])),
    );
    first = versions();
    one.cloudflare.onWrite = (what) => {
      if (!/POST .*\/deployments$/.test(what)) return;
      const name = what.split('/').at(-2) ?? '';
      shares.push(
        `${name} ${one.cloudflare
          .traffic(name)
          .map(({ percentage }) => percentage)
          .join('/')}`,
      );
    };
  }, 10 * MINUTES);
  afterAll(async () => {
    await one.stop();
    workers.close();
  });

  const versions = () => Object.fromEntries(WORKERS.map((name) => [name, one.cloudflare.current(name).id]));
  const deploy = (...args: string[]) => one.run('deploy', ['--no-smoke', '--pause', '0', ...args]);

  test('leaves alone what is the same', { timeout: 5 * MINUTES }, async () => {
    const { code, output } = await deploy();
    expect(code, output).toBe(0);
    expect(output.match(/: unchanged/g)).toHaveLength(4);
    expect(versions()).toEqual(first);
  });

  test('gives the requests to the new version step by step, and keeps what only the old one was told', {
    timeout: 5 * MINUTES,
  }, async () => {
    one.file.write({ WAKE: 'off' });
    const { code, output } = await deploy('--steps', '10,50');
    expect(code, output).toBe(0);
    expect(shares.splice(0)).toEqual([
      'start-generation 10/90',
      'start-generation 50/50',
      'start-generation 100',
    ]);
    const { bindings } = one.cloudflare.current('start-generation');
    expect(bindings).toContainEqual(expect.objectContaining({ name: 'WAKE', text: 'off' }));
    expect(bindings).toContainEqual(
      expect.objectContaining({ name: 'SUPABASE_ANON_KEY', type: 'secret_text' }),
    );
    expect(versions()).toMatchObject({ 'process-jobs': first['process-jobs'] });
  });

  test('goes back by itself where the new version is not well', { timeout: 5 * MINUTES }, async () => {
    const before = versions();
    one.file.write({ WAKE: 'on' });
    const stop = one.cloudflare.onWrite;
    one.cloudflare.onWrite = (what) => {
      stop(what);
      const newest = one.cloudflare.scripts.get('start-generation')?.versions.at(-1);
      if (newest && what.endsWith('start-generation/versions')) sick.add(newest.id);
    };
    const { code, output } = await deploy('--steps', '10');
    one.cloudflare.onWrite = stop;
    expect(code, output).toBe(1);
    expect(output).toContain('the new version answered 500');
    expect(shares.splice(0)).toEqual(['start-generation 10/90', 'start-generation 100']);
    expect(versions()).toEqual(before);
    one.file.write({ WAKE: 'off' });
  });

  test('goes on after a kill with the version that it had uploaded', { timeout: 5 * MINUTES }, async () => {
    one.file.write({ MAX_JOBS_PER_INVOCATION: '30' });
    const watched = one.cloudflare.onWrite;
    one.cloudflare.onWrite = (what) => {
      watched(what);
      if (what.endsWith('process-jobs/deployments')) one.kill();
    };
    await deploy('--steps', '50');
    one.cloudflare.onWrite = watched;
    expect(one.cloudflare.traffic('process-jobs')).toHaveLength(2);
    const uploads = one.cloudflare.scripts.get('process-jobs')?.versions.length;
    const { code, output } = await deploy('--steps', 'none');
    expect(code, output).toBe(0);
    expect(one.cloudflare.scripts.get('process-jobs')?.versions).toHaveLength(uploads ?? 0);
    expect(one.cloudflare.current('process-jobs').bindings).toContainEqual(
      expect.objectContaining({ name: 'MAX_JOBS_PER_INVOCATION', text: '30' }),
    );
    shares.splice(0);
  });

  test('rolls the last release back, all of it, and not twice', { timeout: 5 * MINUTES }, async () => {
    const before = versions();
    one.file.write({ MAX_PARALLEL_JOBS: '5' });
    expect(await deploy('--steps', 'none')).toMatchObject({ code: 0 });
    for (const name of WORKERS) expect(versions()[name]).not.toBe(before[name]);
    const { code, output } = await deploy('--rollback');
    expect(code, output).toBe(0);
    expect(versions()).toEqual(before);
    const again = await deploy('--rollback');
    expect(again.code).toBe(1);
    expect(again.output).toContain('is rolled back already');
    expect(versions()).toEqual(before);
  });

  test('refuses a migration that could hold up the queue, and has applied nothing', {
    timeout: 5 * MINUTES,
  }, async () => {
    const applied = await one.migrations();
    // What the database lacks is found by its history: the last one counts as new again.
    const [last] = applied.slice(-1);
    await one.sql`delete from supabase_migrations.schema_migrations where version = ${last ?? ''}`;
    const { code, output } = await deploy();
    await one.sql`insert into supabase_migrations.schema_migrations (version) values (${last ?? ''})`;
    expect(code).toBe(1);
    expect(output).toContain('nothing was applied');
    expect(output).toContain("set local lock_timeout = '1s'");
    expect(await one.migrations()).toEqual(applied);
  });

  test('no file but .env.production holds a secret', async () => {
    expect(await one.filesWithSecrets()).toEqual([]);
    expect(await fs.readdir(path.join(one.dir, '.local/production'))).not.toContain(
      'process-jobs.secrets.json',
    );
  });
});
