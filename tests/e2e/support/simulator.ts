import type { PredictionRecord, PredictionRecords, Stats } from '../../../dev/replicate/control.ts';
import type { Fault, FaultRule, Match } from '../../../dev/replicate/faults.ts';
import type { Settings } from '../../../dev/replicate/settings.ts';

/** The simulator's records and switches, from another process. */
export class SimulatorControl {
  readonly #url: string;

  constructor(replicateUrl: string) {
    this.#url = `${replicateUrl}/_control`;
  }

  stats = (): Promise<Stats> => this.#ask('stats');

  /** All predictions, or those whose webhook names a job. */
  async predictions(job?: string): Promise<PredictionRecord[]> {
    const query = job === undefined ? '' : `?job=${job}`;
    return (await this.#ask<PredictionRecords>(`predictions${query}`)).predictions;
  }

  /** For stacks without webhooks, where nothing in a prediction names its job. */
  async withPrompt(prompt: string): Promise<PredictionRecord[]> {
    const all = await this.predictions();
    return all.filter(({ prediction }) => (prediction.input as { prompt?: string }).prompt === prompt);
  }

  /** Replaces all rules by one for the creates whose prompt contains a text. */
  fault = (prompt: string, fault: Fault, match: Match = {}): Promise<unknown> =>
    this.faults([{ match: { prompt, ...match }, fault }]);

  faults = (rules: FaultRule[]): Promise<unknown> => this.#ask('faults', { rules });

  /** The rules in force, in their order, and how often each has acted. */
  async played(): Promise<{ applied: number }[]> {
    return (await this.#ask<{ rules: { applied: number }[] }>('faults')).rules;
  }

  configure = (settings: Partial<Settings>): Promise<unknown> => this.#ask('settings', settings);

  release = (): Promise<{ released: number }> => this.#ask('release', {});

  async #ask<T>(path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.#url}/${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`the simulator refused ${path}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }
}
