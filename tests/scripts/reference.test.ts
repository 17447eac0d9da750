import fs from 'node:fs';
import { expect, test } from 'vitest';
import { client } from '../../dev/stack/postgres.ts';
import { httpReference } from '../../scripts/reference/http.ts';
import { sqlReference } from '../../scripts/reference/sql.ts';
import { createDatabase } from '../stack/testing.ts';

/** The written reference says what the interface is today. */

const written = (name: string) =>
  fs.readFileSync(new URL(`../../docs/reference/${name}`, import.meta.url), 'utf8').trimEnd();

test('docs/reference/http.md is that of shared/src/http/openapi.json', () => {
  expect(written('http.md'), 'Run: npm run docs:reference').toBe(httpReference());
});

test('docs/reference/sql.md is that of the migrations', async () => {
  const { superuserUrl } = await createDatabase();
  const sql = client(superuserUrl);
  try {
    expect(written('sql.md'), 'Run: npm run docs:reference').toBe(await sqlReference(sql));
  } finally {
    await sql.end();
  }
});
