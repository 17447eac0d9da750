import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Database, MODEL, refusal } from './support.ts';

// An image for later counts when it is due, and is asked for then like any other. The model's price is 0.003
// dollars an image (Database.open).
const db = await Database.open();
const PRICE = 0.003;
const LATER = { scheduled_at: new Date(Date.now() + 3_600_000).toISOString() };

beforeEach(async () => {
  await db.clear();
  await setBudget({});
  await db.sql`update public.models set cost_per_generation = ${PRICE} where replicate_id = ${MODEL}`;
});

/** Whatever happened, what is counted is what the ledger, the open generations and the users' rows say. */
afterEach(async () => {
  const counted = await db.sql`select private.budget_periods() as periods`;
  await db.sql`select private.recount_budget()`;
  expect(await db.sql`select private.budget_periods() as periods`).toEqual(counted);
  const wrong = await db.sql`select u.day_cost, g.reserved from private.usage as u
    cross join lateral (
      select coalesce(sum(reserved_usd), 0) as reserved from public.image_generations
      where user_id = u.user_id and reserved_on = u.day and status not in ('failed', 'cancelled')
    ) as g
    where u.day = private.today() and u.day_cost <> g.reserved`;
  expect([...wrong]).toEqual([]);
});

const setBudget = ({ day = null, month = null }: { day?: number | null; month?: number | null }) =>
  db.sql`update private.settings set budget_per_day_usd = ${day}, budget_per_month_usd = ${month} where only_row`;
const unlimited = () =>
  db.createUser({ requests_per_minute: null, images_per_day: null, running_jobs: null, money_per_day: null });
const batch = (images: number) => ({ items: Array(images).fill({ prompt: 'x' }) });
const reserved = async (period = 'day') => {
  const [row] = await db.sql<{ periods: { period: string; used_usd: number }[] }[]>`
    select private.budget_periods() as periods`;
  return row?.periods.find((one) => one.period === period)?.used_usd;
};
const letThemBeDue = () =>
  db.sql`update public.job_queue set scheduled_at = now() - interval '1 second' where scheduled_at > now()`;
const usage = async (user: string) => {
  const [row] = await db.sql`select day_images, day_cost from private.usage where user_id = ${user}`;
  return [row?.day_images, Number(row?.day_cost)];
};
const ends = async (user: string) => {
  const rows = await db.sql<{ ended: string }[]>`
    select coalesce(error_code, status) as ended from public.image_generations where user_id = ${user} order by 1`;
  return rows.map(({ ended }) => ended);
};
/** As if they had been asked for a day earlier. */
const nextDay = () => db.sql`update private.usage set day = day - 1 where true`;

describe('before it is due', () => {
  test('it holds nothing of the budget: one user’s images for later keep nobody out', async () => {
    await setBudget({ day: 0.03, month: 0.03 });
    const hoarder = await unlimited();
    for (let n = 0; n < 3; n++) await db.start(hoarder, { ...batch(10), ...LATER });
    expect([await reserved(), await reserved('month')]).toEqual([0, 0]);
    await db.start(await unlimited(), batch(10));
    expect(await reserved()).toBe(0.03);
    await db.start(hoarder, LATER);
  });

  test('it holds nothing of its user’s money, and is one of the images of the day it is asked for', async () => {
    const user = await db.createUser({ money_per_day: 0.006, images_per_day: 4 });
    await db.start(user, { ...batch(3), ...LATER });
    expect(await usage(user)).toEqual([3, 0]);
    await db.start(user);
    expect(await usage(user)).toEqual([4, PRICE]);
    expect(await refusal(db.start(user, LATER))).toMatchObject({ limit: 'images_per_day' });
  });

  test('a model without a price is refused at once where money is limited', async () => {
    await db.sql`update public.models set cost_per_generation = null where replicate_id = ${MODEL}`;
    await setBudget({ month: 1 });
    expect(await refusal(db.start(await unlimited(), LATER))).toMatchObject({ code: 'unsupported' });
  });

  test('one that is cancelled gives nothing back', async () => {
    await setBudget({ day: 1 });
    const user = await unlimited();
    await db.start(user);
    const { generation_id } = await db.start(user, LATER);
    await db.callAs(user, 'cancel_generation', { p_generation_id: generation_id });
    expect([await reserved(), await usage(user)]).toEqual([PRICE, [2, PRICE]]);
  });
});

describe('when it is due', () => {
  test.each([['day'], ['month']])(
    'exactly as many as the budget of a %s pays for are made, with parallel starts of others',
    async (period) => {
      const users = await Promise.all(Array.from({ length: 5 }, unlimited));
      for (const user of users) await db.start(user, { ...batch(10), ...LATER });
      await setBudget({ [period]: 0.06 });
      await letThemBeDue();
      const starts = Array.from({ length: 50 }, async () => db.start(await unlimited()));
      const claims = Array.from({ length: 5 }, () => db.claim(100));
      const started = (await Promise.allSettled(starts)).filter(
        ({ status }) => status === 'fulfilled',
      ).length;
      let made = (await Promise.all(claims)).flat().length;
      for (let more = -1; more !== 0; made += more) more = (await db.claim(100)).length;
      expect(made).toBe(20);
      expect(await reserved(period)).toBe(0.06);
      const refused = (await Promise.all(users.map(ends))).flat().filter((end) => end !== 'pending');
      expect(new Set(refused)).toEqual(new Set(['budget_exhausted']));
      expect(refused.length).toBe(50 - (20 - started));
    },
  );

  test('what the budget does not allow fails, in a sentence that stays true, and has used no attempt', async () => {
    await setBudget({ day: 0.002 });
    const user = await unlimited();
    const { generation_id, job_id } = await db.start(user, LATER);
    await letThemBeDue();
    expect(await db.claim(1)).toEqual([]);
    const error_message = 'No more images could be made when this one was due: the budget was used up.';
    expect(await db.generation(generation_id)).toMatchObject({
      status: 'failed',
      error_code: 'budget_exhausted',
      error_message,
    });
    expect(await db.job(job_id)).toMatchObject({
      status: 'failed',
      attempts: 0,
      error_message,
      error_details: [{ attempt: 1, message: error_message, code: 'budget_exhausted' }],
    });
    expect([await reserved(), await usage(user)]).toEqual([0, [1, 0]]);
    await db.service('requeue_job', { p_job_id: job_id });
    expect((await db.claimOne()).id, 'an operator may have it made all the same').toBe(job_id);
    expect([await reserved(), await usage(user)]).toEqual([PRICE, [1, PRICE]]);
  });

  test('its user’s money of that day counts', async () => {
    const user = await db.createUser({ money_per_day: 0.006 });
    const { generation_id } = await db.start(user, { ...batch(3), ...LATER });
    await nextDay();
    await letThemBeDue();
    expect((await db.claim(10)).length).toBe(2);
    expect(await ends(user)).toEqual(['pending', 'pending', 'quota_exceeded']);
    expect(await usage(user)).toEqual([2, 0.006]);
    expect(await db.generation(generation_id)).toMatchObject({ reserved_usd: '0.003' });
    expect(await refusal(db.start(user))).toMatchObject({ limit: 'money_per_day' });
    const [batchRow] = await db.sql`select failed_count from public.batch_generations`;
    expect(batchRow?.failed_count).toBe(1);
  });

  test('its user’s images of that day count: what was put by on many days is not made on one', async () => {
    const user = await db.createUser({ images_per_day: 2 });
    for (let day = 0; day < 3; day++) {
      await db.start(user, { ...batch(2), ...LATER });
      await nextDay();
    }
    await letThemBeDue();
    expect((await db.claim(10)).length).toBe(2);
    expect(await ends(user)).toEqual([...Array(2).fill('pending'), ...Array(4).fill('quota_exceeded')]);
    const [failed] =
      await db.sql`select error_message from public.image_generations where error_code is not null`;
    expect(failed?.error_message).toBe('You can make 2 images a day.');
  });

  test('the requests of that minute do not', async () => {
    const user = await db.createUser({ requests_per_minute: 2 });
    for (let n = 0; n < 2; n++) await db.start(user, LATER);
    await letThemBeDue();
    expect((await db.claim(10)).length).toBe(2);
    expect(await refusal(db.start(user))).toMatchObject({ limit: 'requests_per_minute' });
  });

  test('it counts once: not again when it is tried again, nor when an operator moves it', async () => {
    await setBudget({ day: 1 });
    const user = await unlimited();
    const { job_id } = await db.start(user, LATER);
    await letThemBeDue();
    const job = await db.claimOne();
    await db.service('snooze_job', { p_job_id: job.id, p_lease: job.lease, p_seconds: 60 });
    await letThemBeDue();
    const again = await db.claimOne();
    const failed = { p_job_id: job.id, p_lease: again.lease, p_error_message: 'x', p_retry_in_seconds: 60 };
    await db.service('fail_job', failed);
    await db.sql`update public.job_queue set priority = 5, scheduled_at = now() where id = ${job_id}`;
    expect((await db.claimOne()).id).toBe(job_id);
    expect([await reserved(), await usage(user)]).toEqual([PRICE, [2, PRICE]]);
  });

  test('the price of that day counts', async () => {
    await setBudget({ day: 1 });
    await db.start(await unlimited(), LATER);
    await db.sql`update public.models set cost_per_generation = 0.5 where replicate_id = ${MODEL}`;
    await letThemBeDue();
    await db.claimOne();
    expect(await reserved()).toBe(0.5);
  });

  test('a model that has no price is refused where money is limited by then', async () => {
    await db.sql`update public.models set cost_per_generation = null where replicate_id = ${MODEL}`;
    const user = await unlimited();
    await db.start(user, LATER);
    await setBudget({ day: 1 });
    await letThemBeDue();
    expect(await db.claim(1)).toEqual([]);
    expect(await ends(user)).toEqual(['unsupported']);
  });

  test('a model that is free is not refused', async () => {
    await db.sql`update public.models set cost_per_generation = 0 where replicate_id = ${MODEL}`;
    await setBudget({ day: 1 });
    await db.start(await unlimited(), LATER);
    await letThemBeDue();
    await db.claimOne();
  });

  test('what the service puts into the queue itself is nobody’s request, and is handed out', async () => {
    await setBudget({ day: 0.001 });
    const user = await db.createUser({ images_per_day: 0, money_per_day: 0 });
    await db.service('enqueue_job', {
      p_job_type: 'generate-image',
      p_payload: { user_id: user, model_id: MODEL, prompt: 'x' },
      p_scheduled_at: LATER.scheduled_at,
    });
    await letThemBeDue();
    await db.claimOne();
  });
});
