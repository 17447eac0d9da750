import sharp from 'sharp';
import { expect } from 'vitest';
import { expectFrame } from './problem.ts';
import type { TestStack } from './stack.ts';
import type { Answer, TestUser } from './user.ts';

export const BUCKET = 'source-images';
/** Bytes of the largest upload. */
export const LIMIT = 10 * 1024 * 1024;

/** The answer to an upload. */
export interface Uploaded extends Record<string, unknown> {
  source_id: string;
  format: string;
  bytes: number;
  width: number;
  height: number;
  expires_at: string;
}

export type Sent = Uint8Array | ReadableStream | string;

/** One image of 640 × 384 pixels in each format. */
export async function pictures() {
  const noise = { type: 'gaussian' as const, mean: 120, sigma: 40 };
  const picture = sharp({ create: { width: 640, height: 384, channels: 3, background: 'teal', noise } });
  const [png, jpeg, webp] = await Promise.all([
    picture.clone().png().toBuffer(),
    picture.clone().jpeg().toBuffer(),
    picture.clone().webp().toBuffer(),
  ]);
  return { png, jpeg, webp };
}

/** Sends a body as it is; a header that is undefined is left out. */
export async function sendSource(
  user: TestUser,
  body: Sent,
  headers: Record<string, string | undefined>,
  path = '/sources',
): Promise<Answer> {
  const all = { authorization: `Bearer ${user.token}`, ...headers };
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const answer = await fetch(`${user.stack.addresses.startGenerationUrl}${path}`, {
    method: 'POST',
    headers: Object.fromEntries(given),
    body,
    duplex: 'half',
  } as RequestInit);
  const { status } = answer;
  return { status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
}

/** Uploads an image, which must be accepted. */
export async function uploadSource(user: TestUser, body: Sent, type: string | undefined): Promise<Uploaded> {
  const answer = await sendSource(user, body, { 'content-type': type });
  expect(answer.body).toMatchObject({ source_id: expect.any(String) });
  expect(answer.status).toBe(201);
  expectFrame(answer);
  return answer.body as Uploaded;
}

/** What lies in the bucket, the oldest first. */
export const storedSources = (stack: TestStack) =>
  stack.sql<{ name: string; metadata: { mimetype: string; size: number } }[]>`
    select name, metadata from storage.objects where bucket_id = ${BUCKET} order by created_at`;
