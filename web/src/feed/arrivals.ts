import type { Generation } from 'picture-queue';
import { useEffect, useMemo, useRef, useState } from 'react';
import { hasEnded } from './wording.ts';

/** A picture that takes longer is shown without waiting for it: its card says when it does not load. */
const LONGEST_MS = 20_000;

/** For so long a loaded image is kept for its card, which then shows it at once. Milliseconds. */
const KEPT_MS = 5_000;

/**
 * The generations as they are shown: one that this page has seen unfinished is finished once its image has been
 * loaded, so that no empty place says that it is done.
 */
export function useArrivals(generations: Generation[]): Generation[] {
  /** Seen unfinished, and not arrived yet. */
  const [expected, expect] = useState<ReadonlySet<string>>(new Set());
  const loading = useRef(new Set<string>());

  useEffect(() => {
    const isNew = ({ id, status }: Generation) => !hasEnded(status) && !expected.has(id);
    const added = generations.filter(isNew).map(({ id }) => id);
    if (added.length > 0) expect((all) => new Set([...all, ...added]));
    for (const { id, status, images } of generations) {
      if (status !== 'completed' || !expected.has(id) || loading.current.has(id)) continue;
      loading.current.add(id);
      void loaded(images[0]?.thumbnail_url).then(() => {
        expect((all) => new Set([...all].filter((one) => one !== id)));
        loading.current.delete(id);
      });
    }
  }, [generations, expected]);

  return useMemo(
    () => generations.map((one) => (expected.has(one.id) && one.status === 'completed' ? almost(one) : one)),
    [generations, expected],
  );
}

/** On its way to this page. */
const almost = (one: Generation): Generation => ({
  ...one,
  status: 'downloading',
  progress: 100,
  images: [],
});

/** Once it can be shown, or never will be. */
async function loaded(url: string | undefined): Promise<void> {
  if (!url) return;
  const image = new Image();
  image.src = url;
  const late = new Promise<void>((resolve) => setTimeout(resolve, LONGEST_MS));
  await Promise.race([image.decode().catch(() => {}), late]);
  setTimeout(() => image.remove(), KEPT_MS);
}
