import { hasEnded, isForward } from '../progress.ts';
import type { GenerateParams, Started, Status } from '../types.ts';
import { follow } from './follow.ts';
import { type PollOptions, poll } from './poll.ts';
import type { GenerationRow, GenerationUpdate } from './rows.ts';
import { invoke, query, type SupabaseLike } from './supabase.ts';

/** Starts a generation; of a batch the first one's ids. */
export async function startImageGeneration(
  supabase: SupabaseLike,
  params: GenerateParams,
): Promise<{ generationId: string; jobId: string }> {
  const started = await invoke<Started>(supabase, 'start-generation', params);
  return { generationId: started.generation_id, jobId: started.job_id };
}

/**
 * Follows a generation until it has ended: by Realtime where the project has it, by looking every 1.5
 * seconds where it has not.
 */
export function subscribeToGeneration(
  supabase: SupabaseLike,
  generationId: string,
  callback: (update: GenerationUpdate) => void,
): () => void {
  const forward = onlyForward(callback);
  return follow(supabase, {
    table: 'image_generations',
    filter: `id=eq.${generationId}`,
    event: 'UPDATE',
    look: () => readGeneration(supabase, generationId),
    tell: (update) => {
      if (!update) return false;
      forward(update);
      return hasEnded(statusOf(update));
    },
  });
}

/** Starts a generation and follows it. */
export async function generateImageWithUpdates(
  supabase: SupabaseLike,
  params: GenerateParams,
  onUpdate: (update: GenerationUpdate) => void,
): Promise<{ generationId: string; jobId: string; unsubscribe: () => void }> {
  const started = await startImageGeneration(supabase, params);
  return { ...started, unsubscribe: subscribeToGeneration(supabase, started.generationId, onUpdate) };
}

/** The same, as the original's web client named it. */
export async function generateWithRealtime(
  supabase: SupabaseLike,
  params: GenerateParams,
  onUpdate: (update: GenerationUpdate) => void,
): Promise<{ generationId: string; unsubscribe: () => void }> {
  const { generationId, unsubscribe } = await generateImageWithUpdates(supabase, params, onUpdate);
  return { generationId, unsubscribe };
}

/** Looks until the generation has ended, whichever way; rejects after `maxAttempts` looks. */
export function pollGenerationUntilComplete(
  supabase: SupabaseLike,
  generationId: string,
  options: PollOptions<GenerationUpdate> = {},
): Promise<GenerationUpdate> {
  return poll(
    `generation ${generationId}`,
    () => readGeneration(supabase, generationId),
    (update) => hasEnded(statusOf(update)),
    { ...options, onUpdate: onlyForward(options.onUpdate ?? (() => {})) },
  );
}

async function readGeneration(supabase: SupabaseLike, id: string): Promise<GenerationUpdate | undefined> {
  const row = await query<GenerationRow | null>(
    supabase.from('image_generations').select('*').eq('id', id).maybeSingle(),
  );
  if (!row) return undefined;
  const update: GenerationUpdate = { ...row, generationId: row.id };
  if (row.error_message !== null) update.error = row.error_message;
  if (row.status === 'completed') {
    const image = await query<{ public_url: string } | null>(
      supabase.from('images').select('public_url').eq('generation_id', id).limit(1).maybeSingle(),
    );
    if (image) update.imageUrl = image.public_url;
  }
  return update;
}

const statusOf = ({ status }: GenerationRow): Status => (status === 'pending' ? 'queued' : status);

/** Passes on what is new and later: a generation that is tried again goes on from where it was shown. */
function onlyForward(callback: (update: GenerationUpdate) => void): (update: GenerationUpdate) => void {
  let last: { status: Status; progress: number } | undefined;
  return (update) => {
    const next = { status: statusOf(update), progress: update.progress };
    if (!isForward(last, next)) return;
    if (last?.status === next.status && last.progress === next.progress) return;
    last = next;
    callback(update);
  };
}
