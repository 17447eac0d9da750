import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { useUploads } from '../lib/uploads.ts';
import type { Chosen } from './chosen.ts';
import { judged } from './intake.ts';

/** A file on its way to the server. */
export interface Arriving {
  key: number;
  name: string;
  /** Of this page. */
  url: string;
}

interface IntakeOptions {
  /** So many more fit. */
  room: number;
  /** So many the model takes. */
  most: number;
  /** Gets all of one gesture, in their order. */
  onTaken: (taken: Chosen[]) => void;
  onUploading: (uploading: boolean) => void;
  /** undefined: there is none any more. */
  onProblem: (error: unknown) => void;
}

/** Takes files: judges them, uploads them, and says what is wrong with the others. */
export function useIntake({ room, most, onTaken, onUploading, onProblem }: IntakeOptions) {
  const uploads = useUploads();
  const [arriving, setArriving] = useState<Arriving[]>([]);
  const running = useRef(new Map<number, AbortController>());
  const last = useRef(0);

  const over = (key: number, url: string) => {
    running.current.delete(key);
    URL.revokeObjectURL(url);
    setArriving((before) => before.filter((one) => one.key !== key));
    onUploading(running.current.size > 0);
  };
  const send = async (file: File): Promise<Chosen | undefined> => {
    last.current += 1;
    const key = last.current;
    const name = file.name || 'Pasted picture';
    const url = URL.createObjectURL(file);
    const own = new AbortController();
    running.current.set(key, own);
    setArriving((before) => [...before, { key, name, url }]);
    onUploading(true);
    try {
      const made = await uploads.send(file, name, own.signal);
      return own.signal.aborted ? undefined : made;
    } catch (error) {
      if (!own.signal.aborted) onProblem(error);
      return undefined;
    } finally {
      over(key, url);
    }
  };
  /** Nothing is said while all is well. */
  const take = async (files: File[]) => {
    if (files.length === 0) return onProblem(new Error('Only PNG, JPEG and WebP pictures can be used.'));
    const { taken, why } = await judged(files, room - running.current.size, most);
    onProblem(why.length > 0 ? new Error(why.join(' ')) : undefined);
    const made = await Promise.all(taken.map(send));
    const there = made.filter((one) => one !== undefined);
    if (there.length > 0) onTaken(there);
  };
  /** One of them, or all. */
  const stop = (key?: number) => {
    for (const [one, controller] of running.current) {
      if (key !== undefined && one !== key) continue;
      controller.abort();
      // Its place is free at once.
      running.current.delete(one);
    }
  };
  const leave = useEffectEvent(stop);
  useEffect(() => () => leave(), []);
  return { arriving, take, stop };
}
