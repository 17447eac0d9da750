import type { Generation } from 'picture-queue';
import { useState } from 'react';
import { money } from '../lib/format.ts';
import { Button, IconButton } from '../ui/Button.tsx';
import type { IconName } from '../ui/Icon.tsx';
import { useActions, useFeed } from './feed.ts';
import { type FollowUp, modelFor } from './follow-ups.ts';

const FOLLOW_UPS: [FollowUp, IconName, string][] = [
  ['variation', 'variation', 'Variation'],
  ['upscale', 'upscale', 'Upscale'],
  ['remove_background', 'scissors', 'Remove background'],
];

/** What can be done with a finished picture: as icons on a card, with words where there is room. */
export function PictureActions({ one, words = false }: { one: Generation; words?: boolean }) {
  const actions = useActions(one);
  const { models } = useFeed();
  const [busy, setBusy] = useState<string>();
  const all: [IconName, string, string, () => unknown][] = [
    ['download', 'Download', 'Download', actions.download],
    ['link', 'Copy link', 'Copy link', actions.copyLink],
    ...FOLLOW_UPS.flatMap(([operation, icon, label]): typeof all => {
      const model = modelFor(operation, models, operation === 'variation' ? one.model_id : undefined);
      if (!model) return [];
      const price = model.price ? ` (${money(model.price.usd_per_image)})` : '';
      return [[icon, label, `${label} with ${model.name}${price}`, () => actions.make(operation)]];
    }),
    ['image', 'Use as source', 'Use as source', actions.takeAsSource],
  ];
  return (
    <fieldset className={`actions${words ? ' words' : ''}`} aria-label="Actions">
      {all.map(([icon, label, title, act]) => {
        const native = {
          icon,
          title,
          busy: busy === label,
          onClick: async () => {
            setBusy(label);
            await act();
            setBusy(undefined);
          },
        };
        return words ? (
          <Button key={label} kind="quiet" {...native}>
            {label}
          </Button>
        ) : (
          <IconButton key={label} label={label} {...native} />
        );
      })}
    </fieldset>
  );
}
