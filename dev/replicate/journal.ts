/**
 * Predictions on disk, so that they outlive the simulator's process as they would outlive its client's: one
 * line for each prediction made and each ended. What was running starts again; it sends no webhook a second time.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { findModel, type ModelFacts } from './facts.ts';
import { isTerminal, newNotes, type Prediction } from './prediction.ts';

type Line = Omit<Prediction, 'model' | 'waiters' | 'release' | 'notes'> & { model: string };

export class Journal {
  readonly #path: string;
  readonly #file: number;
  #closed = false;

  /** @param path made when it is not there */
  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'a');
  }

  /** Written through at once: a prediction that was answered is never forgotten. */
  write(prediction: Prediction): void {
    if (this.#closed) return;
    const { waiters: _waiters, release: _release, notes: _notes, model, ...rest } = prediction;
    // Source pictures stay out; a restored upscale shows painted scenery of the same size.
    const files = rest.files.map(({ token, picture: { source: _source, ...picture } }) => ({
      token,
      picture,
    }));
    const line: Line = { ...rest, model: model.id, files };
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  /** The predictions of earlier runs, in the order of creation. */
  load(): Prediction[] {
    const last = new Map<string, Line>();
    const text = existsSync(this.#path) ? readFileSync(this.#path, 'utf8') : '';
    // A kill may cut the last line off; the next one must not be glued to what is left of it.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    ftruncateSync(this.#file, Buffer.byteLength(whole));
    for (const line of whole.split('\n').slice(0, -1)) {
      const parsed = JSON.parse(line) as Line;
      last.set(parsed.id, parsed);
    }
    return [...last.values()].flatMap((line) => {
      const model = findModel(line.model);
      return model === undefined ? [] : [revive(line, model)];
    });
  }

  clear(): void {
    ftruncateSync(this.#file);
  }

  close(): void {
    this.#closed = true;
    closeSync(this.#file);
  }
}

function revive(line: Line, model: ModelFacts): Prediction {
  const prediction: Prediction = { ...line, model, waiters: new Set(), notes: newNotes() };
  if (isTerminal(prediction)) return prediction;
  prediction.status = 'starting';
  delete prediction.startedAt;
  return prediction;
}
