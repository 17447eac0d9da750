import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { runbook } from '../../web/dashboard/src/lib/runbook.ts';

/** What the page Alerts names for each rule of supabase/migrations/*_tables.sql is there. */

const root = new URL('../../', import.meta.url);
const folder = new URL('supabase/migrations/', root);
const tables = fs.readdirSync(folder).find((name) => name.endsWith('_tables.sql')) ?? '';
const sql = fs.readFileSync(new URL(tables, folder), 'utf8');
const inserted = /insert into private\.alert_rules [\s\S]*?;/.exec(sql)?.[0] ?? '';
const rules = [...inserted.matchAll(/^ {2}\('(\w+)'/gm)].map(([, name]) => name ?? '');

test('the rules are found', () => {
  expect(rules).toContain('queue_depth');
  expect(rules.length).toBeGreaterThan(10);
});

test.each(rules)('%s has a page that says what to do', (rule) => {
  const page = runbook(rule);
  expect(fs.existsSync(fileURLToPath(new URL(page, root))), `there is no ${page}: see lib/runbook.ts`).toBe(
    true,
  );
  expect(page, 'a rule without a page of its own').toContain('/runbook/');
});
