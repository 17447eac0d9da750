import type { Fault, FaultRule, Match, Played } from '../../../dev/stack/supabase/faults.ts';

/** The switches of a local Supabase, from another process: what its services do wrong. */
export class SupabaseControl {
  readonly #url: string;

  constructor(supabaseUrl: string) {
    this.#url = `${supabaseUrl}/_control/faults`;
  }

  /** Replaces all rules by one. */
  fault = (match: Match, fault: Fault): Promise<Played[]> => this.faults([{ match, fault }]);

  faults = (rules: FaultRule[]): Promise<Played[]> => this.#ask({ rules });

  /** Ends all faults; answers what they did. */
  async heal(): Promise<Played[]> {
    const played = await this.played();
    await this.faults([]);
    return played;
  }

  /** The rules in force, in their order, and how often each has acted. */
  played = (): Promise<Played[]> => this.#ask();

  async #ask(body?: unknown): Promise<Played[]> {
    const answer = await fetch(
      this.#url,
      body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) },
    );
    if (!answer.ok) throw new Error(`the local Supabase refused the rules: ${await answer.text()}`);
    return ((await answer.json()) as { rules: Played[] }).rules;
  }
}
