import type { Generation } from 'picture-queue';
import { Button, IconButton } from '../ui/Button.tsx';
import { useFeed } from './feed.ts';
import { nextAfter } from './places.ts';

/** Makes a picture a favourite, or no longer. */
export function Heart({ one, words = false }: { one: Generation; words?: boolean }) {
  const { mark } = useFeed();
  const [image] = one.images;
  if (!image) return null;
  const toggle = () => {
    const next = nextAfter(one);
    mark(one, { is_favorite: !image.is_favorite });
    // Among the favourites its card goes.
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) next?.()?.focus();
    });
  };
  const pressed = { 'aria-pressed': image.is_favorite, onClick: toggle };
  return words ? (
    <span className="heart">
      <Button kind="quiet" icon="heart" {...pressed}>
        Favourite
      </Button>
    </span>
  ) : (
    <span className="heart">
      <IconButton icon="heart" label="Favourite" {...pressed} />
    </span>
  );
}
