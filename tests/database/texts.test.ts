import { expect, test } from 'vitest';
import { Database } from './support.ts';

// Texts from outside that may be a uuid or a time. Postgres 16 can be asked whether they are; where it cannot,
// the answers must be the same.

const db = await Database.open();

const UUID = 'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11';
const UUIDS = [
  UUID,
  UUID.replaceAll('-', ''),
  `{${UUID}}`,
  `{${UUID.replaceAll('-', '')}}`,
  'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11',
  'a0eebc999c0b4ef8-bb6d6bb9bd380a11',
];
const NO_UUIDS = [
  '',
  ' ',
  '-',
  '{}',
  UUID.slice(1),
  `${UUID}0`,
  `-${UUID}`,
  `${UUID}-`,
  `{${UUID}`,
  `${UUID}}`,
  ` ${UUID}`,
  `${UUID}\n`,
  `${UUID.slice(0, -1)}g`,
  `${UUID.slice(0, 8)}--${UUID.slice(9)}`,
  `${UUID.slice(0, 7)}-${UUID.slice(7)}`,
  UUID.replace('-', '–'),
  '٠'.repeat(32),
  'a'.repeat(100_000),
];

test.each([...UUIDS, ...NO_UUIDS])('as_uuid of %j is what Postgres reads', async (text) => {
  const [row] = await db.sql`select private.as_uuid(${text}::text)::text as uuid`;
  const cast = await db.sql`select ${text}::text::uuid::text as uuid`.catch(() => [{ uuid: null }]);
  expect(row?.uuid).toBe(cast[0]?.uuid);
  expect(row?.uuid !== null).toBe(UUIDS.includes(text));
});

test('as_uuid of no text is no uuid', async () => {
  expect(await db.sql`select private.as_uuid(null) as uuid`).toEqual([{ uuid: null }]);
});

test.each([
  ['2026-01-02T03:04:05Z', true],
  ['2026-01-02 03:04:05.123456+05:30', true],
  ['2026-13-02T03:04:05Z', false],
  ['2026-02-30T03:04:05Z', false],
  ['2026-01-02T25:04:05Z', false],
  ['2026-01-02T03:04:05 Mars/Olympus', false],
  ['2026-01-02T03:04:05+99:99', false],
  ['9999999-01-02T03:04:05Z', false],
  ['2026-01-02T', false],
  ['tomorrow-ish', false],
  ['', false],
])('as_timestamptz of %j', async (text, isTime) => {
  const [row] = await db.sql`select private.as_timestamptz(${text}::text) as at`;
  expect(row?.at instanceof Date).toBe(isTime);
});
