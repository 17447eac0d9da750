/* Written by npm run client:types from shared/src/http/openapi.json, which is written from the types in
 * shared/src/http/types: change those. */

/**
 * The status of a generation. `completed`, `failed` and `cancelled` are final.
 *
 * - `queued`: The generation waits in the queue, or for its next attempt.
 * - `processing`: The model is running.
 * - `downloading`: The image is made and is being stored.
 * - `completed`: The image is stored.
 * - `failed`: The generation failed; `error` says why.
 * - `cancelled`: The user cancelled the generation, or it expired before it started.
 */
export type Status = 'queued' | 'processing' | 'downloading' | 'completed' | 'failed' | 'cancelled';
/**
 * What the model does with the prompt and the source image.
 *
 * - `generate`: Makes an image from the prompt alone.
 * - `variation`: Makes an image that resembles the source image.
 * - `edit`: Changes the source image as the prompt says.
 * - `upscale`: Enlarges the source image.
 * - `remove_background`: Removes the background of the source image.
 */
export type Operation = 'generate' | 'variation' | 'edit' | 'upscale' | 'remove_background';
/**
 * A file format that some model makes.
 *
 * - `webp`: Small, and sharp enough for most.
 * - `png`: Without loss; large.
 * - `jpg`: Read by everything.
 * - `svg`: Drawn, not painted: no pixels.
 */
export type OutputFormat = 'webp' | 'png' | 'jpg' | 'svg';
/**
 * An image to start from, or a mask.
 */
export type SourceImage =
  | {
      source_image_url: string;
    }
  | {
      source_generation_id: string;
    }
  | {
      source_id: string;
    };
/**
 * A message of the live channel.
 */
export type LiveMessage = LiveGeneration | LiveReady | LiveResume;
/**
 * The colour of a mask where the model paints; the other one is kept.
 *
 * - `white`: White is painted, black is kept.
 * - `black`: Black is painted, white is kept.
 */
export type Paints = 'white' | 'black';
/**
 * The id of an upload from `POST /sources`, or an object that says which image it is.
 */
export type NamedImage = string | SourceImage;
/**
 * The priority of a request in the queue. A request that has waited long overtakes all younger ones, whatever their priority.
 *
 * - `low`: Runs after requests of normal priority.
 * - `normal`: The default.
 * - `high`: Runs before requests of normal priority.
 */
export type Priority = 'low' | 'normal' | 'high';
/**
 * A stable code of a problem, for programs.
 *
 * - `invalid_request`: The body or a parameter is malformed or out of range; `field` names it.
 * - `unauthorized`: The access token is missing or invalid.
 * - `forbidden`: The user may not do this.
 * - `not_found`: The path does not exist, or the user has nothing with this id.
 * - `unknown_model`: There is no active model with this `model_id`.
 * - `model_unavailable`: The provider refuses the model, temporarily or permanently.
 * - `method_not_allowed`: The path does not support this method.
 * - `conflict`: The current state does not allow this, for example to cancel a completed generation.
 * - `body_too_large`: The body is too large.
 * - `unsupported_media_type`: The path does not accept this type of body.
 * - `invalid_image`: The image file in the body is damaged or incomplete.
 * - `unsupported`: The model does not support what the request asks for.
 * - `content_flagged`: The operators of this installation do not let this prompt be made; `detail` may say why.
 * - `idempotency_mismatch`: The idempotency key was already used with another body.
 * - `upgrade_required`: This path needs a WebSocket or an event stream.
 * - `quota_exceeded`: The user has used up a quota; `retry_after` says how long to wait.
 * - `rate_limited`: The client sent too many requests in a short time; `retry_after` says how long to wait.
 * - `internal_error`: The server has a defect or is misconfigured.
 * - `budget_exhausted`: The budget for all users is used up for the day or the month; `retry_after` says how long to wait.
 * - `unavailable`: The database or the provider cannot be reached; `retry_after` says how long to wait.
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
  | 'content_flagged'
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
 * - `generation.completed`: The generation completed; `data.images` holds the image.
 * - `generation.failed`: The generation failed; `data.error` says why.
 * - `generation.cancelled`: The user cancelled the generation, or it expired before it started.
 */
export type WebhookType = 'generation.completed' | 'generation.failed' | 'generation.cancelled';

/**
 * All of them by name.
 */
export interface Schemas {
  Adjustment: Adjustment;
  BatchItem: BatchItem;
  Cancelled: Cancelled;
  Config: Config;
  Defaults: Defaults;
  Deleted: Deleted;
  GeneratedImage: GeneratedImage;
  Generation: Generation;
  GenerationError: GenerationError;
  GenerationPage: GenerationPage;
  Health: Health;
  ImageMarks: ImageMarks;
  ImagesMarks: ImagesMarks;
  Limits: Limits;
  LiveGeneration: LiveGeneration;
  LiveMessage: LiveMessage;
  LiveReady: LiveReady;
  LiveResume: LiveResume;
  MarkedImages: MarkedImages;
  Model: Model;
  Models: Models;
  NamedBatch: NamedBatch;
  NamedImage: NamedImage;
  Operation: Operation;
  Output: Output;
  OutputFormat: OutputFormat;
  OwnJobs: OwnJobs;
  Paints: Paints;
  Plan: Plan;
  Price: Price;
  Priority: Priority;
  Problem: Problem;
  ProblemCode: ProblemCode;
  Range: Range;
  RerunRequest: RerunRequest;
  SideLimits: SideLimits;
  Source: Source;
  SourceImage: SourceImage;
  Spent: Spent;
  StartRequest: StartRequest;
  Started: Started;
  StartedBatch: StartedBatch;
  StartedGeneration: StartedGeneration;
  Status: Status;
  Supports: Supports;
  Urls: Urls;
  Usage: Usage;
  UsedCount: UsedCount;
  UsedMoney: UsedMoney;
  WebhookEvent: WebhookEvent;
  WebhookType: WebhookType;
  Woken: Woken;
  ListQuery: ListQuery;
}
/**
 * A value of the request that was changed to fit the model.
 */
export interface Adjustment {
  /**
   * The request field. `size` stands for `width` and `height` if the size in pixels is not known.
   */
  field: string;
  /**
   * The value in the request.
   */
  requested: unknown;
  /**
   * The value that is used instead; `null` if the field is not used.
   */
  used: unknown;
  /**
   * The reason, as a sentence for the user.
   */
  reason: string;
}
/**
 * One generation of a batch that was started.
 */
export interface BatchItem {
  /**
   * The generation's id.
   */
  id: string;
  /**
   * The id of its job in the queue.
   */
  job_id: string;
  /**
   * Always `queued`.
   */
  status: 'queued';
}
/**
 * A generation that was cancelled.
 */
export interface Cancelled {
  /**
   * The generation's id.
   */
  generation_id: string;
  /**
   * The generation's status, always `cancelled`.
   */
  status: Status;
}
/**
 * What a web page needs to sign a user in. Both values are public.
 */
export interface Config {
  /**
   * The URL of the Supabase project.
   */
  supabase_url: string;
  /**
   * The project's public key.
   */
  anon_key: string;
}
/**
 * The values that a model uses for fields that a request leaves out. A value is `null` if the model does not use the field, or if its default is not known.
 */
export interface Defaults {
  /**
   * The width in pixels.
   */
  width: number | null;
  /**
   * The height in pixels.
   */
  height: number | null;
  /**
   * The number of denoising steps.
   */
  num_inference_steps: number | null;
  /**
   * How closely the image follows the prompt.
   */
  guidance_scale: number | null;
  /**
   * How much the model changes a source image.
   */
  strength: number | null;
}
/**
 * What was deleted.
 */
export interface Deleted {
  /**
   * The id of the generation or of the image.
   */
  id: string;
  /**
   * Always `true`.
   */
  deleted: true;
}
/**
 * A stored image.
 */
export interface GeneratedImage {
  /**
   * The image's id.
   */
  id: string;
  /**
   * The generation that made the image; `null` for an image that was brought in without one.
   */
  generation_id: string | null;
  /**
   * The image's URL. It is public, and its path cannot be guessed.
   */
  url: string;
  /**
   * A small version for lists and grids, as wide as the installation says. The same as `url` where it has none.
   */
  thumbnail_url: string;
  /**
   * The file format: `webp`, `png`, `jpg`, `gif` or `svg`.
   */
  format: string;
  /**
   * The width in pixels.
   */
  width: number;
  /**
   * The height in pixels.
   */
  height: number;
  /**
   * The size of the file in bytes.
   */
  bytes: number;
  /**
   * Whether the user has marked the image as a favourite.
   */
  is_favorite: boolean;
  /**
   * Whether every signed-in user may find the image.
   */
  is_public: boolean;
  /**
   * When the user archived the image; `null` if it is not archived.
   */
  archived_at: string | null;
}
/**
 * A request for one image, and its current state.
 */
export interface Generation {
  /**
   * The generation's id.
   */
  id: string;
  /**
   * The id of the batch that the generation belongs to; `null` for a single generation.
   */
  batch_id: string | null;
  /**
   * The generation's status.
   */
  status: Status;
  /**
   * The progress in percent: 0 while the generation waits, 10 to 90 while the model runs, 100 when it is completed. A retry starts again at 0.
   */
  progress: number;
  /**
   * The position in the queue; 1 is next. `null` once the generation runs.
   */
  queue_position: number | null;
  /**
   * The estimated time until the generation ends, in seconds; `null` if it has ended or cannot be estimated.
   */
  estimated_seconds: number | null;
  /**
   * What the model does.
   */
  operation: Operation;
  /**
   * The model's id, `owner/name`. Empty for a generation that was brought in without one.
   */
  model_id: string;
  /**
   * The prompt.
   */
  prompt: string;
  /**
   * What the image must not show.
   */
  negative_prompt: string | null;
  /**
   * The image's width in pixels. Until the generation is completed, this is the expected width; `null` if it is not known yet.
   */
  width: number | null;
  /**
   * The image's height in pixels, as `width`.
   */
  height: number | null;
  /**
   * The aspect ratio; `null` if the request set none, or if the model does not use it.
   */
  aspect_ratio: string | null;
  /**
   * The file format that was asked for, or the one that the model makes instead; `null` if the request set none. The format of the stored file is that of the image.
   */
  output_format: OutputFormat | null;
  /**
   * The seed that is used: the request's, or one drawn for this generation. `null` if the model takes none.
   */
  seed: number | null;
  /**
   * The number of denoising steps; `null` if the model's default is used.
   */
  num_inference_steps: number | null;
  /**
   * How closely the image follows the prompt; `null` if the model's default is used.
   */
  guidance_scale: number | null;
  /**
   * How much of the source image is changed; `null` if the model's default is used or there is no source image.
   */
  strength: number | null;
  /**
   * How many times as wide and as high as the source image; `null` if the request set none, or if the model does not use it.
   */
  scale: number | null;
  /**
   * The style; `null` if the request set none.
   */
  style: string | null;
  /**
   * The version of the model; `null` for a model that has none.
   */
  model_version: string | null;
  /**
   * The source images in their order; empty if there are none, or if they are known to be gone.
   */
  sources: SourceImage[];
  /**
   * The mask that says which part of the source image is made anew; `null` if there is none.
   */
  mask: SourceImage | null;
  /**
   * The source image, if it is a single one and a public URL.
   */
  source_image_url: string | null;
  /**
   * The generation whose image is the single source image; `null` once that generation is deleted.
   */
  source_generation_id: string | null;
  /**
   * The upload that is the single source image. It may have been deleted.
   */
  source_id: string | null;
  /**
   * The generation that this one came from: the one that it makes again, otherwise the one whose image is its first source image. It may have been deleted. `GET /generations?parent_id=` lists what came from a generation.
   */
  parent_id: string | null;
  /**
   * The values of the request that were changed to fit the model.
   */
  adjustments: Adjustment[];
  /**
   * Why the generation failed; `null` unless it did.
   */
  error: GenerationError | null;
  /**
   * The image; empty until the generation is completed.
   */
  images: GeneratedImage[];
  /**
   * The cost in US dollars; `null` if the model's price is not known.
   */
  cost_usd: number | null;
  /**
   * When the request was made.
   */
  created_at: string;
  /**
   * When the first attempt started.
   */
  started_at: string | null;
  /**
   * When the generation completed, failed or was cancelled.
   */
  completed_at: string | null;
}
/**
 * Why a generation failed.
 */
export interface GenerationError {
  /**
   * A stable code for programs, for example `content_flagged`, `out_of_memory` or `source_missing`.
   */
  code: string | null;
  /**
   * A sentence for the user.
   */
  message: string | null;
}
/**
 * A page of the user's generations, newest first.
 */
export interface GenerationPage {
  /**
   * The generations of this page. A request reads 2,000 generations at most, so with filters a page may have fewer than `limit`, or none, although more follow.
   */
  generations: Generation[];
  /**
   * Pass this as `cursor` with the same filters to get the next page; `null` on the last page.
   */
  next_cursor: string | null;
}
/**
 * The service is reachable.
 */
export interface Health {
  /**
   * Always `ok`.
   */
  status: 'ok';
}
/**
 * The marks of an image. A field that is left out or `null` stays as it is.
 */
export interface ImageMarks {
  /**
   * Whether the image is archived: put aside, but not deleted.
   */
  archived?: boolean | null;
  /**
   * Whether the image is a favourite.
   */
  is_favorite?: boolean | null;
  /**
   * Whether every signed-in user may find the image.
   */
  is_public?: boolean | null;
}
/**
 * The marks of several images. A field that is left out or `null` stays as it is.
 */
export interface ImagesMarks {
  /**
   * The ids of 1 to 100 images.
   *
   * @minItems 1
   * @maxItems 100
   */
  ids: string[];
  /**
   * Whether the images are archived: put aside, but not deleted.
   */
  archived?: boolean | null;
  /**
   * Whether the images are favourites.
   */
  is_favorite?: boolean | null;
  /**
   * Whether every signed-in user may find the images.
   */
  is_public?: boolean | null;
  /**
   * Whose images they are. Servers send it, and have to, with the project's secret key; a request with a user's token that has it is refused with `forbidden`.
   */
  user_id?: string | null;
}
/**
 * The image sizes that a model supports.
 */
export interface Limits {
  /**
   * The width; `null` if it is not known, or if the model takes it from the source image.
   */
  width: SideLimits | null;
  /**
   * The height; `null` if it is not known, or if the model takes it from the source image.
   */
  height: SideLimits | null;
}
/**
 * The lengths that a model supports for one side of an image, in pixels.
 */
export interface SideLimits {
  /**
   * The minimum; `null` if it is not known.
   */
  min: number | null;
  /**
   * The maximum; `null` if it is not known.
   */
  max: number | null;
  /**
   * The length must be a multiple of this number.
   */
  multiple_of?: number;
}
/**
 * The state of a generation. The same message may arrive twice: ignore a message whose `seq` is not greater than the last one for the same generation.
 */
export interface LiveGeneration {
  /**
   * Always `generation`.
   */
  type: 'generation';
  /**
   * The generation's id.
   */
  generation_id: string;
  /**
   * The id of the batch that the generation belongs to; `null` for a single generation.
   */
  batch_id: string | null;
  /**
   * The generation's status.
   */
  status: Status;
  /**
   * The progress in percent, as in `Generation`.
   */
  progress: number;
  /**
   * The position in the queue; 1 is next. `null` once the generation runs.
   */
  queue_position: number | null;
  /**
   * The estimated time until the generation ends, in seconds; `null` if it has ended or cannot be estimated.
   */
  estimated_seconds: number | null;
  /**
   * A number that grows with each change of a generation; roughly the time in milliseconds. Pass the greatest one that you have seen as `since` when you connect again.
   */
  seq: number;
  /**
   * Why the generation failed, if it did.
   */
  error?: GenerationError;
  /**
   * The image's URL, if the generation is completed.
   */
  image_url?: string;
}
/**
 * The current states have been sent. Only changes follow.
 */
export interface LiveReady {
  /**
   * Always `ready`.
   */
  type: 'ready';
  /**
   * The greatest `seq` so far.
   */
  seq: number;
}
/**
 * The server ends this event stream, because the reader does not keep up or another connection needs its place. Connect again with the greatest `seq` that you have seen; nothing is lost.
 */
export interface LiveResume {
  /**
   * Always `resume`.
   */
  type: 'resume';
  /**
   * The greatest `seq` that was sent on this connection.
   */
  seq: number;
}
/**
 * The images that were marked.
 */
export interface MarkedImages {
  /**
   * The images, in the order of the ids. An id that names none of the user's images is passed over.
   */
  images: GeneratedImage[];
}
/**
 * A model: what it accepts, what it costs and what it returns.
 */
export interface Model {
  /**
   * The model's id, `owner/name`. A request passes it as `model_id`.
   */
  id: string;
  /**
   * The model's display name.
   */
  name: string;
  /**
   * A one-line description.
   */
  description: string;
  /**
   * The provider's version that is run; `null` if the provider always runs the latest one.
   */
  version: string | null;
  /**
   * The default operation.
   */
  operation: Operation;
  /**
   * All operations that the model supports.
   */
  operations: Operation[];
  /**
   * The request fields that the model uses.
   */
  supports: Supports;
  /**
   * The values that the model uses for fields that a request leaves out.
   */
  defaults: Defaults;
  /**
   * The image sizes that the model supports.
   */
  limits: Limits;
  /**
   * The image file that the model returns.
   */
  output: Output;
  /**
   * How long an image usually takes, in seconds.
   */
  estimated_seconds: number;
  /**
   * The price of an image; `null` if it is not known. Users with a money limit cannot use a model without a price.
   */
  price: Price | null;
  /**
   * Whether requests may use the model.
   */
  is_active: boolean;
  /**
   * `false` while the provider refuses the model: a request for it fails with `model_unavailable`. Up to a minute old.
   */
  is_available: boolean;
  /**
   * Whether this is the model to use if your app does not let users choose.
   */
  is_default: boolean;
}
/**
 * The request fields that a model uses.
 */
export interface Supports {
  /**
   * Whether the model uses `prompt`.
   */
  prompt: boolean;
  /**
   * Whether the model uses `negative_prompt`.
   */
  negative_prompt: boolean;
  /**
   * Whether the model uses `seed`.
   */
  seed: boolean;
  /**
   * The range of `num_inference_steps`; `null` if the model does not use it.
   */
  steps: Range | null;
  /**
   * The range of `guidance_scale`; `null` if the model does not use it.
   */
  guidance: Range | null;
  /**
   * Whether the model accepts a source image without a mask. If not, and it has a `mask`, it accepts both together.
   */
  source_image: boolean;
  /**
   * How many source images the model accepts; 0 if it accepts none. With more than one they are `sources`.
   */
  max_source_images: number;
  /**
   * The colour that `mask` has where the model makes the source image anew: `white` or `black`, the other one where it is kept. `null` if the model does not use a mask.
   */
  mask: Paints | null;
  /**
   * The range of `scale`; `null` if the model does not use it.
   */
  scale: Range | null;
  /**
   * The values that the model accepts for `scale`. Empty if it accepts every value of the range, or does not use it.
   */
  scales: number[];
  /**
   * Whether the model needs a source image.
   */
  source_image_required: boolean;
  /**
   * Whether the model uses `strength`.
   */
  strength: boolean;
  /**
   * The values that the model accepts for `style`.
   */
  styles: string[];
  /**
   * The aspect ratios that the model takes as they are as `aspect_ratio`, for example `16:9`.
   */
  aspect_ratios: string[];
  /**
   * The sizes that the model supports, for example `1024x768`. Empty if the model supports every size within `limits`, or if its sizes are not known.
   */
  sizes: string[];
}
/**
 * The numbers that a model accepts.
 */
export interface Range {
  /**
   * The minimum; `null` if it is not known.
   */
  min: number | null;
  /**
   * The maximum; `null` if it is not known.
   */
  max: number | null;
  /**
   * The default; `null` if it is not known.
   */
  default: number | null;
}
/**
 * The image file that a model returns.
 */
export interface Output {
  /**
   * The default file format: `webp`, `png`, `jpg` or `svg`; `null` if it is not known.
   */
  format: string | null;
  /**
   * The file formats that can be asked for as `output_format`; empty if they are not known.
   */
  formats: string[];
}
/**
 * The price of an image, as users are charged.
 */
export interface Price {
  /**
   * The expected price of an image in the model's default size without a source image, in US dollars.
   */
  usd_per_image: number;
  /**
   * How many megapixels a source image counts at most, and as many where its size is not known, as of an upload.
   */
  max_source_megapixels?: number;
  /**
   * The price of a megapixel in US dollars, if the price depends on the size.
   */
  usd_per_megapixel?: number;
  /**
   * The price of a second that the model runs in US dollars, if the price depends on the time.
   */
  usd_per_second?: number;
  /**
   * The price of a megapixel of each source image in US dollars, rounded up, if source images cost something.
   */
  usd_per_source_megapixel?: number;
}
/**
 * The models that a request can name, in display order.
 */
export interface Models {
  /**
   * The models.
   */
  models: Model[];
}
/**
 * A batch that was started.
 */
export interface NamedBatch {
  /**
   * The batch's id.
   */
  id: string | null;
  /**
   * The name that the request gave it.
   */
  name: string | null;
  /**
   * How many generations it has.
   */
  total_count: number;
  /**
   * Its generations, in the order of the prompts.
   */
  generations: BatchItem[];
}
/**
 * Jobs that make images, by their state.
 */
export interface OwnJobs {
  /**
   * Jobs that run.
   */
  running: number;
  /**
   * Jobs that wait for their turn.
   */
  ready: number;
  /**
   * Jobs that wait until fewer of the user's jobs run.
   */
  blocked: number;
  /**
   * Jobs that wait for their time: for later, or for another attempt.
   */
  scheduled: number;
}
/**
 * What a user may do. A limit that is `null` does not exist.
 */
export interface Plan {
  /**
   * The plan's name.
   */
  name: string;
  /**
   * Requests a minute.
   */
  requests_per_minute: number | null;
  /**
   * Images a day.
   */
  images_per_day: number | null;
  /**
   * US dollars a day.
   */
  money_per_day: number | null;
  /**
   * How many images are made at the same time; further ones are blocked until one of them ends.
   */
  running_jobs: number | null;
  /**
   * The priorities that a request may have.
   */
  priorities: Priority[];
}
/**
 * An error, as RFC 9457 problem details.
 */
export interface Problem {
  /**
   * Always `about:blank`. Use `code` to tell problems apart.
   */
  type: 'about:blank';
  /**
   * A short name of the kind of problem.
   */
  title: string;
  /**
   * The HTTP status code.
   */
  status: number;
  /**
   * A sentence for the user: what went wrong and, if possible, what to do about it.
   */
  detail: string;
  /**
   * A stable code for programs. New codes may be added.
   */
  code: ProblemCode;
  /**
   * The same as `detail`, for clients of the original.
   */
  error: string;
  /**
   * The request field that caused the problem.
   */
  field?: string;
  /**
   * The quota that was exceeded, if `code` is `quota_exceeded`: `requests_per_minute`, `images_per_day` or `money_per_day`.
   */
  limit?: string;
  /**
   * How long to wait before trying again, in seconds, as in `Retry-After`.
   */
  retry_after?: number;
}
/**
 * What is to be different from the generation that is made again: fields of a start. A field that is left out is kept, and `null` takes a kept one away.
 */
export interface RerunRequest {
  /**
   * What the image shows, or how to change the source image: 1 to 4,000 characters, not only white space. A model whose `supports.prompt` is false needs none, and keeps one as a title.
   */
  prompt?: string | null;
  /**
   * A batch of 1 to 10 prompts, each 1 to 4,000 characters long. Use it instead of `prompt`.
   *
   * @minItems 1
   * @maxItems 10
   */
  prompts?: string[] | null;
  /**
   * How many images to make of `prompt`, 1 to 10. If you set a `seed`, each further image uses the next seed.
   */
  num_images?: number | null;
  /**
   * The id of a model from `GET /models`, `owner/name`.
   */
  model_id?: string;
  /**
   * Accepted for clients of the original and not used: the version in the catalogue is run, and `adjustments` of the generation tells it.
   */
  model_version?: string | null;
  /**
   * What the image must not show, at most 4,000 characters.
   */
  negative_prompt?: string | null;
  /**
   * The width in pixels. It is fitted to the model; `adjustments` of the generation lists what was changed.
   */
  width?: number | null;
  /**
   * The height in pixels, fitted to the model as `width` is.
   */
  height?: number | null;
  /**
   * The shape instead of `width` and `height`: two whole numbers from 1 to 99, such as `16:9`. It is fitted to the model, which makes about as many pixels as it does by default.
   */
  aspect_ratio?: string | null;
  /**
   * The file format. A model that does not make it makes another one; `adjustments` of the generation says which.
   */
  output_format?: OutputFormat | null;
  /**
   * The number of denoising steps. More steps take longer.
   */
  num_inference_steps?: number | null;
  /**
   * How closely the image follows the prompt.
   */
  guidance_scale?: number | null;
  /**
   * The seed, 0 to 4,294,967,295. The same request with the same seed gives the same image.
   */
  seed?: number | null;
  /**
   * The source image, as a public https URL. Set at most one of the three source fields, or `sources`.
   */
  source_image_url?: string | null;
  /**
   * The source image, as the id of one of the user's own completed generations.
   */
  source_generation_id?: string | null;
  /**
   * The source image, as the id of an upload from `POST /sources`.
   */
  source_id?: string | null;
  /**
   * Several source images in the order in which the prompt speaks of them, 1 to 10 and no more than the model's `max_source_images`. Use it instead of the three fields above.
   *
   * @minItems 1
   * @maxItems 10
   */
  sources?: NamedImage[] | null;
  /**
   * An image in black and white, as large as the source image, that says which part of it is made anew: the part that has the colour of the model's `mask`. Needs a source image.
   */
  mask?: NamedImage | null;
  /**
   * How much to change the source image, from 0 (keep it) to 1 (change everything). Needs a source image.
   */
  strength?: number | null;
  /**
   * How many times as wide and as high as the source image, for models that enlarge. It is fitted to the model; `adjustments` of the generation says what was changed. The time and the price grow with its square.
   */
  scale?: number | null;
  /**
   * One of the model's `styles`.
   */
  style?: string | null;
  /**
   * What the model does. The default is the model's default operation; of a model that generates, with a source image its `edit`, else its `variation`.
   */
  operation?: Operation | null;
  /**
   * The priority in the queue. The user's plan determines which priorities are allowed. The default is `normal`.
   */
  priority?: Priority | null;
  /**
   * The earliest time to start, within a year (RFC 3339). Quotas and budget are checked again at that time.
   */
  scheduled_at?: string | null;
  /**
   * Cancels the generation if it has not started after this many seconds, counted from `scheduled_at` or from now. It then costs nothing.
   */
  expires_in?: number | null;
  /**
   * A public https URL that receives a webhook when a generation has ended.
   */
  webhook_url?: string | null;
}
/**
 * An uploaded source image.
 */
export interface Source {
  /**
   * The upload's id. Pass it as `source_id` of a request.
   */
  source_id: string;
  /**
   * The file format, as detected from the bytes.
   */
  format: 'png' | 'jpg' | 'webp';
  /**
   * The size of the file in bytes.
   */
  bytes: number;
  /**
   * The width in pixels, as stored: a viewer may rotate a JPEG.
   */
  width: number;
  /**
   * The height in pixels, as stored.
   */
  height: number;
  /**
   * Requests can use the upload until this time, a day after the upload (RFC 3339). It is deleted afterwards, once no generation needs it.
   */
  expires_at: string;
}
/**
 * What was spent, in US dollars.
 */
export interface Spent {
  /**
   * Today (UTC).
   */
  today: number;
  /**
   * This month (UTC), today included.
   */
  this_month: number;
}
/**
 * A request for images: one prompt, one prompt several times, or up to ten prompts. A field that is `null` counts as left out. Any other field is refused.
 */
export interface StartRequest {
  /**
   * What the image shows, or how to change the source image: 1 to 4,000 characters, not only white space. A model whose `supports.prompt` is false needs none, and keeps one as a title.
   */
  prompt?: string;
  /**
   * A batch of 1 to 10 prompts, each 1 to 4,000 characters long. Use it instead of `prompt`.
   *
   * @minItems 1
   * @maxItems 10
   */
  prompts?: string[];
  /**
   * How many images to make of `prompt`, 1 to 10. If you set a `seed`, each further image uses the next seed.
   */
  num_images?: number;
  /**
   * The id of a model from `GET /models`, `owner/name`.
   */
  model_id: string;
  /**
   * Accepted for clients of the original and not used: the version in the catalogue is run, and `adjustments` of the generation tells it.
   */
  model_version?: string;
  /**
   * What the image must not show, at most 4,000 characters.
   */
  negative_prompt?: string;
  /**
   * The width in pixels. It is fitted to the model; `adjustments` of the generation lists what was changed.
   */
  width?: number;
  /**
   * The height in pixels, fitted to the model as `width` is.
   */
  height?: number;
  /**
   * The shape instead of `width` and `height`: two whole numbers from 1 to 99, such as `16:9`. It is fitted to the model, which makes about as many pixels as it does by default.
   */
  aspect_ratio?: string;
  /**
   * The file format. A model that does not make it makes another one; `adjustments` of the generation says which.
   */
  output_format?: OutputFormat;
  /**
   * The number of denoising steps. More steps take longer.
   */
  num_inference_steps?: number;
  /**
   * How closely the image follows the prompt.
   */
  guidance_scale?: number;
  /**
   * The seed, 0 to 4,294,967,295. The same request with the same seed gives the same image.
   */
  seed?: number;
  /**
   * The source image, as a public https URL. Set at most one of the three source fields, or `sources`.
   */
  source_image_url?: string;
  /**
   * The source image, as the id of one of the user's own completed generations.
   */
  source_generation_id?: string;
  /**
   * The source image, as the id of an upload from `POST /sources`.
   */
  source_id?: string;
  /**
   * Several source images in the order in which the prompt speaks of them, 1 to 10 and no more than the model's `max_source_images`. Use it instead of the three fields above.
   *
   * @minItems 1
   * @maxItems 10
   */
  sources?: NamedImage[];
  /**
   * An image in black and white, as large as the source image, that says which part of it is made anew: the part that has the colour of the model's `mask`. Needs a source image.
   */
  mask?: NamedImage;
  /**
   * How much to change the source image, from 0 (keep it) to 1 (change everything). Needs a source image.
   */
  strength?: number;
  /**
   * How many times as wide and as high as the source image, for models that enlarge. It is fitted to the model; `adjustments` of the generation says what was changed. The time and the price grow with its square.
   */
  scale?: number;
  /**
   * One of the model's `styles`.
   */
  style?: string;
  /**
   * What the model does. The default is the model's default operation; of a model that generates, with a source image its `edit`, else its `variation`.
   */
  operation?: Operation;
  /**
   * The priority in the queue. The user's plan determines which priorities are allowed. The default is `normal`.
   */
  priority?: Priority;
  /**
   * The earliest time to start, within a year (RFC 3339). Quotas and budget are checked again at that time.
   */
  scheduled_at?: string;
  /**
   * Cancels the generation if it has not started after this many seconds, counted from `scheduled_at` or from now. It then costs nothing.
   */
  expires_in?: number;
  /**
   * A public https URL that receives a webhook when a generation has ended.
   */
  webhook_url?: string;
  /**
   * Whose generations they are. Servers send it, and have to, with the project's secret key; a request with a user's token that has it is refused with `forbidden`.
   */
  user_id?: string;
}
/**
 * The answer to a start. The fields at the top describe the first generation; a batch lists all of them.
 */
export interface Started {
  /**
   * Always `true`. A request that fails returns a problem.
   */
  success: true;
  /**
   * The generation's id.
   */
  generation_id: string;
  /**
   * The id of its job in the queue.
   */
  job_id: string;
  /**
   * Always `queued`.
   */
  status: 'queued';
  /**
   * A sentence for people.
   */
  message: string;
  /**
   * The generation's position in the queue; 1 is next.
   */
  queue_position: number | null;
  /**
   * The estimated time until the generation ends, in seconds; `null` if it cannot be estimated.
   */
  estimated_seconds: number | null;
  /**
   * Links to follow and cancel the generation.
   */
  urls: Urls;
  /**
   * The batch's id, if the request started several generations.
   */
  batch_id?: string;
  /**
   * All generations of the batch, including the first one, in the order of the prompts.
   */
  generations?: StartedGeneration[];
}
/**
 * Links to follow and cancel a generation.
 */
export interface Urls {
  /**
   * `GET` returns the generation.
   */
  self: string;
  /**
   * `POST` cancels the generation.
   */
  cancel: string;
  /**
   * `GET` opens the generation's live channel, as a WebSocket or as server-sent events.
   */
  events: string;
}
/**
 * One generation that a request started.
 */
export interface StartedGeneration {
  /**
   * The generation's id.
   */
  generation_id: string;
  /**
   * The id of its job in the queue.
   */
  job_id: string;
  /**
   * Always `queued`.
   */
  status: 'queued';
  /**
   * The generation's position in the queue; 1 is next.
   */
  queue_position: number | null;
  /**
   * The estimated time until the generation ends, in seconds; `null` if it cannot be estimated.
   */
  estimated_seconds: number | null;
  /**
   * Links to follow and cancel the generation.
   */
  urls: Urls;
}
/**
 * The answer to a start of the original's apps' batches.
 */
export interface StartedBatch {
  /**
   * Always `true`. A request that fails returns a problem.
   */
  success: true;
  /**
   * A sentence for people.
   */
  message: string;
  /**
   * The batch.
   */
  batch: NamedBatch;
}
/**
 * What the user has used of their plan, and what is left.
 */
export interface Usage {
  /**
   * The user's plan.
   */
  plan: Plan;
  /**
   * Requests in the current minute. The minute begins with the first request.
   */
  requests: UsedCount;
  /**
   * Images of today (UTC).
   */
  images: UsedCount;
  /**
   * Money of today (UTC), in US dollars.
   */
  money: UsedMoney;
  /**
   * What the user has spent, in US dollars. Generations that have not ended count with their expected cost.
   */
  spent_usd: Spent;
  /**
   * The user's jobs that make images. Each number is counted up to 1,000.
   */
  jobs: OwnJobs;
}
/**
 * How much of a limit is used.
 */
export interface UsedCount {
  /**
   * How many were used.
   */
  used: number;
  /**
   * How many are left; `null` if there is no limit.
   */
  left: number | null;
  /**
   * When the count starts again at 0; `null` if it does so with the next request.
   */
  resets_at: string | null;
}
/**
 * How much of the money is used, in US dollars.
 */
export interface UsedMoney {
  /**
   * How much was used.
   */
  used: number;
  /**
   * How much is left; `null` if there is no limit.
   */
  left: number | null;
  /**
   * When the sum starts again at 0.
   */
  resets_at: string;
}
/**
 * Sent when a generation has ended.
 */
export interface WebhookEvent {
  /**
   * How the generation ended.
   */
  type: WebhookType;
  /**
   * When the generation ended.
   */
  timestamp: string;
  /**
   * The generation at that time.
   */
  data: Generation;
}
/**
 * The queue is being looked at.
 */
export interface Woken {
  /**
   * Always `true`.
   */
  success: true;
}
/**
 * Which of the generations are wanted.
 */
export interface ListQuery {
  /**
   * Whose generations. Servers send it, and have to, with the project's secret key; a request with a user's token that has it is refused with `forbidden`.
   */
  user_id?: string;
  /**
   * The number of generations on a page, 1 to 100. The default is 20.
   */
  limit?: number;
  /**
   * The `next_cursor` of the previous page.
   */
  cursor?: string;
  /**
   * Lists only generations with this status.
   */
  status?: Status;
  /**
   * Lists only generations of this batch.
   */
  batch_id?: string;
  /**
   * Lists only generations of this model, `owner/name`.
   */
  model_id?: string;
  /**
   * Lists only generations with this operation.
   */
  operation?: Operation;
  /**
   * `true` lists only generations whose image is a favourite, `false` only the others.
   */
  favorite?: boolean;
  /**
   * `true` lists only generations whose image is archived, `false` only the others. By default both are listed.
   */
  archived?: boolean;
  /**
   * Lists only generations that came from this one: they make it again, or its image is their source image.
   */
  parent_id?: string;
  /**
   * Lists only generations whose prompt contains this text, in upper or lower case.
   */
  q?: string;
  /**
   * Lists only generations that were requested after this time (RFC 3339).
   */
  created_after?: string;
  /**
   * Lists only generations that were requested before this time (RFC 3339).
   */
  created_before?: string;
}
