import type { Client } from '../client.ts';
import type { GeneratedImage, Generation } from '../types.ts';

/** What a hook has done on the server, for the others that show it with the same client. */
export interface Change {
  /** Has been started, or was to be: it counts on the plan. */
  started?: readonly string[];
  /** Had ended, and goes on as that. */
  generation?: Generation;
  /** As they are marked now. */
  images?: readonly GeneratedImage[];
  /** A generation or an image. */
  deleted?: string;
}

type Listener = (change: Change) => void;
const listeners = new WeakMap<Client, Set<Listener>>();

export function emit(client: Client, change: Change): void {
  for (const listener of [...(listeners.get(client) ?? [])]) listener(change);
}

/** @returns the function that stops it */
export function onChange(client: Client, listener: Listener): () => void {
  const all = listeners.get(client) ?? new Set();
  listeners.set(client, all.add(listener));
  return () => void all.delete(listener);
}

/** The list after the change, without what is deleted. */
export function withChange(list: Generation[], { generation, images = [], deleted }: Change): Generation[] {
  return list
    .filter(({ id }) => id !== deleted)
    .map((one) => {
      if (one.id === generation?.id) return generation;
      if (!one.images.some(({ id }) => id === deleted || images.some((image) => image.id === id))) return one;
      const left = one.images.filter(({ id }) => id !== deleted);
      return { ...one, images: left.map((image) => images.find(({ id }) => id === image.id) ?? image) };
    });
}
