import type { Listeners } from './live.ts';
import type { Options } from './options.ts';

/** A step that did not pass: what was seen, and what to do. */
export class StepFailure extends Error {
  readonly fix: string;

  constructor(detail: string, fix: string) {
    super(detail);
    this.fix = fix;
  }
}

/** A step that was not tried, because an earlier one did not pass or it was not wanted. */
export class StepSkipped extends Error {
  /** Whether the run may pass without it. */
  readonly wanted: boolean;

  constructor(why: string, wanted: boolean) {
    super(why);
    this.wanted = wanted;
  }
}

export interface Step {
  /** One word or two, the same in every run: programs read it. */
  name: string;
  /** Steps without which this one would mislead, or leave behind what it makes: where one fails, it is not tried. */
  needs?: string[];
  /** Gives what was seen, in a sentence. */
  run(smoke: Smoke): Promise<string>;
}

export interface Model {
  id: string;
  /** US dollars for one image, as the system tells; undefined: it does not know. */
  price: number | undefined;
}

export interface Image {
  generationId: string;
  jobId: string;
  url: string;
}

/** One run: what it knows, and what the steps have found for those after them. */
export interface Smoke {
  readonly options: Options;
  /** Ends what is under way when the run is interrupted. */
  readonly signal: AbortSignal;
  user?: { id: string; token: string };
  model?: Model;
  listeners?: Listeners;
  image?: Image;
  /** Something that takes long is under way. */
  progress(text: string): void;
  /** A value that must never be shown. */
  hide(secret: string): void;
  /** Done at the end, whatever happens, the last one first. */
  cleanUp(what: string, action: () => Promise<void>): void;
}

/** What an earlier step has found. */
export function need<T>(value: T | undefined, step: string): T {
  if (value === undefined) throw new StepSkipped(`it needs the step "${step}"`, true);
  return value;
}
