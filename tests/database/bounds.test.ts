import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Database, MODEL, refusal } from './support.ts';

// docs/reference/bounds.md is written from the constants of the Worker's parsers. SQL has the same bounds in the same units:
// each one is tried at, below and above it.

const db = await Database.open();
const MARKDOWN = fs.readFileSync(new URL('../../docs/reference/bounds.md', import.meta.url), 'utf8');

interface Bound {
  member: string;
  kind: string;
  unit: string;
  least: number | undefined;
  most: number | undefined;
}

function table(title: string): Bound[] {
  const part = MARKDOWN.split(/^## /m).find((one) => one.startsWith(title)) ?? '';
  const number = (text = '') => (text === '' ? undefined : Number(text));
  return part
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [member, kind, unit, least, most] = line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()) as string[];
      const name = member?.match(/`([\w.]+)`/)?.[1] ?? '';
      return { member: name, kind: kind ?? '', unit: unit ?? '', least: number(least), most: number(most) };
    });
}

/** One, two and four bytes a character, and two in JSON. */
const CHARACTERS = ['x', 'é', '😀', '"', '\\', '\u0001'];
const FAR = new Date(Date.now() + 3e8).toISOString();
const SOURCE = { source_image_url: 'https://example.com/a.png' };

/** Values of a member that are accepted and that are refused. */
function around({ member, kind, unit, least = 0, most = 0 }: Bound): { good: unknown[]; bad: unknown[] } {
  const bad: unknown[] = [[], {}, true, kind === 'whole' || kind === 'number' ? '20' : 7];
  if (kind === 'text') {
    const good = CHARACTERS.flatMap((one) => [one.repeat(most), one]);
    const over = CHARACTERS.map((one) => one.repeat(most + 1));
    if (least > 0) over.push('');
    // Known names alone are models.
    return { good: member === 'model_id' ? [MODEL] : good, bad: [...over, ...bad] };
  }
  if (kind === 'whole') {
    const good = [least, most, Math.floor((least + most) / 2)];
    return { good, bad: [least - 1, most + 1, least + 0.5, -(2 ** 53), 1e300, ...bad] };
  }
  if (kind === 'number') {
    const exact = [`${most}.${'0'.repeat(60)}`, `${least}.${'3'.repeat(60)}`].map((text) => new Exact(text));
    return {
      good: [least, most, (least + most) / 2, ...exact],
      bad: [least - 0.01, most + 0.01, 1e300, ...bad],
    };
  }
  if (kind === 'word') {
    const words = [...unit.matchAll(/`(\w+)`/g)].map((match) => match[1]);
    return { good: words, bad: ['', 'other', words[0]?.toUpperCase(), ...bad] };
  }
  if (kind === 'https URL') {
    const url = (bytes: number, one = 'x') => {
      const start = 'https://example.com/';
      const each = Buffer.byteLength(one);
      const rest = bytes - start.length;
      return start + one.repeat(Math.floor(rest / each)) + 'x'.repeat(rest % each);
    };
    const ports = [
      'https://example.com:8443/',
      'https://a.onion/',
      'https://a.private/',
      'https://a.localdomain/',
    ];
    return {
      good: [url(most), url(most, 'é'), url(most, '😀'), 'https://example.com:443/'],
      bad: [
        url(most + 1),
        url(most + 1, 'é'),
        url(most + 2, '😀'),
        '',
        'http://example.com/',
        ...ports,
        ...bad,
      ],
    };
  }
  if (kind.startsWith('ratio')) {
    const wrong = ['', '16', ':', '16:', '01:1', '+1:1', ' 1:1', '1:1\n', '1x1', '1.5:1', '1:1:1'];
    return {
      good: [`${least}:${most}`, `${most}:${least}`, '16:9'],
      bad: [`${least - 1}:1`, `1:${most + 1}`, ...wrong, ...bad],
    };
  }
  if (kind === 'image' || kind === 'list') {
    const id = '00000000-0000-4000-8000-000000000000';
    const url = SOURCE.source_image_url;
    const wrong = [
      { source_id: 'x' },
      { source_id: [] },
      { source_image_url: 'x' },
      { ...SOURCE, source_id: id },
    ];
    const images = [
      ...wrong,
      'x',
      '',
      7,
      true,
      [],
      {},
      { source_image_url: null },
      { ...SOURCE, other: 1 },
      url,
    ];
    if (kind === 'image') return { good: [SOURCE, { ...SOURCE, source_id: null }], bad: images };
    const many = (count: number) => Array(count).fill(SOURCE);
    return {
      good: [many(least), many(most)],
      bad: [[], many(most + 1), ...images.map((one) => [SOURCE, one]), url, 7],
    };
  }
  if (kind === 'id') {
    const id = '00000000-0000-4000-8000-000000000000';
    return { good: [], bad: ['', 'x', `${id}0`, `{${id}`, `urn:uuid:{${id}}`, 'x'.repeat(most + 1), ...bad] };
  }
  if (kind.startsWith('time')) {
    const at = (text: string) => FAR.slice(0, 10) + text;
    const long = (length: number) => at(`T12:00:00.${'0'.repeat(length - 21)}Z`);
    return {
      good: [
        FAR,
        at('T12:00:00Z'),
        at(' 12:00:00+05:30'),
        at('t12:00:00z'),
        long(most),
        '1970-01-01T00:00:00Z',
      ],
      bad: [
        '',
        at(''),
        at('T12:00Z'),
        at('T12:00:00'),
        at('T24:00:00Z'),
        at('T12:61:00Z'),
        long(most + 1),
        '2999-01-01T00:00:00Z',
        'tomorrow',
        'infinity',
        '2026-02-30T00:00:00Z',
        ...bad,
      ],
    };
  }
  throw new Error(`a bound of a kind that this test does not know: ${kind}`);
}

/** A number of more digits than JavaScript has. */
class Exact {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}
/** JSON with exact numbers spelt out. */
const json = (value: unknown): string =>
  JSON.stringify(value, (_, one) => (one instanceof Exact ? `exact:${one.text}` : one)).replace(
    /"exact:([\d.]+)"/g,
    '$1',
  );

const start = (user: string, request: object) =>
  db.as('authenticated', user, async (sql) => {
    await sql`select public.start_generation(${json({ prompt: 'x', model_id: MODEL, scheduled_at: FAR, ...request })}::text::jsonb)`;
  });

// The tables are of what any request may have: a model that takes all of it.
await db.sql`update public.models set max_source_images = 10, supports_mask = true where replicate_id = ${MODEL}`;

describe('start_generation', () => {
  const bounds = table('`start_generation(p_request)`').filter(({ member }) => member !== 'num_images');
  test('every member of a request is in the table', () => {
    expect(bounds.length).toBe(24);
  });

  test.each(bounds)('$member, $kind', async (bound) => {
    const user = await db.createUser({ requests_per_minute: null, images_per_day: null });
    const { good, bad } = around(bound);
    const request = (value: unknown) => ({
      ...(['strength', 'mask'].includes(bound.member) ? SOURCE : {}),
      [bound.member]: value,
    });
    for (const value of good) {
      await expect(start(user, request(value)), json(value).slice(0, 80)).resolves.toBeUndefined();
    }
    for (const value of bad) {
      const refused = await refusal(start(user, request(value))).catch(() => undefined);
      expect(refused, json(value).slice(0, 80)).toMatchObject({ sqlstate: 'PT422' });
      // Of an image within a list or an object it says where in it.
      expect(refused?.field?.split(/[.[]/)[0], json(value).slice(0, 80)).toBe(bound.member);
    }
  });
});

describe('the request as a whole', () => {
  const deep = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
  const objects = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
  test.each<[string, object, string | undefined]>([
    ['an unknown member', { steps: 4 }, 'invalid_request'],
    ['an unknown member that is null', { steps: null }, 'invalid_request'],
    [
      'an unknown member of an item',
      { prompt: undefined, items: [{ prompt: 'x', steps: 4 }] },
      'invalid_request',
    ],
    ['too much of an unknown member', { other: 'x'.repeat(70_000) }, 'body_too_large'],
    ['too many numbers', { other: Array(30_000).fill(1.5) }, 'body_too_large'],
    ['quotes that JSON doubles', { other: '"'.repeat(40_000) }, 'body_too_large'],
    ['10 MB', { other: 'x'.repeat(10_000_000) }, 'body_too_large'],
    ['a number beyond double precision', { other: [new Exact(`2${'0'.repeat(308)}`)] }, 'invalid_request'],
    [
      'one prompt ten times',
      { prompt: undefined, items: Array(10).fill({ prompt: '😀'.repeat(4000) }) },
      undefined,
    ],
    [
      'ten long prompts',
      { prompt: undefined, items: [...'abcdefghij'].map((one) => ({ prompt: one + '😀'.repeat(3999) })) },
      'body_too_large',
    ],
    ['lists in lists', { output: deep(126) }, undefined],
    ['too many lists in lists', { other: [deep(125), deep(126)], pad: 'x'.repeat(1000) }, 'invalid_request'],
    ['objects in objects', { output: objects(126) }, undefined],
    ['too many objects in objects', { other: objects(127), pad: 'x'.repeat(1000) }, 'invalid_request'],
    [
      '20 adjustments',
      { adjustments: Array(20).fill({ field: 'x', requested: 1, used: null, reason: 'x' }) },
      undefined,
    ],
    [
      'adjustments as long as a prompt',
      { adjustments: [{ field: 'x', requested: '"'.repeat(4000) }] },
      undefined,
    ],
    ['a longer one', { adjustments: [{ field: 'x', requested: '"'.repeat(4001) }] }, 'invalid_request'],
    ['21 adjustments', { adjustments: Array(21).fill({ field: 'x' }) }, 'invalid_request'],
    ['an adjustment with more', { adjustments: [{ field: 'x', more: 1 }] }, 'invalid_request'],
    ['an adjustment of lists', { adjustments: [{ requested: [] }] }, 'invalid_request'],
    [
      'an adjustment of many digits',
      { adjustments: [{ requested: new Exact('9'.repeat(401)) }] },
      'invalid_request',
    ],
    ['an adjustment that is none', { adjustments: ['x'] }, 'invalid_request'],
  ])('%s', async (_, request, code) => {
    const call = start(await db.createUser(), request);
    if (code === undefined) await expect(call).resolves.toBeUndefined();
    else expect(await refusal(call)).toMatchObject({ code });
  });

  test('a prompt that is white space alone is none, whatever Unicode calls that', async () => {
    const user = await db.createUser();
    for (const code of [
      9, 10, 11, 12, 13, 32, 0x85, 0xa0, 0x1680, 0x2000, 0x200a, 0x2028, 0x202f, 0x205f, 0x3000,
    ]) {
      const blank = String.fromCodePoint(code).repeat(2);
      expect(await refusal(start(user, { prompt: blank })), code.toString(16)).toMatchObject({
        field: 'prompt',
      });
    }
    await expect(start(user, { prompt: '\u200b' })).resolves.toBeUndefined();
  });
});

describe('other arguments', () => {
  test('the key and the hash of a request', async () => {
    const user = await db.createUser({ requests_per_minute: null });
    const [key, hash] = table('Other arguments') as [Bound, Bound];
    expect([key.member, hash.member]).toEqual(['p_idempotency_key', 'p_request_hash']);
    const call = (k: string, h: string) =>
      db.callAs(user, 'start_generation', {
        p_request: { prompt: 'x', model_id: MODEL, scheduled_at: FAR },
        p_idempotency_key: k,
        p_request_hash: h,
      });
    await call('k'.repeat(key.most as number), 'h'.repeat(hash.most as number));
    await call('~', '!');
    for (const bad of ['', 'a b', 'é', '\n', '\u007f', 'k'.repeat((key.most as number) + 1)])
      expect(await refusal(call(bad, 'h')), bad).toMatchObject({ code: 'invalid_request' });
    for (const bad of ['', 'a b', 'é', 'h'.repeat((hash.most as number) + 1), 'ab'.repeat(1_000_000)])
      expect(await refusal(call('new', bad)), bad.slice(0, 20)).toMatchObject({ code: 'invalid_request' });
  });

  test('how many and which generations are listed', async () => {
    const user = await db.createUser();
    const named = ['p_limit', 'p_status', 'p_operation', 'p_q'];
    const bounds = table('Other arguments').filter(({ member }) => named.includes(member));
    expect(bounds.length).toBe(named.length);
    for (const bound of bounds) {
      const { good, bad } = around(bound);
      const list = (value: unknown) => db.callAs(user, 'list_generations', { [bound.member]: value });
      for (const value of good) expect(await list(value)).toHaveProperty('generations');
      for (const value of bad.filter(
        (one) => typeof one === typeof good[0] && Math.abs(Number(one) || 0) < 1e6,
      ))
        await expect(list(value), String(value)).rejects.toThrow(/must be|integer/);
    }
  });

  test('a user’s own job is judged as a start is', async () => {
    const user = await db.createUser();
    const enqueue = (payload: object) =>
      db.callAs(user, 'enqueue_job', { p_job_type: 'generate-image', p_payload: payload });
    await enqueue({ prompt: 'x', model_id: MODEL, an_unknown_member: 1 });
    for (const bad of [{ width: 15 }, { other: 'x'.repeat(70_000) }, { prompt: 'x'.repeat(4001) }])
      expect(['invalid_request', 'body_too_large']).toContain(
        (await refusal(enqueue({ prompt: 'x', model_id: MODEL, ...bad }))).code,
      );
  });
});

describe('columns that users write', () => {
  const columns = [...MARKDOWN.matchAll(/^\| `(\w+)\.(\w+)` \| characters \| (\d+) \|$/gm)];
  const written = async (): Promise<string[]> => {
    const rows = await db.sql<{ name: string }[]>`
      select distinct c.table_name || '.' || c.column_name as name from information_schema.column_privileges as c
      join information_schema.columns as d using (table_schema, table_name, column_name)
      where c.grantee in ('authenticated', 'anon') and c.privilege_type in ('INSERT', 'UPDATE')
        and c.table_schema = 'public'
        and d.data_type not in ('boolean', 'integer', 'bigint', 'uuid', 'timestamp with time zone')
        -- Bounded by triggers: tests/database/original. The address of a profile is the account's, whatever is written.
        and c.table_name not in ('image_generations', 'batch_generations', 'job_queue')
        and (c.table_name, c.column_name) <> ('profiles', 'email')`;
    return rows.map((row) => row.name);
  };

  test('all that are not of a fixed size are in the table', async () => {
    expect((await written()).sort()).toEqual(columns.map(([, t, column]) => `${t}.${column}`).sort());
  });

  test('a rating and the time of archiving', async () => {
    const user = await db.createUser();
    await db.sql`insert into public.images (user_id, storage_path, public_url) values (${user}, 'a', 'b')`;
    const write = (column: string, value: string) =>
      db.as('authenticated', user, (sql) =>
        sql.unsafe(
          `update public.images set ${column} = $1::text::${column === 'rating' ? 'int' : 'timestamptz'}
          where user_id = $2 returning id`,
          [value, user],
        ),
      );
    const bounds: [string, string[], string[]][] = [
      ['rating', ['-100', '0', '100'], ['-101', '101', '2147483647']],
      [
        'archived_at',
        ['1970-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'],
        ['1969-12-31T23:59:59Z', '10000-01-01T00:00:00Z', 'infinity', '-infinity', '0044-03-15 BC'],
      ],
    ];
    for (const [column, good, bad] of bounds) {
      for (const value of good) expect(await write(column, value), value).toHaveLength(1);
      for (const value of bad) await expect(write(column, value), value).rejects.toThrow(/check constraint/);
    }
  });

  test.each(columns.map(([, t, column, most]) => [t, column, Number(most)] as const))(
    '%s.%s',
    async (t, column, most) => {
      const user = await db.createUser();
      const write = (value: string) =>
        db.as('authenticated', user, (sql) => sql.unsafe(`update public.${t} set ${column} = $1`, [value]));
      for (const one of CHARACTERS) {
        await write(one.repeat(most));
        await expect(write(one.repeat(most + 1))).rejects.toThrow(/check constraint/);
      }
    },
  );
});
