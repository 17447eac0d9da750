import { TestStack } from '../e2e/support/stack.ts';
import { launch } from './launch.ts';
import { take } from './support/take.ts';
import { PHONE, Visitor, type VisitorOptions } from './support/visitor.ts';

/** `npm run screenshots`: the studio's main states, for docs/ and README. Look at each before it is committed. */

/** The newest last; the shape is as the form has it. */
const GALLERY: [prompt: string, shape: string][] = [
  ['A harbour at first light, fog over the water', '3:2'],
  ['An old observatory under the Milky Way', '1:1'],
  ['Terraced rice fields after the rain', '4:3'],
  ['A lighthouse on a cliff, storm clouds', '2:3'],
  ['Paper boats on a pond, watercolour', '1:1'],
  ['A red fox in fresh snow, morning light', '16:9'],
];
const SEED = 20;
const UNDERWAY = ['A greenhouse at night, lit from within', 'A tram in the rain, neon reflections'];
const BATCH = ['A market at noon', 'A market at dusk, paper lanterns', 'The empty quay at night'];
const FAILS = 'A portrait that the model refuses';

const stack = await TestStack.start({ env: { SIMULATOR_GENERATION_MS: '200' } });
const browser = await launch();
try {
  const ada = await arrive({ email: 'ada@example.com' });
  const { page } = ada;
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await take(page, 'signed-out');
  await ada.signUp();
  await page.getByRole('heading', { name: 'Your first picture is a sentence away' }).waitFor();
  await page.getByRole('button', { name: /^Model / }).waitFor();
  await take(page, 'empty');

  // With seeds, so that the next time they are the same.
  const settings = page.getByText('Advanced settings');
  await settings.click();
  for (const [index, [prompt, shape]] of GALLERY.entries()) {
    await page.getByLabel('Seed', { exact: true }).fill(String(SEED + index));
    await page.getByRole('radio', { name: shape, exact: true }).check();
    await ada.make(prompt);
    await ada.picture(prompt).waitFor();
  }
  await page.getByLabel('Seed', { exact: true }).fill('');
  await settings.click();
  await page.getByRole('radio', { name: 'Auto' }).check();
  await page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('');
  await page.getByRole('heading', { name: 'Your pictures' }).click(); // no cursor that may or may not be seen
  await take(page, 'gallery');
  await page.emulateMedia({ colorScheme: 'dark' });
  await take(page, 'dark');
  await page.emulateMedia({ colorScheme: 'light' });

  await ada.picture(GALLERY.at(-1)?.[0] ?? '').click();
  await page.getByRole('dialog', { name: 'Picture' }).waitFor();
  await take(page, 'picture');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /^Model / }).click();
  await page.getByRole('dialog', { name: 'Choose a model' }).waitFor();
  await take(page, 'models');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Your account' }).click();
  const account = page.getByRole('dialog', { name: 'Your account' });
  await account.getByText('Pictures today').waitFor();
  await take(page, 'account');
  await page.keyboard.press('Escape');

  // One at a time for this user, so that the second one is seen in line.
  await limit(ada, { running_jobs: 1 });
  await stack.simulator.fault('', { generation_ms: 8_000 });
  const [first = '', second = ''] = UNDERWAY;
  const running = await ada.make(first);
  await (await ada.make(second)).getByText('in line').waitFor();
  await running.locator('[role=progressbar]:is([aria-valuenow="50"], [aria-valuenow="55"])').waitFor();
  await take(page, 'running');
  await ada.picture(first).waitFor();

  const onPhone = { viewport: PHONE, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
  const phone = await arrive({ email: ada.email, ...onPhone });
  await phone.signIn();
  const card = phone.card(second);
  await card.locator('[role=progressbar]:is([aria-valuenow="50"], [aria-valuenow="55"])').waitFor();
  await card.evaluate((element) => element.scrollIntoView({ block: 'center' }));
  await take(phone.page, 'phone');

  const cleo = await arrive({ email: 'cleo@example.com' });
  await cleo.signUp();
  await cleo.page.getByRole('radio', { name: 'Several prompts' }).check();
  for (const [index, prompt] of BATCH.entries()) {
    if (index > 1) await cleo.page.getByRole('button', { name: 'Add a prompt' }).click();
    await cleo.page.getByRole('textbox', { name: `Prompt ${index + 1}` }).fill(prompt);
  }
  await stack.simulator.fault('quay', { hold: 'run' });
  await cleo.page.getByRole('button', { name: 'Make 3 pictures' }).click();
  await cleo.page.getByText('2 of 3 done').waitFor();
  await take(cleo.page, 'batch');
  await stack.simulator.faults([]);

  const painter = await arrive({ email: ada.email });
  await painter.signIn();
  await painter.picture(GALLERY.at(-1)?.[0] ?? '').waitFor();
  await several(painter);
  await mask(painter, GALLERY.at(-1)?.[0] ?? '');

  const bob = await arrive({ email: 'bob@example.com' });
  await bob.signUp();
  await stack.simulator.fault(FAILS, { error: 'NSFW' });
  await bob.make('Paper boats on a pond, watercolour');
  await bob.picture('Paper boats on a pond, watercolour').waitFor();
  const failed = await bob.make(FAILS);
  await failed.getByText('Failed', { exact: true }).waitFor();
  await limit(bob, { images_per_day: 1 });
  await bob.page.getByRole('textbox', { name: 'Prompt', exact: true }).fill('One more for today');
  await bob.page.getByRole('button', { name: 'Make picture' }).click();
  await bob.page.getByRole('alert').getByRole('time').waitFor();
  await take(bob.page, 'error');
} finally {
  await browser.close();
  await stack.stop();
}

async function arrive(options: VisitorOptions): Promise<Visitor> {
  const visitor = await Visitor.arrive(browser, stack, options);
  // The place for a scroll bar, which no screenshot shows.
  await visitor.page.evaluate(() => document.documentElement.style.setProperty('scrollbar-gutter', 'auto'));
  return visitor;
}

/** Three pictures of one's own in the form, in an order. */
async function several(visitor: Visitor): Promise<void> {
  const { page } = visitor;
  await visitor.choose('Nano Banana');
  const prompt = page.getByRole('textbox', { name: 'Prompt', exact: true });
  await prompt.fill('The fox of the first picture on the cliff of the second one, by the boats of the third');
  await page.getByRole('button', { name: 'Choose from yours' }).click();
  const dialog = page.getByRole('dialog', { name: 'Choose from your pictures' });
  for (const index of [5, 3, 4]) {
    await dialog.getByRole('button', { name: GALLERY[index]?.[0] ?? '' }).click();
  }
  await dialog.getByRole('button', { name: 'Use 3 pictures' }).click();
  await page.getByText('3 of 10').scrollIntoViewIfNeeded();
  await page.getByRole('list', { name: 'Pictures to start from' }).scrollIntoViewIfNeeded();
  await take(page, 'sources');
  for (let left = 3; left > 0; left -= 1) {
    await page.getByRole('button', { name: 'Remove picture 1' }).click();
  }
}

/** A part of a picture painted over. */
async function mask(visitor: Visitor, of: string): Promise<void> {
  const { page } = visitor;
  await visitor.choose('Ideogram 3.0 turbo');
  await visitor.card(of).getByRole('button', { name: 'Use as source' }).click();
  await page.getByRole('button', { name: 'Paint a mask' }).click();
  const canvas = page.getByRole('img', { name: 'What is painted' });
  const { x = 0, y = 0, width = 0, height = 0 } = (await canvas.boundingBox()) ?? {};
  const at = (left: number, top: number) => [x + width * left, y + height * top] as const;
  await page.mouse.move(...at(0.3, 0.3));
  await page.mouse.down();
  for (const [left, top] of [
    [0.38, 0.24],
    [0.46, 0.3],
    [0.44, 0.42],
    [0.34, 0.44],
    [0.3, 0.34],
    [0.4, 0.34],
  ] as const) {
    await page.mouse.move(...at(left, top), { steps: 8 });
  }
  await page.mouse.up();
  await page.getByText(/^\d+ % is made anew$/).waitFor();
  await take(page, 'mask');
}

/** Gives somebody a plan of their own. */
async function limit(
  visitor: Visitor,
  plan: { running_jobs?: number; images_per_day?: number },
): Promise<void> {
  await stack.sql`insert into private.plans ${stack.sql({ name: visitor.email, ...plan })}`;
  await stack.sql`insert into private.user_plans (user_id, plan) values (${await visitor.userId()}, ${visitor.email})`;
}
