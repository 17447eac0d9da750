import type { Generation } from 'picture-queue';
import { useState } from 'react';
import { Button, IconButton } from '../ui/Button.tsx';
import type { IconName } from '../ui/Icon.tsx';
import { useActions, useFeed } from './feed.ts';
import { type FollowUp, modelFor } from './follow-ups.ts';
import { priceOf } from './wording.ts';

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
  const { models } = useFeed();
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
          price: priceOf(own),
          title: `Run again with ${own.name} and another seed (${priceOf(own)})`,
          acts: true,
          act: actions.runAgain,
        },
      ]
    : [];
  const followUps = FOLLOW_UPS.flatMap(([operation, icon, label]): Action[] => {
    const model = modelFor(operation, models, operation === 'variation' ? one.model_id : undefined);
    if (!model) return [];
    const price = priceOf(model);
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
