import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/**
 * The same request at both doors, POST /start-generation and start_generation with the user's own token, has the
 * same decision. Requests are made at random, each with one member at or around a bound, from a seed: a failure
 * prints seed and request, and `BOTH_DOORS_SEED=n` tries that seed again.
 */

const SEED = Number(process.env.BOTH_DOORS_SEED ?? 20261128);
const TRIES = Number(process.env.BOTH_DOORS_TRIES ?? 300);
const AT_ONCE = 4;

let stack: TestStack;
let users: TestUser[];
beforeAll(async () => {
  stack = await TestStack.start({ args: ['--no-cron'] });
  await stack.sql`insert into private.plans (name) values ('without limits')`;
  users = await Promise.all(Array.from({ length: AT_ONCE * 4 }, () => TestUser.signUp(stack)));
  await stack.sql`insert into private.user_plans (user_id, plan)
    select id, 'without limits' from auth.users`;
});
afterAll(() => stack?.stop());

/** mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A request as JSON, member by member: numbers of any spelling, escapes and half surrogates are part of it. */
type Raw = Map<string, string>;
interface Try {
  member: string;
  raw: Raw;
}

const FAR = new Date(Date.now() + 3e8).toISOString();

class Generator {
  readonly #random: () => number;
  constructor(seed: number) {
    this.#random = randomOf(seed);
  }
  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }
  whole(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  /** A text around a length in characters, spelt in one of the ways that JSON has. */
  text(most: number): string {
    const length = this.pick([0, 1, most - 1, most, most + 1, this.whole(1, most)]);
    const one = this.pick([
      'x',
      'é',
      '😀',
      '"',
      '\\',
      '\\u0001',
      '\\u00e9',
      '\\ud83d\\ude00',
      ' ',
      '\u3000',
      '\\n',
    ]);
    const json = one === '"' || one === '\\' ? `\\${one}` : one;
    return `"${json.repeat(length)}"`;
  }
  odd(): string {
    return this.pick([
      'null',
      'true',
      '7',
      '"x"',
      '""',
      '[]',
      '{}',
      '["x"]',
      '1e400',
      '-1',
      '"\\u0000"',
      '"\\ud800"',
      '"\\udc00x"',
    ]);
  }
  number(least: number, most: number): string {
    const digits = '0'.repeat(this.pick([1, 20, 50]));
    return this.pick([
      `${least}`,
      `${most}`,
      `${most + 1}`,
      `${least - 1}`,
      `${most}.${digits}`,
      `${most}.${digits}1`,
      `${least}.5`,
      `${most}e0`,
      `${most * 10}e-1`,
      `0.${digits}1`,
      '1e-400',
      '-0',
      '-0.0',
      '1e30',
      '9007199254740993',
      `${this.whole(least, most)}`,
      `"${most}"`,
    ]);
  }
  url(): string {
    const bytes = this.pick([1, 100, 2047, 2048, 2049]);
    const start = this.pick([
      'https://example.com/',
      'https://xn--bcher-kva.example/',
      'https://example.com:443/',
      'https://example.com:8443/',
      'https://a.localhost/',
      'https://a.onion/',
      'https://a.home.arpa/',
      'https://127.0.0.1/',
      'https://a.1/',
      'https://user@example.com/',
      'http://example.com/',
      'https://example/',
      'https://example.com./',
      'ftp://example.com/',
    ]);
    return JSON.stringify(start + 'x'.repeat(Math.max(0, bytes - start.length)));
  }
  /** An image as a list of them or a mask names it. */
  image(): string {
    return this.pick([
      '{"source_image_url": "https://example.com/a.png"}',
      `{"source_image_url": ${this.url()}}`,
      '{"source_image_url": "https://example.com/a.png", "source_id": null}',
      '{"source_image_url": "https://example.com/a.png", "other": null}',
      '{"source_id": "x"}',
      '"x"',
      '{}',
      'null',
    ]);
  }
  time(): string {
    const day = this.pick([FAR.slice(0, 10), '2026-02-30', '1970-01-01', '2999-01-01', '10000-01-01']);
    const clock = this.pick([
      'T12:00:00',
      't12:00:00',
      ' 12:00:00',
      'T24:00:00',
      'T12:00',
      'T23:59:60',
      'T12:60:00',
      '_12:00:00',
      '',
    ]);
    const rest = this.pick([
      'Z',
      'z',
      '+05:30',
      '-23:59',
      '+24:00',
      '',
      '.5Z',
      `.${'0'.repeat(19)}Z`,
      `.${'0'.repeat(20)}Z`,
      '.Z',
      '+0530',
    ]);
    return JSON.stringify(day + clock + rest);
  }
  id(): string {
    const id = '00000000-0000-4000-8000-0000000000Af';
    return JSON.stringify(
      this.pick([
        id,
        `{${id}}`,
        `urn:uuid:${id}`,
        id.replaceAll('-', ''),
        `${id}0`,
        `{${id}`,
        `URN:UUID:${id}`,
        `{${id.replaceAll('-', '')}}`,
        id.replace('-', ''),
        '',
        ' ',
        'x',
      ]),
    );
  }
  deep(): string {
    const depth = this.pick([1, 125, 126, 127, 128, 500]);
    const [open, close] = this.pick([
      ['[', ']'],
      ['{"a":', '}'],
    ] as const);
    return `${open.repeat(depth)}1${close.repeat(depth)}`;
  }

  request(): Try {
    const raw: Raw = new Map([
      ['model_id', '"stability-ai/sdxl"'],
      ['prompt', '"a fox"'],
      // Not to be run.
      ['scheduled_at', JSON.stringify(FAR)],
    ]);
    if (this.#random() < 0.3) raw.set('negative_prompt', '"fog"');
    if (this.#random() < 0.3) raw.set('width', '1024');
    if (this.#random() < 0.05) raw.set('an_unknown_member', '[1, {"a": "\\""}]');
    const makers: Record<string, () => string> = {
      prompt: () => this.text(4000),
      negative_prompt: () => this.text(4000),
      model_version: () => this.text(200),
      model_id: () => this.text(200),
      width: () => this.number(16, 8192),
      height: () => this.number(16, 8192),
      aspect_ratio: () =>
        this.pick(['"16:9"', '"99:1"', '"100:1"', '"0:1"', '"016:9"', '"+1:1"', '"1:1 "', '"16x9"', '1.5']),
      output_format: () => this.pick(['"webp"', '"png"', '"jpg"', '"svg"', '"jpeg"', '"PNG"', '""']),
      num_inference_steps: () => this.number(1, 500),
      guidance_scale: () => this.number(0, 100),
      seed: () => this.number(0, 4294967295),
      strength: () => this.number(0, 1),
      expires_in: () => this.number(1, 2592000),
      operation: () => this.pick(['"generate"', '"Generate"', '"paint"', '""']),
      priority: () => this.pick(['"low"', '"normal"', '"high"', '"HIGH"', '"urgent"', '""']),
      source_image_url: () => this.url(),
      webhook_url: () => this.url(),
      source_generation_id: () => this.id(),
      source_id: () => this.id(),
      sources: () =>
        `[${Array.from({ length: this.pick([0, 1, 1, 2, 10, 11]) }, () => this.image()).join()}]`,
      mask: () => this.image(),
      scale: () => this.number(1, 10),
      scheduled_at: () => this.time(),
      another_unknown_member: () => this.deep(),
      body: () => `"${'x'.repeat(this.pick([60_000, 63_000, 70_000, 200_000]))}"`,
    };
    const member = this.pick(Object.keys(makers));
    if ((member === 'strength' || member === 'mask') && this.#random() < 0.8)
      raw.set('source_image_url', '"https://example.com/a.png"');
    const value = this.#random() < 0.15 ? this.odd() : (makers[member] as () => string)();
    // A source takes the place of pixels.
    raw.set(member, value);
    return { member, raw };
  }
}

interface Decision {
  accepted: boolean;
  code?: string;
  field?: string;
  /** As it was answered, for who looks for what went wrong. */
  answer: string;
}

async function post(url: string, body: string, headers: Record<string, string>): Promise<[number, string]> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  return [answer.status, await answer.text()];
}

async function atTheWorker(user: TestUser, request: string): Promise<Decision> {
  const [status, text] = await post(`${stack.addresses.startGenerationUrl}/start-generation`, request, {
    authorization: `Bearer ${user.token}`,
  });
  const { code, field } = JSON.parse(text) as { code?: string; field?: string };
  if (status === 429) throw new Error(`the door has counted too many: ${text}`);
  return {
    accepted: status === 202,
    answer: `${status} ${text.slice(0, 300)}`,
    ...(code === undefined ? {} : { code }),
    ...(field === undefined ? {} : { field }),
  };
}

async function atPostgrest(user: TestUser, request: string): Promise<Decision> {
  const { supabaseUrl, anonKey } = stack.addresses;
  const [status, text] = await post(
    `${supabaseUrl}/rest/v1/rpc/start_generation`,
    `{"p_request": ${request}}`,
    {
      authorization: `Bearer ${user.token}`,
      apikey: anonKey,
    },
  );
  const { details, hint } = JSON.parse(text) as { code?: string; details?: string; hint?: string };
  const field = /^field=(\S+)$/.exec(hint ?? '')?.[1];
  expect(status, `no defect: ${text.slice(0, 300)}`).toBeLessThan(500);
  const ours = typeof details === 'string' && /^[a-z_]+$/.test(details);
  return {
    accepted: status === 200,
    answer: `${status} ${text.slice(0, 300)}`,
    ...(ours ? { code: details } : {}),
    ...(field === undefined ? {} : { field }),
  };
}

/** What is wrong with two decisions on one request; undefined where nothing is. */
function difference(worker: Decision, sql: Decision): string | undefined {
  // The model's own limits are the catalogue's.
  if (worker.code === 'unsupported' && sql.accepted) return undefined;
  if (worker.accepted !== sql.accepted) return 'one door accepts what the other refuses';
  if (worker.accepted || sql.code === undefined) return undefined;
  // Postgres has refused, or the Worker could not read it as JSON.
  if (worker.field === 'body') return undefined;
  if (worker.code !== sql.code) return 'the codes differ';
  if (worker.field && sql.field && worker.field !== sql.field) return 'the fields differ';
  return undefined;
}

test(`${TRIES} requests around every bound meet one decision at both doors (seed ${SEED})`, async () => {
  const generator = new Generator(SEED);
  const tries = Array.from({ length: TRIES }, () => generator.request());
  const counts = { accepted: 0, refused: 0 };
  const wrong: string[] = [];
  const one = async ({ member, raw }: Try, user: TestUser) => {
    const request = `{${[...raw].map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(', ')}}`;
    const [worker, sql] = [await atTheWorker(user, request), await atPostgrest(user, request)];
    counts[worker.accepted ? 'accepted' : 'refused']++;
    const what = difference(worker, sql);
    if (what) {
      const shown = request.length > 600 ? `${request.slice(0, 300)}…${request.slice(-300)}` : request;
      wrong.push(
        `${what} (${member}, ${request.length} characters): ${shown}\n  Worker: ${worker.answer}\n  SQL: ${sql.answer}`,
      );
    }
  };
  for (let i = 0; i < tries.length; i += AT_ONCE) {
    const users_now = (i / AT_ONCE) % 4;
    await Promise.all(
      tries.slice(i, i + AT_ONCE).map((each, n) => one(each, users[users_now * AT_ONCE + n] as TestUser)),
    );
  }
  expect(wrong.slice(0, 8).join('\n'), `${wrong.length} of ${TRIES}, seed ${SEED}`).toBe('');
  // Neither kind is rare, or the test would say nothing.
  expect(Math.min(counts.accepted, counts.refused)).toBeGreaterThan(TRIES / 5);
}, 120_000);

test('a negative prompt of 4,000 quotes is taken by both doors, also of a model that has none', async () => {
  const request = JSON.stringify({
    prompt: 'x',
    negative_prompt: '"'.repeat(4000),
    model_id: 'black-forest-labs/flux-schnell',
    scheduled_at: FAR,
  });
  const user = users[0] as TestUser;
  for (const door of [atTheWorker, atPostgrest])
    expect(await door(user, request)).toMatchObject({ accepted: true });
});

test('ten prompts of 4,000 emoji are too large at both doors', async () => {
  const prompts = [...'abcdefghij'].map((one) => one + '😀'.repeat(3999));
  const common = { model_id: 'black-forest-labs/flux-schnell', scheduled_at: FAR };
  const user = users[0] as TestUser;
  expect(await atTheWorker(user, JSON.stringify({ ...common, prompts }))).toMatchObject({
    code: 'body_too_large',
  });
  const items = prompts.map((prompt) => ({ prompt }));
  expect(await atPostgrest(user, JSON.stringify({ ...common, items }))).toMatchObject({
    code: 'body_too_large',
  });
});
