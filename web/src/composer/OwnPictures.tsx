import type { Generation } from 'picture-queue';
import { Dialog } from '../ui/Dialog.tsx';
import { Thumbnail } from '../ui/Thumbnail.tsx';

interface OwnPicturesProps {
  own: Generation[];
  onPick: (one: Generation) => void;
  onClose: () => void;
}

/** The user's finished pictures, to choose one to start from. */
export function OwnPictures({ own, onPick, onClose }: OwnPicturesProps) {
  return (
    <Dialog title="Choose one of your pictures" size="large" onClose={onClose}>
      <ul className="own">
        {own.map((one) => {
          const [image] = one.images;
          return (
            <li key={one.id}>
              <button type="button" onClick={() => onPick(one)}>
                {image && <Thumbnail image={image} alt={one.prompt} loading="lazy" decoding="async" />}
              </button>
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}
