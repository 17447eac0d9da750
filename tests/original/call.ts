/** How a call of the original's apps is described. */

/** What a value of an answer is taken for; with a question mark it may be null. */
export type Kind = 'text' | 'number' | 'boolean' | 'uuid' | 'url' | 'time' | 'list' | 'object';

export type Effect =
  | 'the generation completes'
  | 'the generation is cancelled'
  | 'the generation has failed'
  | 'the generation is gone'
  | 'the job is cancelled'
  | 'what waited of the batch is cancelled'
  | 'nothing of the batch has failed'
  | 'the batch goes on'
  | 'the batch completes'
  | 'the batch is cancelled'
  | 'the batch is gone'
  | 'the image is a favourite'
  | 'the image is public'
  | 'the image is in the archive'
  | 'the image is out of the archive'
  | 'the image has no tag'
  | 'nobody likes the image'
  | 'the image is gone'
  | 'the file is gone'
  | 'the profile has the name';

export interface Call {
  /** What the user is doing. */
  to: string;
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: unknown;
  /** `Prefer`, where supabase-js sends one. */
  prefer?: string;
  /** One row instead of a list: `.single()`. */
  single?: true;
  /** Paths into the answer. */
  reads?: Record<string, Kind | `${Kind}?`>;
  /** What later calls use of the answer. */
  keeps?: Record<string, string>;
  /** What is true soon afterwards. A write of which the app reads nothing needs it: PostgREST answers 204 to one that has reached no row, too. */
  after?: Effect;
}

/** What the user has when a story begins, beside an account. */
export type Scene =
  | 'nothing'
  | 'a completed generation'
  | 'a running generation'
  | 'a waiting generation'
  | 'an inserted generation'
  | 'a failed generation'
  | 'a batch that runs'
  | 'a batch of which one waits'
  | 'a batch of which one has failed'
  | 'a completed batch';

export interface Story {
  /** Which app, and where in it. */
  name: string;
  scene: Scene;
  calls: Call[];
}

export const REST = '/rest/v1';
export const FUNCTIONS = '/functions/v1';
export const ROW = 'return=representation';
export const QUIET = 'return=minimal';

export const PICTURE = {
  id: 'uuid',
  public_url: 'url',
  storage_path: 'text',
  prompt: 'text',
  is_favorite: 'boolean',
  width: 'number?',
  created_at: 'time',
} as const;

export const inList = (reads: Record<string, Kind | `${Kind}?`>) =>
  Object.fromEntries(Object.entries(reads).map(([path, kind]) => [`[0].${path}`, kind]));

export const MODELS: Call = {
  to: 'see the models',
  method: 'GET',
  path: `${REST}/models?select=*&is_active=eq.true&order=sort_order.asc`,
  reads: inList({
    id: 'uuid',
    name: 'text',
    display_name: 'text',
    is_default: 'boolean',
    default_steps: 'number?',
    default_guidance_scale: 'number?',
    default_width: 'number?',
    default_height: 'number?',
  }),
  keeps: { 'model.id': '[0].id', 'model.name': '[0].name' },
};
