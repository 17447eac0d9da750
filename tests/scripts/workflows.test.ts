import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { ensureActionlint } from '../../scripts/actionlint.mjs';
import { parseDeploy } from '../../scripts/install/options.ts';
import { SETTING_NAMES } from '../../scripts/install/settings.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = '.github/workflows';
const read = (file: string) => fs.readFileSync(path.join(ROOT, file), 'utf8');

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
  env?: Record<string, string>;
}

interface Workflow {
  on: Record<string, unknown>;
  permissions: Record<string, string>;
  concurrency: unknown;
  env: Record<string, string>;
  jobs: Record<string, { steps: Step[]; if?: string; environment?: string; 'timeout-minutes'?: number }>;
}

const workflow = (name: string) => load(read(`${FOLDER}/${name}`)) as Workflow;
const steps = ({ jobs }: Workflow) => Object.values(jobs).flatMap((job) => job.steps);
const runs = (name: string) => steps(workflow(name)).flatMap(({ run }) => run ?? []);

describe.each(['deploy.yml', 'main.yml', 'pull-request.yml'])('%s', (name) => {
  test('takes each action at one commit, and says which release it is', () => {
    const lines = read(`${FOLDER}/${name}`)
      .split('\n')
      .filter((line) => line.includes('uses:'));
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(line).toMatch(/uses: actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('may read and nothing else, and ends some time', () => {
    expect(workflow(name).permissions).toEqual({ contents: 'read' });
    for (const job of Object.values(workflow(name).jobs)) expect(job['timeout-minutes']).toBeGreaterThan(0);
  });

  test('puts nothing of an event into a shell', () => {
    expect(runs(name).filter((run) => run.includes('${{'))).toEqual([]);
  });

  test('has the Node and the Rust that npm test passes with', () => {
    const [, node, rust] = /^node = "(.*)"\nrust = \{ version = "(.*?)"/m.exec(read('mise.toml')) ?? [];
    expect(steps(workflow(name)).find(({ uses }) => uses?.includes('setup-node'))?.with).toMatchObject({
      'node-version': node,
    });
    expect(runs(name).find((run) => run.startsWith('rustup'))).toContain(`toolchain install ${rust} `);
  });
});

const { bin, missing } = await ensureActionlint();
if (bin === undefined) console.info(`actionlint is left out: ${missing}.`);

test.skipIf(bin === undefined)('actionlint, which npm test runs, finds what GitHub would refuse', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'workflows-'));
  try {
    const lint = (text: string) => {
      fs.writeFileSync(path.join(folder, 'deploy.yml'), text);
      const { status, stdout } = spawnSync(bin as string, ['-shellcheck=', '-pyflakes=', 'deploy.yml'], {
        cwd: folder,
        encoding: 'utf8',
      });
      return { status, stdout };
    };
    const ours = read(`${FOLDER}/deploy.yml`);
    expect(lint(ours)).toEqual({ status: 0, stdout: '' });
    expect(lint(ours.replaceAll('inputs.rollback', 'inputs.rolback'))).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('property "rolback" is not defined'),
    });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test('pull-request.yml runs every check', () => {
  expect(Object.keys(workflow('pull-request.yml').on)).toEqual(['pull_request']);
  expect(runs('pull-request.yml').at(-1)).toBe('npm test');
});

/** What a step runs, as `npm run deploy` reads it. */
function optionsOf(run = ''): ReturnType<typeof parseDeploy> {
  const [command, args = ''] = run.split(' -- ');
  expect(command).toBe('npm run deploy');
  const given = args.replace('"$INSTALLATION"', 'production').replace('"$RELEASE"', '261129180000');
  return parseDeploy(given.split(' '));
}

const secretsOf = (step: Step | undefined) =>
  Object.entries(step?.env ?? {}).map(([name, value]) => {
    expect(value).toBe(`\${{ secrets.${name} }}`);
    return name;
  });

test('deploy.yml builds without a secret, then hands every setting to a run that builds nothing', () => {
  const { steps: all } = workflow('deploy.yml').jobs.deploy ?? { steps: [] };
  const [build, last] = all.slice(-2);
  expect(secretsOf(last).sort()).toEqual([...SETTING_NAMES].sort());
  expect(optionsOf(last?.run)).toMatchObject({ build: false, dryRun: false, rollback: false, smoke: true });
  expect(optionsOf(build?.run)).toMatchObject({ build: true, dryRun: true });
  for (const step of all.slice(0, -1)) expect(JSON.stringify(step)).not.toContain('secrets.');
});

test('deploy.yml rolls back without a build, beside nothing: it ends the deployment that runs', () => {
  const { concurrency, env, jobs } = workflow('deploy.yml');
  const { steps: all = [] } = jobs['roll-back'] ?? {};
  const [shown, last] = all.slice(-2);
  expect(optionsOf(shown?.run)).toMatchObject({ rollback: true, dryRun: true });
  expect(optionsOf(last?.run)).toMatchObject({ rollback: true, dryRun: false, release: '261129180000' });
  expect(env).toMatchObject({ RELEASE: `\${{ inputs.release }}` });
  expect(secretsOf(last)).toEqual(['CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_ACCOUNT_ID']);
  expect(JSON.stringify(all)).not.toMatch(/rustup|\.tools/);
  expect(concurrency).toEqual({
    group: expect.stringContaining('inputs.installation'),
    'cancel-in-progress': `\${{ inputs.rollback || false }}`,
  });
  expect([jobs.deploy?.if, jobs['roll-back']?.if]).toEqual([
    `\${{ !inputs.rollback && !inputs.release }}`,
    `\${{ inputs.rollback }}`,
  ]);
});

test('main.yml keeps the caches that deploy.yml reads, on the branch from which a tag may read them', () => {
  expect(workflow('main.yml').on).toEqual({ push: { branches: ['main'] } });
  const caches = (name: string) =>
    steps(workflow(name))
      .filter(({ uses }) => uses?.startsWith('actions/cache@'))
      .map((step) => step.with);
  expect(caches('main.yml')).toEqual(caches('deploy.yml'));
  expect(caches('main.yml').map((each) => each?.path)).toEqual(['.tools', 'target']);
});
