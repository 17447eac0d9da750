import type { Usage } from '../../../client/src/openapi.ts';
import { count, money } from '../lib/format.ts';

/** `12 of 500 pictures today · $0.04`; without a limit `12 pictures today · $0.04`. */
export function usedLine({ plan, images, spent_usd }: Usage): string {
  const { used } = images;
  const most = plan.images_per_day;
  const pictures = most === null ? count(used, 'picture') : `${used} of ${count(most, 'picture')}`;
  return `${pictures} today · ${money(spent_usd.today)}`;
}

/** In few words: `488 left today`, `$0.04 of $5.00`; without a limit what is used, `12 made today`, `$0.04 spent`. */
export function leftParts({ images, money: spent }: Usage): [pictures: string, spent: string] {
  const made = images.left === null ? `${images.used} made today` : `${images.left} left today`;
  if (spent.left === null) return [made, `${money(spent.used)} spent`];
  return [made, `${money(spent.used)} of ${money(spent.used + spent.left)}`];
}

/** Why what is in the form is more than the plan still allows, and from when on it is not; undefined: it is not. */
export interface Excess {
  text: string;
  until: Date | undefined;
}

/** @param cost US dollars; undefined where the price is not known */
export function excessOf(usage: Usage, pictures: number, cost: number | undefined): Excess | undefined {
  const { images, money: spent } = usage;
  const until = (time: string | null) => (time === null ? undefined : new Date(time));
  if (images.left !== null && images.left < pictures) {
    const text =
      images.left === 0
        ? 'You have made as many pictures as your plan allows in a day.'
        : `Your plan has ${count(images.left, 'picture')} left today.`;
    return { text, until: until(images.resets_at) };
  }
  if (spent.left !== null && spent.left < (cost ?? 0)) {
    const text =
      spent.left <= 0
        ? 'You have spent as much as your plan allows in a day.'
        : `Your plan has ${money(spent.left)} left today.`;
    return { text, until: until(spent.resets_at) };
  }
  return undefined;
}
