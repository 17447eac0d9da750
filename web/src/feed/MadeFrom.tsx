import type { Generation, SourceImage } from 'picture-queue';
import { usePictureQueue } from 'picture-queue/react';
import { useEffect, useId, useState } from 'react';
import type { Chosen } from '../composer/chosen.ts';
import { chosenOf } from '../composer/resolve.ts';
import { ChosenPicture } from '../composer/SourceList.tsx';
import { useUploads } from '../lib/uploads.ts';

interface MadeFromProps {
  one: Generation;
  onOpen: (id: string) => void;
}

/** The pictures that one was made from, in their order, and its mask. */
export function MadeFrom({ one, onOpen }: MadeFromProps) {
  const { sources, mask } = one;
  const heading = useId();
  if (sources.length === 0) return null;
  return (
    <section aria-labelledby={heading}>
      <h3 id={heading}>Made from</h3>
      <ol className="children">
        {sources.map((image, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the same picture may be there twice.
          <li key={index}>
            <Part
              image={image}
              name={sources.length > 1 ? `Picture ${index + 1} of ${sources.length}` : 'Picture'}
              onOpen={onOpen}
            />
          </li>
        ))}
        {mask && (
          <li>
            <Part image={mask} name="Mask" onOpen={onOpen} />
          </li>
        )}
      </ol>
    </section>
  );
}

interface PartProps {
  image: SourceImage;
  name: string;
  onOpen: (id: string) => void;
}

function Part({ image, name, onOpen }: PartProps) {
  const chosen = useChosen(image);
  if (!chosen) return <span className="source-unseen">{`${name}: deleted`}</span>;
  const picture = <ChosenPicture one={chosen} alt={`${name}: ${chosen.name}`} />;
  if (chosen.kind !== 'generation') return picture;
  return (
    <button type="button" onClick={() => onOpen(chosen.id)}>
      {picture}
    </button>
  );
}

/** undefined: it is not known yet, or gone. */
function useChosen(image: SourceImage): Chosen | undefined {
  const client = usePictureQueue();
  const uploads = useUploads();
  const [found, setFound] = useState<{ key: string; chosen: Chosen | undefined }>();
  const key = JSON.stringify(image);
  useEffect(() => {
    let isWanted = true;
    const named = JSON.parse(key) as SourceImage;
    chosenOf(named, client, uploads)
      .catch(() => undefined)
      .then((chosen) => isWanted && setFound({ key, chosen }));
    return () => {
      isWanted = false;
    };
  }, [client, uploads, key]);
  return found?.key === key ? found.chosen : undefined;
}
