import { hashText, seededRandom } from '../../dev/replicate/random.ts';
import { type FaultKind, faultKinds } from './faults.ts';
import type { SoakOptions } from './options.ts';

/** Models of several makers: official and by version, sized by pixels, by ratio and by megapixels. */
const MODELS = [
  'black-forest-labs/flux-schnell',
  'black-forest-labs/flux-dev',
  'black-forest-labs/flux-1.1-pro',
  'stability-ai/sdxl',
  'google/imagen-4-fast',
  'recraft-ai/recraft-v3',
  'qwen/qwen-image',
];

/** Small, so that painting does not take the machine from what is looked at. */
const SIZE = { width: 512, height: 512 };

/** Share of the generations that their users cancel. */
const CANCELLED = 0.02;
/** A cancel comes at most so long after the answer to the start: somewhere between queued and stored. */
const CANCEL_WITHIN_MS = 600;

/** One generation to start. */
export interface Planned {
  number: number;
  user: number;
  /** What `POST /start-generation` gets. */
  request: { model_id: string; prompt: string; width: number; height: number };
  fault?: FaultKind;
  /** Its user cancels it so many milliseconds after the start. */
  cancelAfterMs?: number;
}

/** Part of a prompt that only one generation's has. */
export const tag = (number: number): string => `#${number};`;

/** Who asks for what, and what goes wrong: the same for the same options. */
export function plan({ count, seed, faults, users, clock }: SoakOptions): Planned[] {
  const random = seededRandom(hashText(`soak ${seed}`));
  const all = Array.from({ length: count }, (_, number): Planned => {
    const model_id = MODELS[Math.floor(random() * MODELS.length)] ?? '';
    const prompt = `a lighthouse in a storm ${tag(number)}`;
    return { number, user: number % users, request: { model_id, prompt, ...SIZE } };
  });
  dealFaults(all, Math.round(count * faults), faultKinds(realTime(clock)), random);
  for (const one of all) {
    if (!one.fault && random() < CANCELLED) one.cancelAfterMs = Math.floor(random() * CANCEL_WITHIN_MS);
  }
  return all;
}

/** Milliseconds of the queue's clock as real ones. */
export function realTime(clock: number): (ms: number) => number {
  return (ms) => Math.round(ms / clock);
}

/** Gives `wanted` generations a fault, each kind once before any comes again. */
function dealFaults(all: Planned[], wanted: number, kinds: FaultKind[], random: () => number): void {
  const deck: FaultKind[] = [];
  for (let dealt = 0; dealt < wanted; ) {
    if (deck.length === 0) deck.push(...shuffled(kinds, random));
    const kind = deck.pop();
    let index = Math.floor(random() * all.length);
    for (let left = Math.min(kind?.burst ?? 1, wanted - dealt); kind && left > 0; index += 1) {
      const one = all[index % all.length];
      if (!one || one.fault) continue;
      one.fault = kind;
      dealt += 1;
      left -= 1;
    }
  }
}

function shuffled<T>(items: T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
