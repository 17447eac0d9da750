import { afterAll, expect, test } from 'vitest';
import {
  expectAdminFlat,
  expectAllMeasured,
  expectNumbersRight,
  fillAdmin,
  pagesOfCalls,
} from './admin-flat.ts';
import { Admin } from './admin-support.ts';
import { Meter } from './flat.ts';
import { Database } from './support.ts';

// What the dashboard asks costs the same however much there is, and what it does to the queue costs claims nothing.

const db = await Database.open();
const admin = await Admin.open(db);

test('each call costs the same over 20,000 jobs as over 100, and tells SQL’s numbers', async () => {
  await expectAllMeasured(db);
  const before = await pagesOfCalls(admin, await fillAdmin(db, 100));
  await expectNumbersRight(admin);
  const known = await fillAdmin(db, 20_000);
  const after = await pagesOfCalls(admin, known);
  await expectNumbersRight(admin);
  console.info('pages:', { before, after });
  expectAdminFlat(before, after);
}, 240_000);

test('pauses by operators cost a claim no page', async () => {
  const own = await Database.open();
  const meter = await Meter.open(own);
  afterAll(() => meter.close());
  const once = async () => {
    await meter.enqueue(1_000);
    await meter.settle();
    const costs = await meter.steps(null);
    await own.clear();
    return costs;
  };
  // The least of two: a run that goes on into another minute writes two counts more.
  const steps = async (): Promise<Record<string, number>> => {
    const [first, second] = [await once(), await once()];
    return Object.fromEntries(
      Object.entries(first).map(([step, pages]) => [step, Math.min(pages, second[step] ?? pages)]),
    );
  };
  const before = await steps();
  await own.sql`update private.provider_pause set paused_types = '{other,another}', paused_models = '{a/b}' where only_row`;
  const after = await steps();
  for (const [step, pages] of Object.entries(before))
    expect(
      after[step],
      `${step}: what is paused stands in a row that claims read anyway`,
    ).toBeLessThanOrEqual(pages + 2);
}, 120_000);
