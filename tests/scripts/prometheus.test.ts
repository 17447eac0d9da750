import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ensurePromtool } from '../../scripts/promtool.mjs';

/** docs/operations/prometheus-rules.yml and grafana-dashboard.json, judged by promtool. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RULES = path.join(ROOT, 'docs/operations/prometheus-rules.yml');
const DASHBOARD = path.join(ROOT, 'docs/operations/grafana-dashboard.json');

interface Panel {
  id: number;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource: { uid: string };
  targets: { expr: string; datasource: { uid: string } }[];
}

const { bin, missing } = await ensurePromtool();
if (bin === undefined) console.info(`promtool's checks are left out: ${missing}.`);

/** What promtool says; fails with it where it is not content. */
async function promtool(...args: string[]): Promise<string> {
  const run = promisify(execFile)(bin as string, args);
  return run.then(
    ({ stdout }) => stdout,
    ({ stdout, stderr }) => expect.fail(`promtool ${args.join(' ')}:\n${stdout}${stderr}`),
  );
}

const dashboard = JSON.parse(fs.readFileSync(DASHBOARD, 'utf8')) as {
  id: null;
  templating: { list: { name: string; type: string }[] };
  panels: Panel[];
};

describe.skipIf(bin === undefined)('promtool', () => {
  test('reads the rules', async () => {
    expect(await promtool('check', 'rules', '--lint=all', '--lint-fatal', RULES)).toMatch(
      /SUCCESS: \d+ rules/,
    );
  });

  test('finds that each alert fires for its cause and not otherwise', async () => {
    const cases = path.join(ROOT, 'tests/scripts/prometheus-rules.test.yml');
    expect(await promtool('test', 'rules', cases)).toContain('SUCCESS');
    // A rule that no case names is one that nobody has seen fire.
    const [rules, tested] = [RULES, cases].map((file) => fs.readFileSync(file, 'utf8'));
    const names = [...(rules ?? '').matchAll(/- alert: (\w+)/g)].map(([, name]) => name as string);
    const seen = (tested ?? '').split(/\balertname: /).slice(1);
    const fires = (name: string) =>
      seen.some((text) => text.startsWith(name) && /^\w+\s+exp_alerts:\s+- /.test(text));
    expect(names.filter((name) => !fires(name))).toEqual([]);
  });

  test('reads each expression of the dashboard', async () => {
    const rules = dashboard.panels.flatMap(({ targets }) =>
      targets.map(({ expr }, n) => ({ record: `panel:${n}`, expr })),
    );
    expect(rules.length).toBeGreaterThan(15);
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'panels-')), 'panels.yml');
    try {
      // JSON is YAML. One group for each: two of the same name in one would be a mistake.
      const groups = rules.map((rule, n) => ({ name: `panel ${n}`, rules: [rule] }));
      fs.writeFileSync(file, JSON.stringify({ groups }));
      expect(await promtool('check', 'rules', '--lint=none', file)).toContain('SUCCESS');
    } finally {
      fs.rmSync(path.dirname(file), { recursive: true });
    }
  });
});

describe('the dashboard', () => {
  test('can be imported anywhere: it names no data source of its own', () => {
    expect(dashboard.id).toBeNull();
    expect(dashboard.templating.list).toMatchObject([{ name: 'datasource', type: 'datasource' }]);
    for (const panel of dashboard.panels) {
      for (const { datasource } of [panel, ...panel.targets]) {
        expect(datasource.uid, panel.title).toMatch(/^\$\{datasource\}$/);
      }
    }
  });

  test('has panels side by side, none over another', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { title, gridPos: a } of panels) {
      expect(a.x + a.w, title).toBeLessThanOrEqual(24);
      const over = panels.filter(
        ({ title: other, gridPos: b }) =>
          other !== title && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h,
      );
      expect(
        over.map((one) => one.title),
        `over ${title}`,
      ).toEqual([]);
    }
  });
});

describe('where promtool comes from', () => {
  const machine = (more: object) => ({
    platform: 'linux',
    osRelease: () => 'ID=debian',
    isRoot: true,
    installed: async () => undefined,
    has: () => false,
    aptKnows: async () => true,
    apt: async () => {},
    unpack: async () => {},
    ...more,
  });

  test('the one in the PATH first', async () => {
    expect(await ensurePromtool(machine({ installed: async () => 'promtool' }))).toEqual({ bin: 'promtool' });
  });

  test('Debian’s package, unpacked once', async () => {
    let unpacked = 0;
    const debian = machine({ has: () => unpacked > 0, unpack: async () => (unpacked += 1) });
    expect(await ensurePromtool(debian)).toEqual({ bin: expect.stringMatching(/usr.bin.promtool$/) });
    await ensurePromtool(debian);
    expect(unpacked).toBe(1);
  });

  test.each([
    ['no Debian', { platform: 'darwin' }, /no Debian/],
    [
      'lists of packages that nobody may read',
      { isRoot: false, aptKnows: async () => false },
      /sudo apt-get update/,
    ],
    ['a package without it', {}, /has no promtool/],
  ])('%s: a sentence says why not', async (_, more, sentence) => {
    expect(await ensurePromtool(machine(more))).toEqual({ missing: expect.stringMatching(sentence) });
  });
});
