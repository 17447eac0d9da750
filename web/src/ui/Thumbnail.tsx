import type { GeneratedImage } from 'picture-queue';
import { type ComponentProps, useImperativeHandle, useLayoutEffect, useRef, useState } from 'react';

interface ThumbnailProps extends Omit<ComponentProps<'img'>, 'src' | 'onError'> {
  image: GeneratedImage;
  /** The picture itself does not load either. */
  onBroken?: () => void;
}

/** A picture as small as it is shown; itself where its small version does not load. */
export function Thumbnail({ image, onBroken, alt, ref, ...native }: ThumbnailProps) {
  const own = useRef<HTMLImageElement>(null);
  useImperativeHandle<HTMLImageElement | null, HTMLImageElement | null>(ref, () => own.current);
  const [missing, setMissing] = useState<string>();
  const src = missing === image.thumbnail_url ? image.url : image.thumbnail_url;
  useLayoutEffect(() => {
    const element = own.current;
    return () => {
      // Chromium holds an image until it has been loaded, with all that it is removed with. Once it has been removed
      // it is too late: without its address it is then held for good.
      if (element?.complete === false) element.removeAttribute('src');
    };
  }, []);
  return (
    <img
      {...native}
      ref={own}
      src={src}
      alt={alt}
      onError={() => (src === image.url ? onBroken?.() : setMissing(image.thumbnail_url))}
    />
  );
}
