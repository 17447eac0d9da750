import { randomUUID } from 'node:crypto';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import type { TestStack } from './stack.ts';

/** The cheapest model to make an image with here. */
export const MODEL = 'black-forest-labs/flux-schnell';

/** A generation as design and database describe it to its owner. */
export interface Generation {
  id: string;
  batch_id: string | null;
  status: string;
  progress: number;
  estimated_seconds: number | null;
  operation: string;
  width: number;
  height: number;
  seed: number | null;
  parent_id: string | null;
  source_generation_id: string | null;
  error: { code: string; message: string } | null;
  images: Image[];
  adjustments: unknown[];
  started_at: string | null;
  completed_at: string | null;
}

export interface Image {
  id: string;
  generation_id: string | null;
  url: string;
  thumbnail_url: string;
  format: string;
  width: number;
  height: number;
  bytes: number;
  is_favorite: boolean;
  is_public: boolean;
  archived_at: string | null;
}

export interface Started {
  success: true;
  generation_id: string;
  job_id: string;
  status: string;
  message: string;
  queue_position: number;
  estimated_seconds: number;
  urls: { self: string; cancel: string; events: string };
  batch_id?: string;
  generations?: { generation_id: string; job_id: string }[];
}

export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
}

/** One HTTP call; a body that is no text is sent as JSON. */
export async function call<T = Record<string, unknown>>(
  method: string,
  url: string,
  options: { body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer<T>> {
  const { body, headers = {} } = options;
  const answer = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: (text ? JSON.parse(text) : null) as T };
}

/** Somebody signed in, as an app has them. */
export class TestUser {
  readonly stack: TestStack;
  readonly supabase: SupabaseClient;
  readonly id: string;
  readonly token: string;

  private constructor(stack: TestStack, supabase: SupabaseClient, id: string, token: string) {
    this.stack = stack;
    this.supabase = supabase;
    this.id = id;
    this.token = token;
  }

  /** @param key the app's, of either kind */
  static async signUp(stack: TestStack, key = stack.addresses.anonKey): Promise<TestUser> {
    const supabase = createClient(stack.addresses.supabaseUrl, key, {
      auth: { persistSession: false, autoRefreshToken: false },
    });
    const email = `${randomUUID()}@example.com`;
    const { data, error } = await supabase.auth.signUp({ email, password: 'correct-horse-battery' });
    if (error || !data.user || !data.session) {
      throw new Error(`sign-up failed: ${error?.message ?? 'no session'}`);
    }
    return new TestUser(stack, supabase, data.user.id, data.session.access_token);
  }

  /** A call of start-generation in this user's name. */
  call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    return call<T>(method, `${this.stack.addresses.startGenerationUrl}${path}`, {
      body,
      headers: { authorization: `Bearer ${this.token}`, ...headers },
    });
  }

  /** Starts an image, or fails with what the answer said. */
  async start(request: Record<string, unknown>, headers?: Record<string, string>): Promise<Started> {
    const answer = await this.call<Started>(
      'POST',
      '/start-generation',
      { model_id: MODEL, ...request },
      headers,
    );
    if (answer.status !== 202) {
      throw new Error(`start-generation answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  async get(generationId: string): Promise<Generation> {
    const answer = await this.call<Generation>('GET', `/generations/${generationId}`);
    if (answer.status !== 200) {
      throw new Error(`GET /generations/{id} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  /** The generation once it has one of the statuses. */
  async reaches(generationId: string, ...statuses: string[]): Promise<Generation> {
    return this.stack.until(`generation ${generationId} to be ${statuses.join(' or ')}`, async () => {
      const now = await this.get(generationId);
      return statuses.includes(now.status) && now;
    });
  }

  ended(generationId: string): Promise<Generation> {
    return this.reaches(generationId, 'completed', 'failed', 'cancelled');
  }

  /** The generation, which must complete. */
  async completed(generationId: string): Promise<Generation> {
    const generation = await this.ended(generationId);
    if (generation.status !== 'completed') {
      throw new Error(`the generation should complete; it is ${JSON.stringify(generation)}`);
    }
    return generation;
  }
}
