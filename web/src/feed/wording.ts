import type { Generation, Model, Operation, Status } from 'picture-queue';
import { priceFor } from '../composer/cost.ts';
import { duration, money, ordinal } from '../lib/format.ts';

const ENDED: Status[] = ['completed', 'failed', 'cancelled'];

export const hasEnded = (status: Status): boolean => ENDED.includes(status);

const NAMES: Record<Exclude<Status, 'processing'>, string> = {
  queued: 'Waiting',
  downloading: 'Saving',
  completed: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** While the model runs: on the card, and about the prompt. */
const WORK: Record<Operation, [string, string]> = {
  generate: ['Painting', 'is being painted'],
  variation: ['Painting', 'is being painted'],
  edit: ['Editing', 'is being edited'],
  upscale: ['Upscaling', 'is being upscaled'],
  remove_background: ['Cutting out', 'is being cut out'],
};

export const statusName = ({ status, operation }: Pick<Generation, 'status' | 'operation'>): string =>
  status === 'processing' ? WORK[operation][0] : NAMES[status];

/** `2nd in line · about 12 s`. */
export function outlook(one: Pick<Generation, 'status' | 'queue_position' | 'estimated_seconds'>): string {
  const parts: string[] = [];
  if (one.status === 'queued' && one.queue_position !== null) {
    parts.push(one.queue_position <= 1 ? 'Next in line' : `${ordinal(one.queue_position)} in line`);
  }
  if (one.estimated_seconds !== null) parts.push(`about ${duration(one.estimated_seconds)} left`);
  return parts.join(' · ');
}

/**
 * What is read out when something has changed; undefined: nothing that matters. One that is seen for the first time
 * has been waiting before, unless it has ended: then it is from an earlier day.
 */
export function announcement(before: Status | undefined, now: Generation): string | undefined {
  if ((before ?? (hasEnded(now.status) ? now.status : 'queued')) === now.status) return undefined;
  const prompt = now.prompt.length > 60 ? `${now.prompt.slice(0, 60)}…` : now.prompt;
  const said: Record<Status, string> = {
    queued: 'is back in line',
    processing: WORK[now.operation][1],
    downloading: 'is being saved',
    completed: 'is done',
    failed: `has failed: ${now.error?.message ?? 'the model gave no reason'}`,
    cancelled: 'was cancelled',
  };
  return `“${prompt}” ${said[now.status]}`;
}

/** A failure's sentence. */
export function whyFailed(one: Pick<Generation, 'error'>): string {
  return one.error?.message || 'The picture could not be made.';
}

/** The model's name, where the catalogue still has it; empty where a generation of earlier days names none. */
export function modelName(models: Model[], id: string | null): string {
  return models.find((model) => model.id === id)?.name ?? id?.split('/').at(-1) ?? '';
}

/**
 * What a picture costs: `$0.003`.
 *
 * @param scale how many times as large it gets, where it is enlarged
 * @param sources pixels of each picture that it starts from, where they are known
 */
export function priceOf(
  model: Model | undefined,
  scale?: number | null,
  sources: (number | undefined)[] = [],
): string {
  const price =
    model &&
    priceFor(
      model,
      scale ?? undefined,
      sources.map((pixels) => ({ pixels })),
    );
  return price === undefined ? 'price not known' : money(price.expected);
}

/** The pictures that a request names to start from, as `priceOf` takes them: their sizes are not known here. */
export const unknownSources = (of: Sources): undefined[] =>
  Array(of.source_id || of.source_generation_id || of.source_image_url ? 1 : (of.sources?.length ?? 0)).fill(
    undefined,
  );

interface Sources {
  source_id?: unknown;
  source_generation_id?: unknown;
  source_image_url?: unknown;
  sources?: unknown[] | null | undefined;
}

/** What the same costs once more: of one that was enlarged what it did cost, since that depends on its size. */
export const priceAgain = (model: Model, one: Pick<Generation, 'scale' | 'cost_usd'> & Sources): string =>
  one.scale !== null && one.cost_usd !== null
    ? money(one.cost_usd)
    : priceOf(model, one.scale, unknownSources(one));
