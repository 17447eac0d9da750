/**
 * The HTTP interface in types. Names are those on the wire, so that what the README says is what you
 * write.
 */

export type Status = 'queued' | 'processing' | 'downloading' | 'completed' | 'failed' | 'cancelled';
export type Operation = 'generate' | 'variation' | 'edit' | 'upscale' | 'remove_background';
export type Priority = 'low' | 'normal' | 'high';

interface CommonParams {
  /** `owner/name`, from `models()`. */
  model_id: string;
  /** Accepted for the original's callers; the catalogue's own version is run. */
  model_version?: string;
  negative_prompt?: string;
  /** Pixels; fitted to the model, see `adjustments`. */
  width?: number;
  height?: number;
  num_inference_steps?: number;
  guidance_scale?: number;
  /** 0 to 4,294,967,295. */
  seed?: number;
  /** The picture to start from: a public https URL. */
  source_image_url?: string;
  /** Or the finished picture of one of the user's own generations. */
  source_generation_id?: string;
  /** 0 to 1, where 1 changes everything; only with a source image. */
  strength?: number;
  style?: string;
  operation?: Operation;
  priority?: Priority;
  /** ISO 8601, within a year: not before then. */
  scheduled_at?: string;
  /** Seconds from `scheduled_at` or now: not started by then, it is cancelled and costs nothing. */
  expires_in?: number;
  /** A public https URL that is told when the generation has ended. */
  webhook_url?: string;
}

/** The body of a start: one prompt, the same prompt several times, or up to ten prompts. */
export type GenerateParams = CommonParams &
  (
    | {
        /** 1 to 4,000 characters. */
        prompt: string;
        prompts?: never;
        /** 1 to 10 of the same prompt; with a `seed` each one takes the next seed. */
        num_images?: number;
      }
    | { prompts: string[]; prompt?: never; num_images?: never }
  );

export interface Urls {
  self: string;
  cancel: string;
  events: string;
}

export interface StartedGeneration {
  generation_id: string;
  job_id: string;
  status: 'queued';
  queue_position: number | null;
  estimated_seconds: number | null;
  urls: Urls;
}

/** The answer of a start. The first generation's members are at the top; a batch lists all of them. */
export interface Started extends StartedGeneration {
  success: true;
  message: string;
  batch_id?: string;
  generations?: StartedGeneration[];
}

/** Something that was asked for and changed to fit the model. */
export interface Adjustment {
  field: string;
  requested: unknown;
  used: unknown;
  reason: string;
}

export interface GeneratedImage {
  id: string;
  url: string;
  format: string;
  width: number;
  height: number;
  bytes: number;
}

/** Why a generation failed: a stable code, and a sentence for people. */
export interface GenerationError {
  code: string | null;
  message: string | null;
}

export interface Generation {
  id: string;
  batch_id: string | null;
  status: Status;
  /** Percent: 10 to 90 while the model runs, by what it prints; a retry begins at 0. */
  progress: number;
  /** 1 is next; null once it runs. */
  queue_position: number | null;
  /** Until it has ended; null when it has. */
  estimated_seconds: number | null;
  operation: Operation;
  model_id: string;
  prompt: string;
  negative_prompt: string | null;
  width: number | null;
  height: number | null;
  seed: number | null;
  adjustments: Adjustment[];
  error: GenerationError | null;
  /** Empty until it is completed. */
  images: GeneratedImage[];
  cost_usd: number | null;
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
}

export interface GenerationPage {
  generations: Generation[];
  next_cursor: string | null;
}

export interface ListParams {
  /** Generations a page, 1 to 100; default 20. */
  limit?: number;
  /** Where to go on: `next_cursor` of an earlier page. */
  cursor?: string;
  status?: Status;
  batch_id?: string;
}

export interface Cancelled {
  generation_id: string;
  status: Status;
}

/** Numbers that a model accepts. */
export interface Range {
  min: number | null;
  max: number | null;
  default: number | null;
}

/** Lengths of a side that a model makes, in pixels; `multiple_of` where it is free within the limits. */
export interface SideLimits {
  min: number | null;
  max: number | null;
  multiple_of?: number;
}

export interface Model {
  id: string;
  name: string;
  description: string;
  version: string | null;
  operation: Operation;
  operations: Operation[];
  supports: {
    prompt: boolean;
    negative_prompt: boolean;
    seed: boolean;
    steps: Range | null;
    guidance: Range | null;
    source_image: boolean;
    source_image_required: boolean;
    strength: boolean;
    styles: string[];
    aspect_ratios: string[];
    /** `1024x768`; empty where any size within the limits is made, or the sizes are not known. */
    sizes: string[];
  };
  defaults: {
    width: number | null;
    height: number | null;
    num_inference_steps: number | null;
    guidance_scale: number | null;
    strength: number | null;
  };
  limits: { width: SideLimits | null; height: SideLimits | null };
  output: { format: string | null; formats: string[] };
  estimated_seconds: number;
  price: { usd_per_image: number } | null;
  is_active: boolean;
  is_default: boolean;
}

/** RFC 9457 problem details, as every refusal has them. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  /** `detail` again. */
  error: string;
  field?: string;
  /** Seconds. */
  retry_after?: number;
  limit?: string;
}
