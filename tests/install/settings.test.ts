import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { EnvFile } from '../../scripts/install/env-file.ts';
import { parseDeploy, parseSetup } from '../../scripts/install/options.ts';
import { combine, complaints, isSecret, SETTING_NAMES, valuesFor } from '../../scripts/install/settings.ts';
import { jsonOf, Tools } from '../../scripts/install/tools.ts';
import { prepare } from '../../scripts/install/workers.ts';
import { ROOT } from '../../scripts/run.mjs';

let dir: string;

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'picture-queue-settings-'));
  return () => fs.rmSync(dir, { recursive: true });
});

describe('.env.production', () => {
  test('keeps comments and the lines of others, and is its owner’s alone', () => {
    const file = path.join(dir, '.env.production');
    fs.writeFileSync(file, '# mine\nOTHER=1\nexport PUBLIC_URL=https://old.example.com\n', { mode: 0o644 });
    const env = new EnvFile(file);
    env.write({
      PUBLIC_URL: 'https://new.example.com',
      SUPABASE_SERVICE_ROLE_KEY: 'sb_secret_a sb_secret_b',
    });
    expect(fs.readFileSync(file, 'utf8')).toBe(
      "# mine\nOTHER=1\nPUBLIC_URL=https://new.example.com\nSUPABASE_SERVICE_ROLE_KEY='sb_secret_a sb_secret_b'\n",
    );
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  });

  test.each(["a'b", 'a"b', 'a$b#c', 'a\\nb', '  '])('gives %j back as it was', (value) => {
    const env = new EnvFile(path.join(dir, '.env.production'));
    env.write({ SUPABASE_DB_PASSWORD: value, LAST: 'x' });
    expect(env.read()).toEqual({ LAST: 'x', ...(value.trim() ? { SUPABASE_DB_PASSWORD: value } : {}) });
  });

  test('refuses what a shell that reads it could take for something else', () => {
    const env = new EnvFile(path.join(dir, '.env.production'));
    expect(() => env.write({ SUPABASE_DB_PASSWORD: `a'b"c` })).toThrow(
      'SUPABASE_DB_PASSWORD holds both kinds',
    );
    expect(() => env.write({ SUPABASE_DB_PASSWORD: 'a\nb' })).toThrow('more than one line');
  });

  test('keeps a new value in the line that counts, where a name stands there twice', () => {
    const env = new EnvFile(path.join(dir, '.env.twice'));
    fs.writeFileSync(env.file, 'PUBLIC_URL=https://a.example\nPUBLIC_URL=https://b.example\n');
    env.write({ PUBLIC_URL: 'https://c.example' });
    expect(env.read()).toEqual({ PUBLIC_URL: 'https://c.example' });
  });

  test('stands above the environment, which fills what it lacks', () => {
    const { values, overruled } = combine(
      { SUPABASE_URL: 'https://a.supabase.co' },
      { SUPABASE_URL: 'https://b.supabase.co', REPLICATE_API_TOKEN: ' r8_a ', PUBLIC_URL: '', HOME: '/' },
    );
    expect(values).toEqual({ SUPABASE_URL: 'https://a.supabase.co', REPLICATE_API_TOKEN: 'r8_a' });
    expect(overruled).toEqual(['SUPABASE_URL']);
  });
});

describe('settings', () => {
  test.each([
    ['SUPABASE_PROJECT_REF', 'https://abc.supabase.co'],
    ['SUPABASE_URL', 'http://example.com'],
    ['SUPABASE_URL', 'https://a.supabase.co/rest/v1'],
    ['PUBLIC_URL', 'process-generation.example.workers.dev'],
    ['MAX_PARALLEL_JOBS', '41'],
    ['WAKE', 'yes'],
    ['RATE_LIMIT', '0'],
    ['RATE_LIMIT', '100/30'],
    ['ANALYTICS_DATASET', 'my-data'],
    ['CLOUDFLARE_ACCOUNT_ID', 'mine'],
    ['START_GENERATION_ROUTES', 'https://images.example.com'],
    ['ALLOWED_ORIGINS', 'app.example.com'],
  ])('%s is not %j, and that is said with its name', (name, value) => {
    expect(complaints({ [name]: value })).toEqual([expect.stringContaining(`${name} `)]);
    expect(complaints({ [name]: value })[0]).toContain(JSON.stringify(value));
  });

  test.each([
    ['REPLICATE_WEBHOOK_SECRET', 'a-secret-of-another-kind'],
    ['SUPABASE_JWT_SECRET', 'too-short'],
    ['SUPABASE_DB_URL', 'postgres://postgres:a#b@db.example.com/postgres'],
    ['SUPABASE_DB_URL', 'postgres://postgres:a%pb@db.example.com/postgres'],
    ['SUPABASE_SERVICE_ROLE_KEY', 'one two three four five'],
    ['REPLICATE_API_TOKEN', 'r8_with a space'],
  ])('%s is a secret: what is wrong is said without it', (name, value) => {
    const [sentence = ''] = complaints({ [name]: value });
    expect(sentence).toContain(name);
    expect(sentence).not.toContain(value);
  });

  const [OURS, THEIRS] = ['a'.repeat(20), 'b'.repeat(20)];
  const legacy = (ref: string) => `e30.${Buffer.from(JSON.stringify({ ref })).toString('base64url')}.c2ln`;
  test.each([
    ['SUPABASE_URL', `https://${THEIRS}.supabase.co`],
    ['SUPABASE_DB_URL', `postgres://postgres:x@db.${THEIRS}.supabase.co:5432/postgres`],
    ['SUPABASE_DB_URL', `postgres://postgres.${THEIRS}:x@aws-0-eu-central-1.pooler.supabase.com/postgres`],
    ['SUPABASE_SERVICE_ROLE_KEY', legacy(THEIRS)],
  ])('%s of another project than SUPABASE_PROJECT_REF is refused, with both names', (name, value) => {
    const said = complaints({ SUPABASE_PROJECT_REF: OURS, [name]: value });
    expect(said).toEqual([
      expect.stringContaining(`SUPABASE_PROJECT_REF is of ${OURS}, ${name} is of ${THEIRS}`),
    ]);
    expect(said[0]).not.toContain(name === 'SUPABASE_URL' ? 'https' : value);
    expect(complaints({ SUPABASE_PROJECT_REF: THEIRS, [name]: value })).toEqual([]);
  });

  test('an address of one’s own says nothing of a project', () => {
    expect(
      complaints({
        SUPABASE_PROJECT_REF: OURS,
        SUPABASE_URL: 'https://images.example.com',
        SUPABASE_DB_URL: 'postgres://postgres:x@127.0.0.1:5433/postgres',
        SUPABASE_ANON_KEY: 'sb_publishable_a',
      }),
    ).toEqual([]);
  });

  test('each Worker gets its own: the public one no key of power', () => {
    const values = {
      SUPABASE_URL: 'https://a.supabase.co',
      SUPABASE_ANON_KEY: 'sb_publishable_a',
      SUPABASE_SERVICE_ROLE_KEY: 'sb_secret_a',
      REPLICATE_API_TOKEN: 'r8_a',
      CLOUDFLARE_API_TOKEN: 'cloudflare',
      SUPABASE_DB_PASSWORD: 'password',
    };
    expect(valuesFor('start-generation', 'secrets', values)).toEqual({
      SUPABASE_ANON_KEY: 'sb_publishable_a',
    });
    expect(valuesFor('start-generation', 'variables', values)).toEqual({
      SUPABASE_URL: 'https://a.supabase.co',
    });
    expect(Object.keys(valuesFor('process-jobs', 'secrets', values))).toEqual([
      'SUPABASE_SERVICE_ROLE_KEY',
      'REPLICATE_API_TOKEN',
    ]);
  });

  test('what is no JSON is not shown: keys may be in it', () => {
    const answer = { code: 0, stdout: '{"keys": ["sb_secret_demo"]}\nand more', stderr: '' };
    expect(() => jsonOf('the tool', answer)).toThrow(/^the tool answered something that is no JSON/);
    expect(() => jsonOf('the tool', answer)).not.toThrow(/sb_secret_demo/);
  });

  test('a secret is struck out of what a tool says, each of several too', () => {
    const tools = new Tools({
      SUPABASE_SERVICE_ROLE_KEY: 'sb_secret_a sb_secret_b',
      PUBLIC_URL: 'https://a.example',
    });
    expect(tools.clean('refused sb_secret_b at https://a.example')).toBe(
      'refused [hidden] at https://a.example',
    );
  });
});

test.each(['rotate-secrets', 'key-leak'])(
  'docs/operations/runbook/%s.md has a row for each secret',
  (page) => {
    const rows = fs
      .readFileSync(path.join(ROOT, `docs/operations/runbook/${page}.md`), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|')[1] ?? '');
    const missing = SETTING_NAMES.filter(isSecret).filter(
      (name) => !rows.some((row) => row.includes(`\`${name}\``)),
    );
    expect(missing, 'say there how it is replaced, and what to do when it is known').toEqual([]);
  },
);

describe('options', () => {
  test('of setup: it asks where somebody can answer', () => {
    expect(parseSetup([], true)).toMatchObject({ name: 'production', asks: true, build: true });
    expect(parseSetup([], false)).toMatchObject({ asks: false });
    expect(parseSetup(['--yes'], true)).toMatchObject({ asks: false });
    expect(parseSetup(['--help'], true)).toBeUndefined();
  });

  test.each([
    [['--rollback'], {}],
    [['--rollback', '--dry-run'], { dryRun: true }],
    [['--rollback', '', '--dry-run'], { dryRun: true }],
    [['--rollback', '261129180000', '--dry-run'], { dryRun: true, release: '261129180000' }],
    [['--rollback=261129180000'], { release: '261129180000' }],
    [['--rollback=', '--name', 'staging'], { name: 'staging' }],
  ])('%j of deploy is a roll back', (args, more) => {
    expect(parseDeploy(args)).toMatchObject({ rollback: true, release: undefined, dryRun: false, ...more });
    expect(parseDeploy([])).toMatchObject({ rollback: false, release: undefined });
  });

  test.each([
    [['--rollback', 'v1.2.0'], '--rollback takes the twelve digits of a release'],
    [['--steps', '50,10'], '--steps takes rising shares'],
    [['--steps', 'some'], '--steps takes rising shares'],
    [['--steps', '10,100'], '--steps takes rising shares'],
    [['--pause', ''], '--pause takes'],
    [['--name', '../other'], '--name takes'],
    [['--no-such'], "Unknown option '--no-such'"],
  ])('%j of deploy is refused', (args, sentence) => {
    expect(() => parseDeploy(args)).toThrow(sentence);
  });
});

describe('the Workers of an installation', () => {
  const options = (name: string) => ({
    name,
    dir,
    dryRun: false,
    build: false,
    database: false,
    smoke: false,
    image: false,
    asks: false,
  });
  const configs = (name: string, values = {}) =>
    prepare(options(name), values).map(({ config }) => JSON.parse(fs.readFileSync(config, 'utf8')));

  test('of staging are bound to each other and to nothing of production', () => {
    const text = JSON.stringify(configs('staging').map(({ main: _main, ...config }) => config));
    const named = [...text.matchAll(/"(?:name|service|script_name)":"((?:process|start)-[^"]+)"/g)];
    expect(new Set(named.map(([, name]) => name))).toEqual(
      new Set(['process-generation-staging', 'process-jobs-staging', 'start-generation-staging']),
    );
    const limit = (name: string) => configs(name)[2].ratelimits[0].namespace_id;
    expect(limit('production')).toBe('4290');
    expect(limit('staging')).not.toBe(limit('production'));
  });

  test('have routes, their own address beside them, and a studio that talks to their project', () => {
    const [, , start] = configs('production', {
      SUPABASE_URL: 'https://a.supabase.co',
      START_GENERATION_ROUTES: 'images.example.com, api.example.com/functions/v1/*@example.com',
    });
    expect(start).toMatchObject({
      workers_dev: true,
      routes: [
        { pattern: 'images.example.com', custom_domain: true },
        { pattern: 'api.example.com/functions/v1/*', zone_name: 'example.com' },
      ],
      vars: { SUPABASE_URL: 'https://a.supabase.co', ALLOWED_ORIGINS: '*' },
    });
    const headers = fs.readFileSync(path.join(start.assets.directory, '_headers'), 'utf8');
    expect(headers).toContain('https://a.supabase.co');
    expect(headers).not.toContain('{SUPABASE_ORIGIN}');
  });

  test('count and tell what the settings say, and no tracked file does', () => {
    const [generation, jobs, start] = configs('production', {
      RATE_LIMIT: '100/10',
      ANALYTICS_DATASET: 'picture_queue',
    });
    expect(start.ratelimits).toEqual([
      { name: 'RATE_LIMIT', namespace_id: '4290', simple: { limit: 100, period: 10 } },
    ]);
    const datasets = [{ binding: 'EVENTS', dataset: 'picture_queue' }];
    for (const config of [generation, jobs, start])
      expect(config.analytics_engine_datasets).toEqual(datasets);
    const [plain, , usual] = configs('production', { RATE_LIMIT: '600' });
    expect(usual.ratelimits[0].simple).toEqual({ limit: 600, period: 60 });
    expect(plain.analytics_engine_datasets).toBeUndefined();
  });

  test('are the same for the same settings, and others for another secret', () => {
    const marks = (values: Record<string, string>) =>
      prepare(options('production'), values).map(({ fingerprint }) => fingerprint);
    expect(marks({ REPLICATE_API_TOKEN: 'r8_a' })).toEqual(marks({ REPLICATE_API_TOKEN: 'r8_a' }));
    const [generation, jobs, start] = marks({ REPLICATE_API_TOKEN: 'r8_b' });
    const [generationBefore, jobsBefore, startBefore] = marks({ REPLICATE_API_TOKEN: 'r8_a' });
    expect([generation === generationBefore, jobs === jobsBefore, start === startBefore]).toEqual([
      false,
      false,
      true,
    ]);
  });
});
