import { expect, test } from 'vitest';
import { expectAdminFlat, fillAdmin, pagesOfCalls, splitsAreRight } from '../database/admin-flat.ts';
import { Admin } from '../database/admin-support.ts';
import { Database } from '../database/support.ts';

const MILLION = 1_000_000;
const db = await Database.open();
const admin = await Admin.open(db);

test('the dashboard costs over a million jobs what it costs over 100, and tells SQL’s numbers', async () => {
  await fillAdmin(db, 100);
  const before = await pagesOfCalls(admin);
  await fillAdmin(db, MILLION, ['ready']);
  await splitsAreRight(admin);
  const { totals } = await admin.call('admin_overview', {});
  expect(totals, 'of one long state the split is exact').toMatchObject({
    is_split_exact: true,
    ready: MILLION,
  });
  const ready = await pagesOfCalls(admin);
  await fillAdmin(db, MILLION);
  await splitsAreRight(admin);
  const began = performance.now();
  await admin.call('admin_overview', {});
  const milliseconds = Math.round(performance.now() - began);
  const after = await pagesOfCalls(admin);
  console.info(JSON.stringify({ before, ready, after, milliseconds }));
  expectAdminFlat(before, ready);
  expectAdminFlat(before, after);
}, 1_800_000);
