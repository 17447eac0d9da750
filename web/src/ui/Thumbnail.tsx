import type { GeneratedImage } from 'picture-queue';
import { type ComponentProps, useState } from 'react';

interface ThumbnailProps extends Omit<ComponentProps<'img'>, 'src' | 'onError'> {
  image: GeneratedImage;
  /** The picture itself does not load either. */
  onBroken?: () => void;
}

/** A picture as small as it is shown; itself where its small version does not load. */
export function Thumbnail({ image, onBroken, alt, ...native }: ThumbnailProps) {
  const [missing, setMissing] = useState<string>();
  const src = missing === image.thumbnail_url ? image.url : image.thumbnail_url;
  return (
    <img
      {...native}
      src={src}
      alt={alt}
      onError={() => (src === image.url ? onBroken?.() : setMissing(image.thumbnail_url))}
    />
  );
}
