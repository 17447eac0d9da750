/** What the reference model knows: a family is a request's jobs, its generation and its predictions, or one plain job. */

export type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';

export interface ModelJob {
  /** Null: left behind by a step whose answer does not name it. */
  id: string | null;
  type: string;
  status: JobStatus;
  attempts: number;
  most: number;
  priority: number;
  lease: number;
  /** Milliseconds since 1970, as all times here. */
  leaseEnds: number | null;
  due: number;
  expires: number | null;
  prediction: string | null;
  unknown: boolean;
  /** Leased in the answer to its start: that a worker hears of it is not certain. */
  handedOver: boolean;
  rescued: boolean;
  /** Tried until a time: no run uses an attempt. */
  timed: boolean;
  errors: { code: string | null; prediction: string | null; once: boolean }[];
  user: string | null;
  /** What a job of the type cancel-prediction is to stop. */
  stops: { prediction: string | null; job: string | null; loose: boolean };
  /** It goes with its generation. */
  ofGeneration: boolean;
  /** Pruned or deleted. */
  gone: boolean;
}

export interface ModelGeneration {
  id: string;
  user: string;
  batch: string | null;
  status: 'downloading' | JobStatus;
  prediction: string | null;
  retries: number;
  code: string | null;
  /** Millionths of a US dollar, as all money here. */
  reserved: number;
  cost: number | null;
  /** In its user's money and in the budget: one for later is from when it is due on. */
  counts: boolean;
  /** Its user's money is limited. */
  limited: boolean;
  /** Cancelled, and what its run has cost is not known yet. */
  open: boolean;
  gone: boolean;
  /** What it still counts for in its user's money once it is deleted. */
  kept: number;
}

export interface Prediction {
  status: string | null;
  /** Null: nobody knows. */
  cost: number | null;
  /** Of a job that was gone: it belongs to no generation. */
  loose: boolean;
}

export interface Price {
  image: number | null;
  second: number | null;
}

export interface Family {
  jobs: ModelJob[];
  generation: ModelGeneration | null;
  price: Price;
  predictions: Record<string, Prediction>;
}

export const isOpen = (job: ModelJob) => job.status === 'pending' || job.status === 'processing';
export const hasEnded = (generation: ModelGeneration) =>
  ['completed', 'failed', 'cancelled'].includes(generation.status);
export const carriesGeneration = (type: string) => type === 'generate-image' || type === 'download-image';
const UNLIMITED = ['download-image', 'process-webhook', 'cleanup-storage', 'cancel-prediction'];
/** Whether the user's plan limits how many run at once. */
export const isLimited = (type: string) => !UNLIMITED.includes(type);
export const isTimed = (job: ModelJob) => job.timed && job.type !== 'generate-image';
export const knew = (job: ModelJob, prediction: string) =>
  job.errors.some((error) => error.prediction === prediction);

export const newJob = (job: Partial<ModelJob> & Pick<ModelJob, 'type'>): ModelJob => ({
  id: null,
  status: 'pending',
  attempts: 0,
  most: 3,
  priority: 0,
  lease: 0,
  leaseEnds: null,
  due: 0,
  expires: null,
  prediction: null,
  unknown: false,
  handedOver: false,
  rescued: false,
  timed: false,
  errors: [],
  user: null,
  stops: { prediction: null, job: null, loose: false },
  ofGeneration: false,
  gone: false,
  ...job,
});

/** What a generation counts for in its user's money of the day. */
export function counted({ status, cost, reserved, counts, gone, kept }: ModelGeneration): number {
  if (gone) return kept;
  if (!counts) return 0;
  if (status === 'completed') return cost ?? 0;
  return status === 'failed' ? 0 : reserved;
}

/** What it holds of the installation's budget. */
export function reservedNow(generation: ModelGeneration): number {
  if (generation.gone || !generation.counts) return 0;
  const waits = ['pending', 'processing'].includes(generation.status);
  return waits || (generation.status === 'cancelled' && generation.open) ? generation.reserved : 0;
}
