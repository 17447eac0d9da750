import { createClient } from '@supabase/supabase-js';
import type { Visitor } from '../../tests/browser/support/visitor.ts';
import { call, MODEL } from '../../tests/e2e/support/user.ts';

/** Something that happens to the page, as often as one likes. */
export interface Act {
  name: string;
  /** Nobody at the page has asked for it: its longest frame counts. */
  unasked?: boolean;
  /** Before each time, not measured. */
  ready?: () => Promise<unknown>;
  /** @param n counts on from 0 */
  act: (n: number) => Promise<unknown>;
  /** After each time, not measured. */
  over?: () => Promise<unknown>;
}

/**
 * What people do with many images on the page.
 *
 * @param first the prompt of the newest of them
 */
export async function actsOf(ada: Visitor, first: string): Promise<Act[]> {
  const { page, stack } = ada;
  const { keyboard } = page;
  const { startGenerationUrl, supabaseUrl, anonKey } = stack.addresses;
  // By places and ids: to look for roles and names, the driver goes through the whole page, in the page's own thread.
  const viewer = page.locator('dialog.large');
  const card = ada.card(first);
  const targets = {
    prompt: page.getByRole('textbox', { name: 'Prompt', exact: true }),
    heart: card.getByRole('button', { name: 'Favourite' }),
    image: card.getByRole('img'),
    All: page.getByText('All', { exact: true }),
    Finished: page.getByText('Finished', { exact: true }),
    Favourites: page.getByText('Favourites', { exact: true }),
  };
  let at = { x: 0, y: 0 };
  const aim = async (what: keyof typeof targets) => {
    const target = targets[what].first();
    await target.scrollIntoViewIfNeeded();
    const box = await target.boundingBox();
    if (!box) throw new Error(`not to be seen: ${what}`);
    at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  const press = () => page.mouse.click(at.x, at.y);
  const choose = async (what: keyof typeof targets) => {
    await aim(what);
    await press();
  };
  const open = async () => {
    await choose('image');
    await viewer.waitFor();
  };
  const close = async () => {
    await keyboard.press('Escape');
    await viewer.waitFor({ state: 'detached' });
  };
  const closeOpened = async () => {
    await viewer.waitFor();
    await close();
  };
  // From elsewhere: a second page in front of it would slow it down.
  const supabase = createClient(supabaseUrl, anonKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const { email, password } = ada;
  const { data } = await supabase.auth.signInWithPassword({ email, password });
  const arrive = async () => {
    const started = await call<{ generation_id: string }>('POST', `${startGenerationUrl}/start-generation`, {
      body: { model_id: MODEL, prompt: 'An arrival' },
      headers: { authorization: `Bearer ${data.session?.access_token}` },
    });
    if (started.status !== 202) throw new Error(`the start was answered ${started.status}`);
    await page.locator(`#card-${started.body.generation_id} [aria-haspopup] img:not(.behind)`).waitFor();
  };
  return [
    {
      name: 'a letter in the prompt',
      ready: () => choose('prompt'),
      act: (n) => keyboard.press(String.fromCharCode(97 + (n % 26))),
    },
    { name: 'a favourite', ready: () => aim('heart'), act: press },
    { name: 'opening one in large', ready: () => aim('image'), act: press, over: closeOpened },
    { name: 'closing it', ready: open, act: () => keyboard.press('Escape') },
    { name: 'the next one', ready: open, act: () => keyboard.press('ArrowRight'), over: close },
    { name: 'a filter', ready: () => aim('Finished'), act: press, over: () => choose('All') },
    {
      name: 'all of them again',
      ready: async () => {
        await choose('Favourites');
        await aim('All');
      },
      act: press,
    },
    { name: 'a card that arrives: the longest frame', unasked: true, act: arrive },
  ];
}
