import type { Generation } from 'picture-queue';
import { useState } from 'react';
import { pixelsOf } from '../composer/cost.ts';
import { Button, IconButton } from '../ui/Button.tsx';
import type { IconName } from '../ui/Icon.tsx';
import { useMessages } from '../ui/messages.tsx';
import { useActions, useFeed } from './feed.ts';
import { type FollowUp, modelFor } from './follow-ups.ts';
import { nextAfter } from './places.ts';
import { priceAgain, priceOf } from './wording.ts';

const FOLLOW_UPS: [FollowUp, IconName, string][] = [
  ['variation', 'variation', 'Variation'],
  ['upscale', 'upscale', 'Upscale'],
  ['remove_background', 'scissors', 'Remove background'],
];

interface Action {
  icon: IconName;
  label: string;
  /** What it costs. */
  price?: string;
  /** As a Button's. */
  acts?: boolean;
  title?: string;
  act: () => unknown;
}

interface PictureActionsProps {
  one: Generation;
  words?: boolean;
  /** The picture goes. */
  onRemove?: () => void;
  /** The composer is shown instead. */
  onLeave?: () => void;
}

/** What can be done with a finished picture: as icons on a card, with words where there is room. */
export function PictureActions({ one, words = false, onRemove, onLeave }: PictureActionsProps) {
  const actions = useActions(one);
  const { models, mark, archive } = useFeed();
  const { say } = useMessages();
  const isArchived = one.images.some(({ archived_at }) => archived_at !== null);
  const [busy, setBusy] = useState<string>();
  const instead = (act: () => void) => () => {
    onLeave?.();
    act();
  };
  const free: Action[] = [
    { icon: 'download', label: 'Download', act: actions.download },
    { icon: 'link', label: 'Copy link', act: actions.copyLink },
    { icon: 'image', label: 'Use as source', act: instead(actions.takeAsSource) },
    { icon: 'edit', label: 'Reuse settings', act: instead(actions.edit) },
    {
      icon: 'archive',
      label: isArchived ? 'Take out of the archive' : 'Archive',
      acts: true,
      act: () => {
        const next = nextAfter(one);
        onRemove?.();
        if (!isArchived) return archive(one, next);
        mark(one, { archived: false });
        say('Back among your pictures.');
        requestAnimationFrame(() => next?.()?.focus());
      },
    },
    {
      icon: 'remove',
      label: 'Delete',
      acts: true,
      act: () => {
        onRemove?.();
        actions.remove();
      },
    },
  ];
  const own = models.find(({ id }) => id === one.model_id);
  const again: Action[] = own
    ? [
        {
          icon: 'retry',
          label: 'Run again',
          price: priceAgain(own, one),
          title: `Run again with ${own.name} and another seed (${priceAgain(own, one)})`,
          acts: true,
          act: actions.runAgain,
        },
      ]
    : [];
  const followUps = FOLLOW_UPS.flatMap(([operation, icon, label]): Action[] => {
    const model = modelFor(operation, models, operation === 'variation' ? one.model_id : undefined);
    if (!model) return [];
    const [image] = one.images;
    const price = priceOf(model, undefined, [image && pixelsOf(image)]);
    const title = `${label} with ${model.name} (${price})`;
    return [{ icon, label, price, title, acts: true, act: () => actions.make(operation) }];
  });
  const spending = [...again, ...followUps];
  const button = ({ icon, label, price, title = label, acts = false, act }: Action) => {
    const native = {
      icon,
      title,
      acts,
      busy: busy === label,
      onClick: async () => {
        setBusy(label);
        await act();
        setBusy(undefined);
      },
    };
    return words ? (
      <Button key={label} kind="quiet" {...native}>
        {price ? `${label} · ${price}` : label}
      </Button>
    ) : (
      <IconButton key={label} label={label} note={price} {...native} />
    );
  };
  return (
    <>
      <fieldset className={`actions${words ? ' words' : ''}`} aria-label="Actions">
        {free.map(button)}
      </fieldset>
      {spending.length > 0 && (
        <fieldset className={`actions${words ? ' words' : ''}`} aria-label="Make another picture from it">
          {spending.map(button)}
        </fieldset>
      )}
    </>
  );
}
