import { randomUUID } from 'node:crypto';
import type { TestStack } from '../e2e/support/stack.ts';
import { MODEL, TestUser } from '../e2e/support/user.ts';
import type { Call, Effect, Kind, Scene } from './call.ts';

/** Sends the calls of a story, as its app does, and looks at what came of them. */

/** What stands in braces. */
export type Values = Record<string, string>;

/** The smallest PNG there is: one pixel. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=',
  'base64',
);

export class Replay {
  readonly #stack: TestStack;
  readonly user: TestUser;
  readonly values: Values;

  private constructor(stack: TestStack, user: TestUser, values: Values) {
    this.#stack = stack;
    this.user = user;
    this.values = values;
  }

  /** A new user with what the story begins with. */
  static async begin(stack: TestStack, scene: Scene): Promise<Replay> {
    const user = await TestUser.signUp(stack);
    const values = { user: user.id, token: user.token, email: `${randomUUID()}@example.com` };
    return new Replay(stack, user, { ...values, ...(await SCENES[scene](stack, user)) });
  }

  /** Sends a call. @returns what is wrong with its answer, or with what it led to; nothing where all is well */
  async send(call: Call): Promise<string | undefined> {
    try {
      // What it should give must not stand for what it did not.
      for (const name of Object.keys(call.keeps ?? {})) delete this.values[name];
      const answer = await this.#ask(call);
      if (!answer.ok) return `it is answered ${answer.status}: ${answer.text.slice(0, 300)}`;
      for (const [path, kind] of Object.entries(call.reads ?? {})) {
        const value = pick(answer.body, path);
        if (!isOf(kind, value)) return `${path || 'the answer'} is no ${kind}: ${JSON.stringify(value)}`;
      }
      for (const [name, path] of Object.entries(call.keeps ?? {})) {
        this.values[name] = String(pick(answer.body, path));
      }
      if (call.after) await this.#holds(call.after);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #ask(call: Call): Promise<{ ok: boolean; status: number; text: string; body: unknown }> {
    const { supabaseUrl, anonKey } = this.#stack.addresses;
    const bytes = call.body === 'bytes';
    const type = bytes ? 'image/png' : 'application/json';
    const body = bytes ? PIXEL : JSON.stringify(fill(call.body, this.values));
    const response = await fetch(supabaseUrl + fill(call.path, this.values), {
      method: call.method,
      headers: {
        apikey: anonKey,
        authorization: `Bearer ${this.values.token}`,
        ...(call.body === undefined ? {} : { 'content-type': type }),
        ...(call.prefer === undefined ? {} : { prefer: call.prefer }),
        ...(call.single ? { accept: 'application/vnd.pgrst.object+json' } : {}),
      },
      ...(call.body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { ok: response.ok, status: response.status, text, body: isJson && text ? JSON.parse(text) : text };
  }

  async #holds(effect: Effect): Promise<void> {
    const { generation = '', batch = '', image = '', user = '', ...more } = this.values;
    const { sql, addresses } = this.#stack;
    const status = async (id: string) =>
      (await sql`select status from public.image_generations where id = ${id}`)[0]?.status;
    const counts = async () => (await sql`select * from public.batch_generations where id = ${batch}`)[0];
    const statuses = async () =>
      (await sql`select status from public.image_generations where batch_id = ${batch}`).map(
        (row) => row.status,
      );
    const marks = async () => (await sql`select * from public.images where id = ${image}`)[0];
    const holds: Record<Effect, () => Promise<boolean>> = {
      'the generation completes': async () => (await status(generation)) === 'completed',
      'the generation is cancelled': async () => (await status(generation)) === 'cancelled',
      'the generation has failed': async () => (await status(generation)) === 'failed',
      'the generation is gone': async () => (await status(generation)) === undefined,
      'the job is cancelled': async () =>
        (await sql`select status from public.job_queue where id = ${more.job ?? ''}`)[0]?.status ===
        'cancelled',
      'the batch completes': async () => (await counts())?.status === 'completed',
      'what waited of the batch is cancelled': async () => {
        const now = await statuses();
        return !now.includes('pending') && now.includes('cancelled') && now.includes('processing');
      },
      'nothing of the batch has failed': async () =>
        (await statuses()).length > 0 && !(await statuses()).includes('failed'),
      'the batch goes on': async () => {
        const now = await counts();
        return now?.failed_count === 0 && ['processing', 'completed'].includes(now.status);
      },
      'the batch is cancelled': async () =>
        (await counts())?.status === 'cancelled' && (await statuses()).every((one) => one === 'cancelled'),
      'the batch is gone': async () => (await counts()) === undefined,
      'the image is a favourite': async () => (await marks())?.is_favorite === true,
      'the image is public': async () => (await marks())?.is_public === true,
      'the image is in the archive': async () => (await marks())?.archived_at != null,
      'the image is out of the archive': async () => (await marks())?.archived_at === null,
      'the image has no tag': async () =>
        (await sql`select from public.image_tags where image_id = ${image}`).length === 0,
      'nobody likes the image': async () =>
        (await sql`select from public.image_likes where image_id = ${image}`).length === 0,
      'the image is gone': async () => (await marks()) === undefined,
      'the file is gone': async () => {
        const file = `${addresses.supabaseUrl}/storage/v1/object/public/generated-images/${more['image.path']}`;
        return !(await fetch(file)).ok;
      },
      'the profile has the name': async () =>
        (await sql`select username from public.profiles where id = ${user}`)[0]?.username === 'grace',
    };
    await this.#stack.until(effect, async () => {
      // In place of the cron: PostgREST wakes nobody.
      if (effect.endsWith('completes')) await this.#stack.processJobs();
      return holds[effect]();
    });
  }
}

/** The scene of a story: what its user has, by name. */
const SCENES: Record<Scene, (stack: TestStack, user: TestUser) => Promise<Values>> = {
  nothing: async () => ({}),
  'a completed generation': async (stack, user) => {
    const { generation_id: generation } = await user.start({ prompt: 'A finished fox' });
    await user.completed(generation);
    const [image] = await stack.sql`
      select id, storage_path, public_url from public.images where generation_id = ${generation}`;
    return {
      generation,
      image: String(image?.id),
      'image.path': String(image?.storage_path),
      'image.url': String(image?.public_url),
    };
  },
  'a running generation': async (stack, user) => {
    const prompt = `A held fox ${randomUUID()}`;
    await stack.simulator.fault(prompt, { hold: 'run' });
    const { generation_id: generation } = await user.start({ prompt });
    await user.reaches(generation, 'processing');
    return { generation };
  },
  'a waiting generation': async (_, user) => {
    const scheduled_at = new Date(Date.now() + 3_600_000).toISOString();
    const { generation_id: generation } = await user.start({ prompt: 'A late fox', scheduled_at });
    return { generation };
  },
  'an inserted generation': async (stack, user) => {
    const [row] = await stack.sql.begin(async (sql) => {
      await sql`select set_config('request.jwt.claims', ${JSON.stringify({ sub: user.id })}, true)`;
      await sql`set local role authenticated`;
      return sql`insert into public.image_generations (user_id, prompt, model, status)
        values (${user.id}, 'A late fox', ${MODEL}, 'pending') returning id`;
    });
    return { generation: String(row?.id) };
  },
  'a failed generation': async (stack, user) => {
    const prompt = `A torn fox ${randomUUID()}`;
    await stack.simulator.fault(prompt, { error: 'E005' });
    const { generation_id: generation } = await user.start({ prompt });
    await user.reaches(generation, 'failed');
    await stack.simulator.faults([]);
    return { generation };
  },
  'a batch that runs': async (stack, user) => {
    await stack.simulator.fault('A held pair', { hold: 'run' });
    const started = await user.start({ prompt: 'A held pair', num_images: 2 });
    for (const { generation_id } of started.generations ?? [])
      await user.reaches(generation_id, 'processing');
    return { ...batch(started), generation: started.generation_id };
  },
  'a batch of which one waits': async (stack, user) => {
    await stack.simulator.fault('A held six', { hold: 'run' });
    // The plan lets five run at once.
    const values = batch(await user.start({ prompts: Array(6).fill('A held six') }));
    await stack.until('five of the batch to run and one to wait', async () => {
      const rows = await stack.sql`
        select status from public.image_generations where batch_id = ${values.batch ?? ''} order by status desc`;
      return rows.map(({ status }) => status).join() === `${'processing,'.repeat(5)}pending`;
    });
    return values;
  },
  'a batch of which one has failed': async (stack, user) => {
    await stack.simulator.fault('A torn hare', { error: 'E005' });
    const started = await user.start({ prompts: ['A whole fox', 'A torn hare'] });
    await Promise.all((started.generations ?? []).map((one) => user.ended(one.generation_id)));
    await stack.simulator.faults([]);
    return batch(started);
  },
  'a completed batch': async (_, user) => {
    const started = await user.start({ prompt: 'A pair', num_images: 2, model_id: MODEL });
    await Promise.all((started.generations ?? []).map((one) => user.completed(one.generation_id)));
    return batch(started);
  },
};

const batch = (started: { batch_id?: string }): Values => ({ batch: started.batch_id ?? '' });

/** Fills in what stands in braces, anywhere in a path or a body. */
export function fill<T>(into: T, values: Values): T {
  if (typeof into === 'string') {
    return into.replace(/\{([\w.]+)\}/g, (_, name: string) => {
      const value = values[name];
      if (value === undefined) throw new Error(`an earlier call gave no {${name}}`);
      return value;
    }) as T;
  }
  if (Array.isArray(into)) return into.map((one) => fill(one, values)) as T;
  if (typeof into !== 'object' || into === null) return into;
  return Object.fromEntries(Object.entries(into).map(([key, one]) => [key, fill(one, values)])) as T;
}

/** The value at a path such as `[0].images[0].public_url`; the whole for an empty one. */
function pick(from: unknown, path: string): unknown {
  const steps = path.match(/[^.[\]]+/g) ?? [];
  return steps.reduce<unknown>((value, step) => (value as Values | null | undefined)?.[step], from);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function isOf(kind: Kind | `${Kind}?`, value: unknown): boolean {
  if (kind.endsWith('?') && value === null) return true;
  switch (kind.replace('?', '') as Kind) {
    case 'uuid':
      return typeof value === 'string' && UUID.test(value);
    case 'url':
      return typeof value === 'string' && URL.canParse(value);
    case 'time':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value));
    case 'text':
      return typeof value === 'string' && value !== '';
    case 'list':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === kind.replace('?', '');
  }
}
