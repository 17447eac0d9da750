import type { Client } from 'picture-queue';
import { createContext, useContext, useEffect, useState } from 'react';
import type { Auth } from '../auth/session.ts';
import type { Chosen } from '../composer/chosen.ts';
import type { Config } from './config.ts';

/** The user's uploads: sent through the API, and read from the project's Storage, where they stay for a day. */
export interface Uploads {
  /** @throws as the client's uploadSource */
  send: (file: Blob, name: string, signal?: AbortSignal) => Promise<Chosen>;
  /** The file; undefined: it is gone, or cannot be had now. */
  read: (id: string) => Promise<Blob | undefined>;
  /** The same as an address of this page. */
  show: (id: string) => Promise<string | undefined>;
  /** That address, where the file is here already. */
  known: (id: string) => string | undefined;
}

const BUCKET = 'source-images';
/** So many files are held, of up to 10 MB each: those that were used last. */
const MOST = 30;

export function createUploads(
  client: Pick<Client, 'uploadSource'>,
  config: Config,
  userId: string,
  getToken: Auth['getToken'],
): Uploads {
  const files = new Map<string, Blob>();
  const shown = new Map<string, string>();
  const keep = (id: string, file: Blob) => {
    files.delete(id);
    files.set(id, file);
    for (const old of [...files.keys()].slice(0, -MOST)) {
      files.delete(old);
      URL.revokeObjectURL(shown.get(old) ?? '');
      shown.delete(old);
    }
  };
  const storage = async (path: string, init: RequestInit = {}) => {
    const headers = { apikey: config.anon_key, authorization: `Bearer ${await getToken()}` };
    const answer = await fetch(`${config.supabase_url}/storage/v1/object/${path}`, {
      ...init,
      headers: { ...headers, ...(init.body ? { 'content-type': 'application/json' } : {}) },
    });
    return answer.ok ? answer : undefined;
  };
  const fetched = async (id: string) => {
    // Its name says its format, which nobody here knows.
    const body = JSON.stringify({ prefix: userId, search: id, limit: 1 });
    const list = await storage(`list/${BUCKET}`, { method: 'POST', body });
    const found = ((await list?.json()) ?? []) as { name: string }[];
    // Below the folder, or with it in front.
    const name = found[0]?.name.split('/').at(-1);
    if (!name?.startsWith(`${id}.`)) return undefined;
    const file = await storage(`authenticated/${BUCKET}/${userId}/${name}`);
    return file?.blob();
  };
  const addressOf = (id: string, file: Blob) => {
    const url = shown.get(id) ?? URL.createObjectURL(file);
    shown.set(id, url);
    return url;
  };
  const read = async (id: string) => {
    const known = files.get(id);
    const file = known ?? (await fetched(id).catch(() => undefined));
    if (file) keep(id, file);
    return file;
  };
  return {
    async send(file, name, signal) {
      const made = await client.uploadSource(file, signal ? { signal } : {});
      const { source_id: id, width, height, expires_at: until } = made;
      keep(id, file);
      addressOf(id, file);
      return { kind: 'upload', id, name, width, height, until };
    },
    read,
    async show(id) {
      const file = await read(id);
      return file && addressOf(id, file);
    },
    known: (id) => shown.get(id),
  };
}

const Context = createContext<Uploads | null>(null);
export const UploadsProvider = Context;

export function useUploads(): Uploads {
  const uploads = useContext(Context);
  if (!uploads) throw new Error('There is no UploadsProvider around this.');
  return uploads;
}

/** The address at which a picture is shown; undefined: not yet, or it cannot be. */
export function useShown(one: Chosen | undefined): string | undefined {
  const uploads = useUploads();
  const [found, setFound] = useState<{ id: string; url: string | undefined }>();
  const id = one?.kind === 'upload' ? one.id : undefined;
  useEffect(() => {
    if (id === undefined) return;
    let isWanted = true;
    uploads.show(id).then((url) => isWanted && setFound({ id, url }));
    return () => {
      isWanted = false;
    };
  }, [uploads, id]);
  if (id === undefined) return one?.url;
  return found?.id === id ? found.url : uploads.known(id);
}
