import { expect, test } from 'vitest';
import { expectAdminFlat, expectNumbersRight, fillAdmin, pagesOfCalls } from '../database/admin-flat.ts';
import { Admin } from '../database/admin-support.ts';
import { Database } from '../database/support.ts';

const MILLION = 1_000_000;
const db = await Database.open();
const admin = await Admin.open(db);

test('the dashboard costs over a million jobs what it costs over 100, and tells SQL’s numbers', async () => {
  const before = await pagesOfCalls(admin, await fillAdmin(db, 100));
  await expectNumbersRight(admin);
  const ready = await pagesOfCalls(admin, await fillAdmin(db, MILLION, ['ready']));
  await expectNumbersRight(admin);
  const known = await fillAdmin(db, MILLION);
  await expectNumbersRight(admin);
  const began = performance.now();
  await admin.call('admin_overview', {});
  const milliseconds = Math.round(performance.now() - began);
  const after = await pagesOfCalls(admin, known);
  console.info(JSON.stringify({ before, ready, after, milliseconds }));
  expect(after.admin_overview, 'the overview').toBeLessThan(200);
  expectAdminFlat(before, ready);
  expectAdminFlat(before, after);
}, 1_800_000);
