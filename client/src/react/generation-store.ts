import type { Client, Generated, StartOptions } from '../client.ts';
import { ConflictError, GenerationFailedError, type PictureQueueError } from '../errors.ts';
import { platform, type SignalLike } from '../platform.ts';
import { hasEnded, onlyForward, type Progress } from '../progress.ts';
import type { GeneratedImage, GenerateParams, Generation, Started, Status } from '../types.ts';
import { onAbort } from '../wait.ts';
import { emit } from './changes.ts';
import { createStore, type Store, toError } from './store.ts';

/** `starting`: the server has not answered yet. */
export type RunStatus = 'idle' | 'starting' | Status;

/** The state of the last request. */
export interface GenerationState {
  /** Of a batch: of those that go on; when all have ended, `completed` if there is any image. */
  status: RunStatus;
  /** Percent; of a batch, the mean. */
  progress: number;
  /** 1 is next; of a batch, the first one's. */
  queuePosition: number | null;
  /** Until all of it has ended. */
  estimatedSeconds: number | null;
  /** All images, once all of it has ended. */
  images: GeneratedImage[];
  /** Of the first image, as soon as it is there. */
  imageUrl: string | null;
  /** Why there is no image. A cancelled generation is no error. */
  error: PictureQueueError | null;
  /** From `generate()` until all of it has ended. */
  isGenerating: boolean;
  /** The state of each generation, in the order of the prompts. */
  updates: Progress[];
  /** The generations, once all have ended. */
  generations: Generation[];
  /** The first of them. */
  generation: Generation | null;
}

export interface GenerationStore extends Store<GenerationState> {
  generate(params: GenerateParams, options?: Omit<StartOptions, 'signal'>): Promise<Generated | undefined>;
  cancel(): Promise<void>;
  reset(): void;
}

interface Run {
  /** Aborted when another one takes its place. */
  readonly replaced: { readonly signal: SignalLike; abort(): void };
  readonly updates: Map<string, Progress>;
  readonly emit: (update: Progress) => void;
  starting?: Promise<Started>;
  started?: Started;
  hasEnded?: boolean;
}

const IDLE: GenerationState = {
  status: 'idle',
  progress: 0,
  queuePosition: null,
  estimatedSeconds: null,
  images: [],
  imageUrl: null,
  error: null,
  isGenerating: false,
  updates: [],
  generations: [],
  generation: null,
};

/** The generation that a component shows: started, followed while it is shown, cancelled, forgotten. */
export function generationStore(client: Client): GenerationStore {
  let run: Run | undefined;
  const store = createStore(IDLE, () => {
    // Shown again: follow on what was left in the middle.
    if (run?.started && !run.hasEnded) follow(run, run.started);
  });

  /** Replaces what went on before, which is no longer followed; on the server it goes on. */
  function replace(state: GenerationState): Run {
    run?.replaced.abort();
    const updates = new Map<string, Progress>();
    const mine: Run = {
      replaced: new platform.AbortController(),
      updates,
      emit: onlyForward((update) => {
        updates.set(update.generationId, update);
        const { status, ...rest } = summary([...updates.values()]);
        // `completed` comes with the images, from follow().
        if (run === mine) store.set(status === 'completed' ? rest : { status, ...rest });
      }),
    };
    run = mine;
    store.set(state);
    return mine;
  }

  function end(mine: Run, changes: Partial<GenerationState>) {
    mine.hasEnded = true;
    emit(client, { started: [] });
    if (run === mine) store.set({ ...changes, isGenerating: false });
  }

  async function follow(mine: Run, started: Started): Promise<Generated | undefined> {
    const shown = store.signal();
    if (!shown) return undefined;
    const controller = new platform.AbortController();
    const stops = [shown, mine.replaced.signal].map((signal) => onAbort(signal, () => controller.abort()));
    try {
      const result = await client.wait(started, { onUpdate: mine.emit, signal: controller.signal });
      end(mine, { status: 'completed', ...result });
      return result;
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      const generations = error instanceof GenerationFailedError ? error.generations : [];
      const wasCancelled =
        generations.length > 0 && generations.every(({ status }) => status === 'cancelled');
      end(mine, {
        ...(generations.length > 0 ? {} : { status: 'failed' }),
        generations,
        generation: generations[0] ?? null,
        error: wasCancelled ? null : toError(error),
      });
      return undefined;
    } finally {
      for (const stop of stops) stop();
    }
  }

  return {
    ...store,
    async generate(params, options) {
      const mine = replace({ ...IDLE, status: 'starting', isGenerating: true });
      try {
        mine.starting = client.start(params, { ...options, signal: mine.replaced.signal });
        mine.started = await mine.starting;
        emit(client, { started: [] });
      } catch (error) {
        end(mine, { status: 'failed', error: toError(error) });
        return undefined;
      }
      return follow(mine, mine.started);
    },
    async cancel() {
      const mine = run;
      // One that could not be started needs no cancelling; generate() says so.
      const started = await mine?.starting?.catch(() => undefined);
      if (!mine || !started || mine.hasEnded) return;
      const ids = (started.generations ?? [started]).map(({ generation_id }) => generation_id);
      const isOpen = (id: string) => !hasEnded(mine.updates.get(id)?.status ?? 'queued');
      try {
        await Promise.all(ids.filter(isOpen).map((id) => cancelOne(mine, id)));
      } catch (error) {
        if (run === mine) store.set({ error: toError(error) });
      }
    },
    reset() {
      replace(IDLE).hasEnded = true;
    },
  };

  async function cancelOne(mine: Run, id: string) {
    try {
      const { status } = await client.cancel(id);
      const last = mine.updates.get(id);
      mine.emit({
        generationId: id,
        progress: 0,
        ...last,
        status,
        queuePosition: null,
        estimatedSeconds: null,
      });
    } catch (error) {
      // Its image is made, or it has ended in between: follow() reports that anyway.
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

/** Those that go on count before those that have ended. */
const ORDER: Status[] = ['downloading', 'processing', 'queued', 'completed', 'failed', 'cancelled'];

function summary(updates: Progress[]) {
  const open = updates.filter(({ status }) => !hasEnded(status));
  const first = ORDER.find((status) => updates.some((update) => update.status === status)) ?? 'queued';
  const numbers = (values: (number | null)[]) => values.filter((value): value is number => value !== null);
  const positions = numbers(open.map(({ queuePosition }) => queuePosition));
  const estimates = numbers(open.map(({ estimatedSeconds }) => estimatedSeconds));
  return {
    // Some are through while others wait: as a whole it is being worked on.
    status: first === 'queued' && open.length < updates.length ? 'processing' : first,
    progress: Math.round(updates.reduce((sum, one) => sum + one.progress, 0) / updates.length),
    queuePosition: positions.length > 0 ? Math.min(...positions) : null,
    estimatedSeconds: estimates.length > 0 ? Math.max(...estimates) : null,
    imageUrl: updates.find(({ imageUrl }) => imageUrl)?.imageUrl ?? null,
    updates,
  };
}
