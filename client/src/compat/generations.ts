import { hasEnded, isForward } from '../progress.ts';
import type { StartBody as GenerateParams, Started, Status } from '../types.ts';
import { either } from './configure.ts';
import { uncaught } from './follow.ts';
import { followRow } from './follow-row.ts';
import { type PollOptions, poll } from './poll.ts';
import type { GenerationRow, GenerationUpdate, ImageRow } from './rows.ts';
import { invoke, query, type SupabaseLike } from './supabase.ts';

/** Every function takes the supabase-js client first, or does without after `configure`. */

/** What the original's apps ask for. */
export interface GenerateImageJobParams {
  prompt: string;
  /** The name at the provider (`owner/name`), or the id of the row in `models`. */
  model_id: string;
  model_version?: string | undefined;
  width?: number | undefined;
  height?: number | undefined;
  num_inference_steps?: number | undefined;
  guidance_scale?: number | undefined;
  seed?: number | undefined;
  negative_prompt?: string | undefined;
  source_image_url?: string | undefined;
  strength?: number | undefined;
  style?: string | undefined;
}

/** The same, or all that a start takes today. */
export type StartParams = GenerateImageJobParams | GenerateParams;

export interface StartedIds {
  generationId: string;
  jobId: string;
}

/** Starts a generation; of a batch the first one's ids. */
export const startImageGeneration = /* @__PURE__ */ either(start);

/** The same, as the original's web client named it. */
export const generateImageAsync = startImageGeneration;

/**
 * Follows a generation until it has ended: by Realtime where the project has it, else by polling every 1.5
 * seconds.
 */
export const subscribeToGeneration = /* @__PURE__ */ either(followGeneration);

/** Starts a generation and follows it. */
export const generateImageWithUpdates = /* @__PURE__ */ either(startAndFollow);

/** Polls until the generation has ended, whichever way; rejects after `maxAttempts` polls, by default 120. */
export const pollGenerationUntilComplete = /* @__PURE__ */ either(
  (supabase, generationId: string, options: PollOptions<GenerationUpdate> = {}): Promise<GenerationUpdate> =>
    poll(
      `generation ${generationId}`,
      () => readGeneration(supabase, generationId),
      (update) => hasEnded(statusOf(update)),
      {
        ...options,
        maxAttempts: options.maxAttempts ?? 120,
        onUpdate: onlyForward(options.onUpdate ?? (() => {})),
      },
    ),
);

/**
 * Ends a generation. A prediction that runs already is stopped at the provider with the next run of
 * process-jobs, within a minute.
 *
 * @throws ConflictError where it has ended already, or its image is made
 */
export const cancelGeneration = /* @__PURE__ */ either(
  async (supabase, generationId: string): Promise<void> => {
    await query(supabase.rpc('cancel_generation', { p_generation_id: generationId }));
  },
);

/**
 * The image of a generation.
 *
 * @throws PictureQueueError where there is none (yet)
 */
export const getGenerationImage = /* @__PURE__ */ either(
  (supabase, generationId: string): Promise<ImageRow> =>
    query(supabase.from('images').select('*').eq('generation_id', generationId).single()),
);

export async function start(supabase: SupabaseLike, params: StartParams): Promise<StartedIds> {
  const started = await invoke<Started>(supabase, 'start-generation', params);
  return { generationId: started.generation_id, jobId: started.job_id };
}

export async function startAndFollow(
  supabase: SupabaseLike,
  params: StartParams,
  onUpdate: (update: GenerationUpdate) => void,
): Promise<StartedIds & { unsubscribe: () => void }> {
  const started = await start(supabase, params);
  return { ...started, unsubscribe: followGeneration(supabase, started.generationId, onUpdate) };
}

export function followGeneration(
  supabase: SupabaseLike,
  generationId: string,
  callback: (update: GenerationUpdate) => void,
): () => void {
  const forward = onlyForward(uncaught(callback));
  return followRow(supabase, {
    table: 'image_generations',
    id: generationId,
    read: () => readGeneration(supabase, generationId),
    onRow: (update) => {
      forward(update);
      return hasEnded(statusOf(update)) && (update.status === 'completed' || 'for now');
    },
    onLost: (error, last) => {
      // Apps wait for one of two words. Where no row was ever read, this is all that is known.
      const known = last ?? { id: generationId, generationId, progress: 0 };
      forward({ ...known, status: 'failed', error_message: error, error } as GenerationUpdate);
    },
  });
}

export async function readGeneration(
  supabase: SupabaseLike,
  id: string,
): Promise<GenerationUpdate | undefined> {
  const row = await query<GenerationRow | null>(
    supabase.from('image_generations').select('*').eq('id', id).maybeSingle(),
  );
  if (!row) return undefined;
  const update: GenerationUpdate = { ...row, generationId: row.id };
  if (isQueued(row)) update.status = 'queued';
  if (row.error_message !== null) update.error = row.error_message;
  if (row.status === 'completed') {
    const image = await query<{ public_url: string } | null>(
      supabase.from('images').select('public_url').eq('generation_id', id).limit(1).maybeSingle(),
    );
    if (image) update.imageUrl = image.public_url;
  }
  return update;
}

/** The table's word for one that waits is `pending`; the original wrote `queued` after a start. */
export const isQueued = ({ status, job_id }: GenerationRow) => status === 'pending' && !!job_id;

const statusOf = ({ status }: GenerationRow): Status => (status === 'pending' ? 'queued' : status);

/**
 * Passes on what is new and later: a generation that the queue tries again goes on from where it was shown. One
 * that its user tries again, after its end, begins anew.
 */
function onlyForward(callback: (update: GenerationUpdate) => void): (update: GenerationUpdate) => void {
  let last: { status: Status; progress: number } | undefined;
  return (update) => {
    const next = { status: statusOf(update), progress: update.progress };
    if (last && hasEnded(last.status) && !hasEnded(next.status)) last = undefined;
    if (!isForward(last, next)) return;
    if (last?.status === next.status && last.progress === next.progress) return;
    last = next;
    callback(update);
  };
}
