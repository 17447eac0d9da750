import { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';
import { launch } from './launch.ts';
import { account, Operator } from './support/operator.ts';
import { take } from './support/take.ts';
import { PHONE, Visitor, type VisitorOptions } from './support/visitor.ts';

/** `npm run screenshots`: the dashboard of a queue that has been busy for an hour. Look at each before it is committed. */

const WAITING = 14;
const stack = await TestStack.start({ env: { SIMULATOR_GENERATION_MS: '200' } });
const browser = await launch();
const scene = {
  stack,
  visit: (options?: VisitorOptions) => Visitor.arrive(browser, stack, options),
  member: (options?: VisitorOptions) => Visitor.arrive(browser, stack, options),
};
try {
  await history();
  const users = await Promise.all([1, 2, 3].map(() => TestUser.signUp(stack)));
  const [bob] = users;
  if (!bob) throw new Error('nobody has signed up');
  const prompt = 'A red fox in fresh snow, morning light';
  const { generation_id: story } = await bob.start({ prompt, seed: 25 });
  await bob.completed(story);
  await stack.simulator.faults([
    { match: { prompt: 'refused' }, fault: { error: 'NSFW' } },
    { match: { prompt: 'long' }, fault: { hold: 'run' } },
  ]);
  await bob.ended((await bob.start({ prompt: 'A portrait that is refused' })).generation_id);
  for (const user of users)
    for (let n = 0; n < WAITING; n += 1) await user.start({ prompt: `A long panorama, part ${n}` });
  await stack.sql`update private.settings set budget_per_day_usd = 20, budget_per_month_usd = 400`;
  await stack.sql`update private.provider_pause set paused_types = '{process-webhook}'`;
  await stack.sweep();

  const ada = await arrive({ email: 'ada@example.com' });
  const { page } = ada;
  await page.getByRole('img', { name: /^Run\. / }).waitFor();
  await page.mouse.move(0, 0);
  await take(page, 'dashboard-overview');
  await page.emulateMedia({ colorScheme: 'dark' });
  const charts = page.getByRole('region', { name: 'Over time' });
  await charts.evaluate((element) => element.scrollIntoView({ block: 'center' }));
  await take(page, 'dashboard-charts');
  await page.emulateMedia({ colorScheme: 'light' });
  await ada.open('jobs?state=running', 'Jobs');
  await page
    .getByRole('button', { name: /^Cancel job/ })
    .nth(2)
    .waitFor();
  await take(page, 'dashboard-jobs');
  await ada.open(`generation/${story}`, 'Generation');
  await page.getByRole('img', { name: 'What was made' }).waitFor();
  await take(page, 'dashboard-generation');
  await page.getByRole('link', { name: 'Overview', exact: true }).click();
  await page.getByRole('button', { name: 'Pause generate-image jobs' }).click();
  await page.getByLabel('Reason').fill('The provider changes its prices at noon');
  await take(page, 'dashboard-action');

  const phone = await arrive({ viewport: PHONE, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
  await phone.page.getByRole('list', { name: 'In numbers' }).waitFor();
  await take(phone.page, 'dashboard-phone');
} finally {
  await browser.close();
  await stack.stop();
}

async function arrive(options: VisitorOptions): Promise<Operator> {
  const operator = await Operator.arrive(scene, options);
  // The place for a scroll bar, which no screenshot shows.
  await operator.page.evaluate(() => document.documentElement.style.setProperty('scrollbar-gutter', 'auto'));
  return operator;
}

/** An hour of jobs that have ended: busier towards the middle, one in thirty failed. Rolled up as the cron does. */
async function history(): Promise<void> {
  const { id } = await account(stack);
  await stack.sql`update private.roll_up set counted_until = now() - interval '62 minutes'`;
  await stack.sql`
    insert into private.finished_jobs (id, seq, created_at, scheduled_at, lease, priority, attempts, max_attempts,
      job_type, payload, fair_key, started_at, completed_at, status)
    select gen_random_uuid(), n, ended - interval '9 seconds', ended - interval '9 seconds', 1, 0, 1, 3,
      'generate-image', jsonb_build_object('model_id', ${MODEL}::text), ${id}::uuid,
      ended - make_interval(secs => 4 + 2 * sin(n / 40.0) + (n * 7919 % 10) / 4.0), ended,
      case when n % 30 = 0 then 'failed' else 'completed' end
    from (
      select n, now() - make_interval(secs => 3600 - 3600 * (n / 900.0 + 0.05 * sin(n / 60.0))) as ended
      from generate_series(1, 880) as n
    ) as ends`;
  await stack.sweep();
}
