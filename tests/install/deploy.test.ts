import { randomUUID } from 'node:crypto';
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
  const releaseOf = (name: string) => one.cloudflare.current(name).annotations['workers/tag']?.split('-')[0];
  const deploy = (...args: string[]) => one.run('deploy', ['--no-smoke', '--pause', '0', ...args]);

  test('leaves alone what is the same, and has nothing to go back from', {
    timeout: 5 * MINUTES,
  }, async () => {
    const { code, output } = await deploy();
    expect(code, output).toBe(0);
    expect(output.match(/: unchanged/g)).toHaveLength(4);
    expect(output, 'the release before is a good one').not.toContain('--rollback');
    expect(versions()).toEqual(first);
  });

  test('sets the cron trigger of a version that was cut before it had one, though its mark is lost', {
    timeout: 5 * MINUTES,
  }, async () => {
    const jobs = one.cloudflare.scripts.get('process-jobs');
    if (jobs) jobs.crons = [];
    const marked = path.join(one.dir, '.local/production/process-generation.under-way');
    await fs.writeFile(marked, 'a release\n');
    const { code, output } = await deploy();
    expect(code, output).toBe(0);
    expect(versions()).toEqual(first);
    expect(jobs?.crons, 'npm run deploy has to call triggers for what is unchanged').toEqual(['* * * * *']);
    await expect(fs.access(marked), 'the mark of what is made up for goes').rejects.toThrow();
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

  test.each([100, 50])(
    'goes back with nothing while a version that it did not bring has %i percent of a Worker, and says how',
    { timeout: 5 * MINUTES },
    async (percentage) => {
      const script = one.cloudflare.scripts.get('process-jobs');
      const [ours, deployment] = [script?.versions.at(-1), script?.deployments[0]];
      if (!script || !ours || !deployment) throw new Error('process-jobs is not deployed');
      const before = versions();
      const theirs = { ...ours, id: randomUUID(), annotations: {} };
      const rest = percentage < 100 ? [{ version_id: ours.id, percentage: 100 - percentage }] : [];
      script.versions.push(theirs);
      script.deployments.unshift({
        ...deployment,
        annotations: {},
        versions: [...rest, { version_id: theirs.id, percentage }],
      });
      const { code, output } = await deploy('--rollback');
      const traffic = one.cloudflare.traffic('process-jobs').map(({ version }) => version.id);
      script.deployments.shift();
      script.versions.pop();
      expect(code, output).toBe(1);
      expect(output).toContain(`nothing was changed: process-jobs runs ${theirs.id}`);
      expect(output).toContain('npx wrangler versions deploy VERSION_ID --name process-jobs');
      expect(traffic).toContain(theirs.id);
      expect(versions(), 'the good ones stay').toEqual(before);
    },
  );

  test('rolls the last release back, all of it, and not twice', { timeout: 10 * MINUTES }, async () => {
    const before = versions();
    const good = releaseOf('process-jobs') ?? '';
    one.file.write({ MAX_PARALLEL_JOBS: '5' });
    const { output: told } = await deploy('--steps', 'none');
    const after = versions();
    for (const name of WORKERS) expect(after[name]).not.toBe(before[name]);
    const release = releaseOf('process-jobs') ?? '';
    expect(told).toContain(`Go back with npm run deploy -- --rollback ${release}.`);
    const other = await deploy('--rollback', good);
    expect(other.code, other.output).toBe(1);
    expect(other.output).toContain(`nothing was changed: the newest release is ${release}, not ${good}`);
    expect(versions()).toEqual(after);
    const { code, output } = await deploy('--rollback', release);
    expect(code, output).toBe(0);
    expect(versions()).toEqual(before);
    expect(output).toContain('Routes and the cron trigger stay as they are');
    const again = await deploy('--rollback');
    expect(again.code).toBe(1);
    expect(again.output).toContain('is rolled back already');
    expect(versions()).toEqual(before);
  });

  test('a release that never came up whole goes on under its name, and goes back whole', {
    timeout: 15 * MINUTES,
  }, async () => {
    const before = versions();
    one.file.write({ MAX_PARALLEL_JOBS: '7' });
    const watched = one.cloudflare.onWrite;
    one.cloudflare.onWrite = (what) => {
      watched(what);
      if (what.endsWith('process-jobs/versions')) one.kill();
    };
    await deploy('--steps', 'none');
    one.cloudflare.onWrite = watched;
    const cut = versions();
    expect(cut['process-generation'], 'it was cut after the first Worker').not.toBe(
      before['process-generation'],
    );
    expect(cut['process-jobs']).toBe(before['process-jobs']);
    // A pipeline keeps nothing of the run before; and what goes on is a correction of the first Worker, too.
    await fs.rm(path.join(one.dir, '.local'), { recursive: true, force: true });
    one.file.write({ MAX_JOBS_PER_INVOCATION: '31' });
    const { code, output } = await deploy('--steps', 'none');
    expect(code, output).toBe(0);
    for (const name of WORKERS) expect(versions()[name]).not.toBe(cut[name]);
    expect(new Set(WORKERS.map(releaseOf)).size, 'all of one release').toBe(1);
    const back = await deploy('--rollback');
    expect(back.code, back.output).toBe(0);
    expect(versions()).toEqual(before);
  });

  test('killed after its first change, its second and so on, it comes to its end as one release', {
    timeout: 30 * MINUTES,
  }, async () => {
    const before = versions();
    one.file.write({ MAX_PARALLEL_JOBS: '9' });
    const watched = one.cloudflare.onWrite;
    const killedAfter: string[] = [];
    for (let survives = 1; ; survives++) {
      let writes = 0;
      one.cloudflare.onWrite = (what) => {
        writes++;
        if (writes !== survives) return;
        killedAfter.push(what);
        one.kill();
      };
      const { code, output } = await deploy('--steps', '50');
      if (killedAfter.length === survives) continue;
      expect(code, output).toBe(0);
      break;
    }
    one.cloudflare.onWrite = watched;
    const kinds = new Set(killedAfter.map((what) => what.split('/').at(-1)));
    expect([...kinds], killedAfter.join(', ')).toEqual(expect.arrayContaining(['versions', 'deployments']));
    expect(killedAfter.length).toBeGreaterThan(3);
    expect(new Set(WORKERS.map(releaseOf)).size, 'all of one release').toBe(1);
    for (const name of WORKERS)
      expect(one.cloudflare.current(name).bindings).toContainEqual(
        expect.objectContaining({ name: 'MAX_PARALLEL_JOBS', text: '9' }),
      );
    expect(one.cloudflare.scripts.get('process-jobs')?.crons).toEqual(['* * * * *']);
    const back = await deploy('--rollback');
    expect(back.code, back.output).toBe(0);
    expect(versions()).toEqual(before);
    shares.splice(0);
  });

  test('what is deployed after a smoke test that failed is a release of its own', {
    timeout: 15 * MINUTES,
  }, async () => {
    one.file.write({ MAX_PARALLEL_JOBS: '8' });
    const tried = await one.run('deploy', ['--pause', '0', '--steps', 'none', '--no-image']);
    expect(tried.code, tried.output).toBe(1);
    expect(tried.output).toContain('5/5 smoke test: the smoke test did not pass');
    const release = releaseOf('process-jobs');
    expect(tried.output).toContain(`To go back: npm run deploy -- --rollback ${release}`);
    const bad = versions();
    one.file.write({ WAKE: 'on' });
    const { code, output } = await deploy('--steps', 'none');
    expect(code, output).toBe(0);
    const fixed = versions();
    expect(fixed).toEqual({ ...bad, 'start-generation': expect.any(String) });
    expect(fixed['start-generation']).not.toBe(bad['start-generation']);
    // The correction goes back, to the release that it corrects; no mix of three.
    const back = await deploy('--rollback');
    expect(back.code, back.output).toBe(0);
    expect(back.output.match(/back at/g)).toHaveLength(1);
    expect(versions()).toEqual(bad);
  });

  test('refuses a migration that could hold up the queue, and has applied nothing', {
    timeout: 5 * MINUTES,
  }, async () => {
    const applied = await one.migrations();
    // What the database lacks is found by its history: the last one counts as new again.
    const [last] = applied.slice(-1);
    await one.sql`delete from supabase_migrations.schema_migrations where version = ${last ?? ''}`;
    const shown = await deploy('--dry-run');
    const { code, output } = await deploy();
    await one.sql`insert into supabase_migrations.schema_migrations (version) values (${last ?? ''})`;
    expect(code).toBe(1);
    expect(output).toContain('nothing was applied');
    expect(output).toContain("set local lock_timeout = '1s'");
    expect(shown.code, shown.output).toBe(1);
    expect(shown.output).toContain(`✔ the database lacks ${last}_`);
    expect(shown.output).toContain('✖ ');
    expect(shown.output).toContain('npm run deploy would refuse the migrations above');
    expect(await one.migrations()).toEqual(applied);
  });

  test('no file but .env.production holds a secret', async () => {
    expect(await one.filesWithSecrets()).toEqual([]);
    expect(await fs.readdir(path.join(one.dir, '.local/production'))).not.toContain(
      'process-jobs.secrets.json',
    );
  });
});
