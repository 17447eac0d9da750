import { createHash } from 'node:crypto';
import type { Locator } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import type { TestStack } from '../../e2e/support/stack.ts';

/** A file as a file chooser gives it. */
export interface Picked {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

export const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** A PNG of one colour. */
export async function plain(name: string, background: string, width = 64, height = 48): Promise<Picked> {
  const picture = sharp({ create: { width, height, channels: 3, background } });
  return { name, mimeType: 'image/png', buffer: await picture.png().toBuffer() };
}

/** The files of a bucket's folder, the oldest first, as they are stored. */
export async function stored(stack: TestStack, bucket: string, folder: string): Promise<Buffer[]> {
  const rows = await stack.sql<{ name: string }[]>`select name from storage.objects
    where bucket_id = ${bucket} and name like ${`${folder}/%`} order by created_at`;
  const { supabaseUrl, serviceRoleKey } = stack.addresses;
  return Promise.all(
    rows.map(async ({ name }) => {
      const answer = await fetch(`${supabaseUrl}/storage/v1/object/${bucket}/${name}`, {
        headers: { apikey: serviceRoleKey, authorization: `Bearer ${serviceRoleKey}` },
      });
      expect(answer.status, name).toBe(200);
      return Buffer.from(await answer.arrayBuffer());
    }),
  );
}

/** Drops files on something, as from another window. */
export async function drop(target: Locator, files: Picked[]): Promise<void> {
  const sent = files.map(({ name, mimeType, buffer }) => ({
    name,
    mimeType,
    base64: buffer.toString('base64'),
  }));
  const transfer = await target.page().evaluateHandle((all) => {
    const data = new DataTransfer();
    for (const { name, mimeType, base64 } of all) {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      data.items.add(new File([bytes], name, { type: mimeType }));
    }
    return data;
  }, sent);
  for (const type of ['dragover', 'drop']) await target.dispatchEvent(type, { dataTransfer: transfer });
}
