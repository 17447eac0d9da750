/* Written by npm run client:types from shared/src/openapi.json, which is written from the types in
 * shared/src/api: change those. */

/**
 * Where a generation is on its way: `queued`, `processing`, `downloading`, then one of the three ends.
 *
 * - `queued`: It waits for its turn, or for its next attempt.
 * - `processing`: The model has it.
 * - `downloading`: The picture is made and is being stored.
 * - `completed`: The end: there is a picture.
 * - `failed`: The end: there is none, `error` says why.
 * - `cancelled`: The end: cancelled by its user, or not started before it expired.
 */
export type Status = 'queued' | 'processing' | 'downloading' | 'completed' | 'failed' | 'cancelled';

/**
 * What is made of the prompt and the source image.
 *
 * - `generate`: A picture from the prompt alone.
 * - `variation`: A picture like the source image.
 * - `edit`: The source image, changed as the prompt says.
 * - `upscale`: The source image, larger.
 * - `remove_background`: The source image without its background.
 */
export type Operation = 'generate' | 'variation' | 'edit' | 'upscale' | 'remove_background';

/** A message of the live channel. */
export type LiveMessage = LiveGeneration | LiveReady | LiveResume;

/**
 * A head start in the queue, or the opposite; waiting makes up for it in the end.
 *
 * - `low`: After the others.
 * - `normal`: What a request has that names none.
 * - `high`: Before the others.
 */
export type Priority = 'low' | 'normal' | 'high';

/**
 * What went wrong, as a name that never changes: clients branch on it.
 *
 * - `invalid_request`: The body or a parameter is malformed or out of range.
 * - `unauthorized`: No token, or one that does not verify.
 * - `forbidden`: The user may not do this, now or at all.
 * - `not_found`: No such path, or nothing with this id that the caller may see.
 * - `unknown_model`: `model_id` names no active model.
 * - `model_unavailable`: The provider refuses the model, for the time being or for good.
 * - `method_not_allowed`: The path exists, not for this method.
 * - `conflict`: The thing is in a state that rules this out.
 * - `body_too_large`: The body is larger than is read.
 * - `unsupported_media_type`: The body is of another type than the path takes.
 * - `invalid_image`: The body is an image file that is damaged or not all there.
 * - `unsupported`: The model cannot do what is asked.
 * - `idempotency_mismatch`: The idempotency key was used with another body.
 * - `upgrade_required`: The path is for live updates, which need a WebSocket or an event stream.
 * - `quota_exceeded`: A quota of the caller is used up; `retry_after` says until when.
 * - `rate_limited`: Too many requests in a short time, whatever they ask for; `retry_after` says how long to wait.
 * - `internal_error`: A defect or a misconfiguration on our side.
 * - `budget_exhausted`: The installation's budget for the day or the month is used up, for everybody; `retry_after` says until when.
 * - `unavailable`: The database or the provider did not answer.
 */
export type ProblemCode =
  | 'invalid_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'unknown_model'
  | 'model_unavailable'
  | 'method_not_allowed'
  | 'conflict'
  | 'body_too_large'
  | 'unsupported_media_type'
  | 'invalid_image'
  | 'unsupported'
  | 'idempotency_mismatch'
  | 'upgrade_required'
  | 'quota_exceeded'
  | 'rate_limited'
  | 'internal_error'
  | 'budget_exhausted'
  | 'unavailable';

/**
 * How a generation ended.
 *
 * - `generation.completed`: There is a picture.
 * - `generation.failed`: There is none: `data.error` says why.
 * - `generation.cancelled`: Cancelled by its user, or not started before it expired.
 */
export type WebhookType = 'generation.completed' | 'generation.failed' | 'generation.cancelled';

/** Something that was asked for and changed to fit the model. */
export interface Adjustment {
  /** The request's field; `size` stands for width and height where no pixel size is known. */
  field: string;
  /** What was asked for. */
  requested: unknown;
  /** What is used instead; null if nothing is. */
  used: unknown;
  /** Why, in words a user can read. */
  reason: string;
}

/** What a cancelling came to. */
export interface Cancelled {
  /** Which one it was. */
  generation_id: string;
  /** How it ended. */
  status: Status;
}

/** What a page needs to sign somebody in. Both values are public by their nature. */
export interface Config {
  /** The origin of the Supabase project. */
  supabase_url: string;
  /** Its public key. */
  anon_key: string;
}

/** What a model does where a request does not say; null: it has no such field, or that is not known. */
export interface Defaults {
  /** Pixels. */
  width: number | null;
  /** Pixels. */
  height: number | null;
  /** Denoising steps. */
  num_inference_steps: number | null;
  /** How closely it follows the prompt. */
  guidance_scale: number | null;
  /** How much it changes a source image. */
  strength: number | null;
}

/** A stored picture. */
export interface GeneratedImage {
  /** Its id. */
  id: string;
  /** Where it is: public, at a path that cannot be guessed. */
  url: string;
  /** The file format: `webp`, `png`, `jpg`, `gif` or `svg`. */
  format: string;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** The file's size. */
  bytes: number;
}

/** One picture that was asked for, and how it stands. */
export interface Generation {
  /** Its id. */
  id: string;
  /** The batch that it belongs to; null for a single one. */
  batch_id: string | null;
  /** How it stands. */
  status: Status;
  /** Percent: 0 while it waits, 10 to 90 while the model runs, by what the model prints, 100 at the end. A retry begins at 0. */
  progress: number;
  /** Its place in the queue, 1 is next; null once it runs. */
  queue_position: number | null;
  /** Seconds until it has ended, as far as that can be told; null when it has. */
  estimated_seconds: number | null;
  /** What is made. */
  operation: Operation;
  /** The model that makes it, `owner/name`. */
  model_id: string;
  /** The prompt. */
  prompt: string;
  /** What must not be in the picture. */
  negative_prompt: string | null;
  /** Pixels: what will be made, and in the end what was made; null where that is not known yet. */
  width: number | null;
  /** Pixels, as `width`. */
  height: number | null;
  /** The seed, where one was asked for. */
  seed: number | null;
  /** What was asked for and changed to fit the model. */
  adjustments: Adjustment[];
  /** Why it failed; null unless it did. */
  error: GenerationError | null;
  /** The picture; empty until it is completed. */
  images: GeneratedImage[];
  /** What it cost, in US dollars; null where no price is known. */
  cost_usd: number | null;
  /** When it was asked for. */
  created_at: string;
  /** When its first attempt began. */
  started_at: string | null;
  /** When it ended, however it ended. */
  completed_at: string | null;
}

/** Why a generation has no picture. */
export interface GenerationError {
  /** Stable: branch on this. `content_flagged`, `out_of_memory` or `source_missing`, for instance. */
  code: string | null;
  /** A sentence for people. */
  message: string | null;
}

/** Some of the user's generations, the newest first. */
export interface GenerationPage {
  /** This page. */
  generations: Generation[];
  /** `cursor` of the next page; null: there is none. */
  next_cursor: string | null;
}

/** The service answers. */
export interface Health {
  /** Always `ok`. */
  status: 'ok';
}

/** The sizes that a model makes. */
export interface Limits {
  /** Null: not known, or taken from the source image. */
  width: SideLimits | null;
  /** Null: not known, or taken from the source image. */
  height: SideLimits | null;
}

/** Lengths of a side that a model makes, in pixels. */
export interface SideLimits {
  /** The least one; null: not known. */
  min: number | null;
  /** The greatest one; null: not known. */
  max: number | null;
  /** Where any length within the limits is made: the step between them. */
  multiple_of?: number;
}

/** How a generation stands now. The same one may come twice: of one generation, ignore what has no greater `seq` than the last one. */
export interface LiveGeneration {
  /** Always `generation`. */
  type: 'generation';
  /** Which one. */
  generation_id: string;
  /** Its batch; null for a single one. */
  batch_id: string | null;
  /** How it stands. */
  status: Status;
  /** Percent, as in a generation. */
  progress: number;
  /** Its place in the queue, 1 is next; null once it runs. */
  queue_position: number | null;
  /** Seconds until it has ended; null when it has. */
  estimated_seconds: number | null;
  /** Grows with each change of a generation, and is roughly the time in milliseconds: the greatest one seen is `since` of the next connection. */
  seq: number;
  /** Why there is none, once it has failed. */
  error?: GenerationError;
  /** Where the picture is, once it is completed. */
  image_url?: string;
}

/** The current state has been sent; from here on come changes. */
export interface LiveReady {
  /** Always `ready`. */
  type: 'ready';
  /** The greatest `seq` so far. */
  seq: number;
}

/** An event stream ends here, because its reader does not keep up or another connection needs its place. Connect again with the greatest `seq` seen: nothing is lost. */
export interface LiveResume {
  /** Always `resume`. */
  type: 'resume';
  /** The greatest `seq` that this connection has told. */
  seq: number;
}

/** A model: what it takes, what it costs and what comes out. */
export interface Model {
  /** `owner/name`: the `model_id` of a start. */
  id: string;
  /** Its name for people. */
  name: string;
  /** One line for people. */
  description: string;
  /** The provider's version; null where the provider keeps the model up to date itself. */
  version: string | null;
  /** What it is for. */
  operation: Operation;
  /** All that it can do. */
  operations: Operation[];
  /** What of a request it makes use of. */
  supports: Supports;
  /** What it does where a request does not say. */
  defaults: Defaults;
  /** The sizes that it makes. */
  limits: Limits;
  /** The file that comes out. */
  output: Output;
  /** Seconds that a picture usually takes. */
  estimated_seconds: number;
  /** What a picture costs; null where that is not known: then nobody whose money is limited may ask for it. */
  price: Price | null;
  /** Whether it may be asked for. */
  is_active: boolean;
  /** False while the provider refuses it, as far as the database knew up to a minute ago: a start is refused with `model_unavailable`. */
  is_available: boolean;
  /** Whether an app that offers no choice should take this one. */
  is_default: boolean;
}

/** What of a request a model makes use of. */
export interface Supports {
  /** `prompt`. */
  prompt: boolean;
  /** `negative_prompt`. */
  negative_prompt: boolean;
  /** `seed`. */
  seed: boolean;
  /** `num_inference_steps`; null: it has none. */
  steps: Range | null;
  /** `guidance_scale`; null: it has none. */
  guidance: Range | null;
  /** A picture to start from. */
  source_image: boolean;
  /** It does nothing without one. */
  source_image_required: boolean;
  /** `strength`. */
  strength: boolean;
  /** The values of `style`. */
  styles: string[];
  /** The shapes that it makes, such as `16:9`. */
  aspect_ratios: string[];
  /** `1024x768`; empty where any size within the limits is made, or the sizes are not known. */
  sizes: string[];
}

/** Numbers that a model accepts. */
export interface Range {
  /** The least one; null: not known. */
  min: number | null;
  /** The greatest one; null: not known. */
  max: number | null;
  /** What is used where a request does not say; null: not known. */
  default: number | null;
}

/** The file that comes out. */
export interface Output {
  /** `webp`, `png`, `jpg` or `svg`; null: not known. */
  format: string | null;
  /** What it can make; empty: not known. */
  formats: string[];
}

/** What a picture costs, by what the database charges. */
export interface Price {
  /** US dollars that a picture of the model's default size is expected to cost. */
  usd_per_image: number;
  /** US dollars of it for each megapixel, where the price depends on the size. */
  usd_per_megapixel?: number;
  /** US dollars for a second that the model runs, where the price depends on the time. */
  usd_per_second?: number;
}

/** The models that may be asked for, in order of display. */
export interface Models {
  /** All of them. */
  models: Model[];
}

/** RFC 9457 problem details, as every refusal has them. */
export interface Problem {
  /** Always `about:blank`: `code` tells problems apart. */
  type: 'about:blank';
  /** What kind of problem it is, in words. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** A sentence for people, with a way out where there is one. */
  detail: string;
  /** Stable: branch on this. Later versions may have more of them. */
  code: ProblemCode;
  /** `detail` again, for the original's clients. */
  error: string;
  /** The field of the request that is at fault. */
  field?: string;
  /** Which quota it was, with `quota_exceeded`: `requests_per_minute`, `images_per_day` or `money_per_day`. */
  limit?: string;
  /** Seconds after which trying again makes sense, as in `Retry-After`. */
  retry_after?: number;
}

/** An uploaded picture: its `source_id` goes into the body of a start. */
export interface Source {
  /** Its id, for `source_id` of a start. */
  source_id: string;
  /** What its bytes are. */
  format: 'png' | 'jpg' | 'webp';
  /** The file's size. */
  bytes: number;
  /** Pixels, as stored: a JPEG may ask to be turned. */
  width: number;
  /** Pixels. */
  height: number;
  /** Until when it can be started from, a day: RFC 3339. It is deleted when nothing needs it any more. */
  expires_at: string;
}

/** The body of a start: one prompt, the same prompt several times, or up to ten prompts. A member that is null counts as not given, and one that is not known here is ignored. */
export interface StartRequest {
  /** What to paint, or how to change the source image. 1 to 4,000 characters, not only white space. */
  prompt?: string;
  /**
   * Instead of `prompt`: a batch, 1 to 10 prompts of 1 to 4,000 characters.
   *
   * @minItems 1
   * @maxItems 10
   */
  prompts?: string[];
  /** 1 to 10 of the same prompt; with a `seed` each one takes the next seed. */
  num_images?: number;
  /** `owner/name`, from `GET /models`. */
  model_id: string;
  /** Accepted for the original's callers; the catalogue's own version is run. */
  model_version?: string;
  /** What must not be in the picture. At most 4,000 characters. */
  negative_prompt?: string;
  /** Pixels; fitted to the model, see `adjustments`. */
  width?: number;
  /** Pixels; fitted to the model, see `adjustments`. */
  height?: number;
  /** Denoising steps; more take longer. */
  num_inference_steps?: number;
  /** How closely to follow the prompt. */
  guidance_scale?: number;
  /** 0 to 4,294,967,295: equal seeds give equal pictures. */
  seed?: number;
  /** The picture to start from: a public https URL. */
  source_image_url?: string;
  /** Or the finished picture of one of the user's own generations. */
  source_generation_id?: string;
  /** Or a picture that the user has uploaded, from `POST /sources`. */
  source_id?: string;
  /** 0 to 1, where 1 changes everything; only with a picture to start from. */
  strength?: number;
  /** One of the styles that the model offers. */
  style?: string;
  /** What is made; by default what the model is for. */
  operation?: Operation;
  /** `normal` by default; the user's plan says which are allowed. */
  priority?: Priority;
  /** Not before then: RFC 3339, within a year. Quotas and budget are asked then, too. */
  scheduled_at?: string;
  /** Seconds from `scheduled_at` or now: not started by then, it is cancelled and costs nothing. */
  expires_in?: number;
  /** A public https URL that is told when the generation has ended. */
  webhook_url?: string;
}

/** The answer of a start. The first generation's members are at the top; a batch lists all of them. */
export interface Started {
  /** Always true: a refusal is a problem. */
  success: true;
  /** The generation to follow. */
  generation_id: string;
  /** Its job in the queue. */
  job_id: string;
  /** Always `queued`. */
  status: 'queued';
  /** A sentence for people. */
  message: string;
  /** Its place in the queue, 1 is next. */
  queue_position: number | null;
  /** Seconds until it has ended, as far as that can be told. */
  estimated_seconds: number | null;
  /** Where to go on. */
  urls: Urls;
  /** The batch, where there are several. */
  batch_id?: string;
  /** Every generation of the batch, the first one too, in the order of the prompts. */
  generations?: StartedGeneration[];
}

/** Where a generation is found. */
export interface Urls {
  /** `GET`: how it stands. */
  self: string;
  /** `POST`: cancels it. */
  cancel: string;
  /** `GET`: its live channel, a WebSocket or server-sent events. */
  events: string;
}

/** One generation of a start. */
export interface StartedGeneration {
  /** The generation to follow. */
  generation_id: string;
  /** Its job in the queue. */
  job_id: string;
  /** Always `queued`. */
  status: 'queued';
  /** Its place in the queue, 1 is next. */
  queue_position: number | null;
  /** Seconds until it has ended, as far as that can be told. */
  estimated_seconds: number | null;
  /** Where to go on. */
  urls: Urls;
}

/** The end of a generation. */
export interface WebhookEvent {
  /** How it ended. */
  type: WebhookType;
  /** When it ended. */
  timestamp: string;
  /** The generation as it stood then. */
  data: Generation;
}

/** Which of the generations are wanted. */
export interface ListQuery {
  /** Generations a page, 1 to 100; default 20. */
  limit?: number;
  /** Where to go on: `next_cursor` of an earlier page. */
  cursor?: string;
  /** Only those that stand so. */
  status?: Status;
  /** Only those of this batch. */
  batch_id?: string;
}
