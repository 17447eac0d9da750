import type { Generation } from 'picture-queue';
import { useState } from 'react';
import { count } from '../lib/format.ts';
import { Button } from '../ui/Button.tsx';
import { Dialog } from '../ui/Dialog.tsx';
import { Icon } from '../ui/Icon.tsx';
import { Thumbnail } from '../ui/Thumbnail.tsx';
import { useOlder } from './own-older.ts';

interface OwnPicturesProps {
  own: Generation[];
  /** So many more can be chosen. */
  room: number;
  /** The ids of those that are chosen already. */
  taken: ReadonlySet<string>;
  onPick: (all: Generation[]) => void;
  onClose: () => void;
}

/** The user's finished pictures, to choose from: one at a press, or several in the order of the presses. */
export function OwnPictures({ own, room, taken, onPick, onClose }: OwnPicturesProps) {
  const [chosen, setChosen] = useState<string[]>([]);
  const isMany = room > 1;
  const { all, hasMore, isLoading, failed, more } = useOlder(own);
  const offered = isMany ? all.filter(({ id }) => !taken.has(id)) : all;
  const press = (one: Generation) => {
    if (!isMany) return onPick([one]);
    setChosen((before) => {
      if (before.includes(one.id)) return before.filter((id) => id !== one.id);
      return before.length < room ? [...before, one.id] : before;
    });
  };
  const use = () => onPick(chosen.flatMap((id) => all.find((one) => one.id === id) ?? []));
  return (
    <Dialog
      title={isMany ? 'Choose from your pictures' : 'Choose one of your pictures'}
      size="large"
      onClose={onClose}
    >
      <ul className="own">
        {offered.map((one) => {
          const [image] = one.images;
          const at = chosen.indexOf(one.id);
          return (
            <li key={one.id}>
              <button
                type="button"
                onClick={() => press(one)}
                {...(isMany
                  ? { 'aria-pressed': at >= 0, 'aria-disabled': at < 0 && chosen.length >= room }
                  : {})}
              >
                {image && <Thumbnail image={image} alt={one.prompt} loading="lazy" decoding="async" />}
                {at >= 0 && <Icon name="check" />}
              </button>
            </li>
          );
        })}
      </ul>
      {hasMore && (
        <div className="own-foot">
          <Button busy={isLoading} onClick={() => void more()}>
            {failed ? 'That did not work: try again' : 'Show older pictures'}
          </Button>
        </div>
      )}
      {isMany && (
        <div className="own-foot">
          <p className="hint" role="status">
            {chosen.length >= room ? 'No more fit' : `${chosen.length} of ${room} chosen`}
          </p>
          <Button kind="primary" icon="check" waiting={chosen.length === 0} onClick={use}>
            {chosen.length === 0 ? 'Use them' : `Use ${count(chosen.length, 'picture')}`}
          </Button>
        </div>
      )}
    </Dialog>
  );
}
