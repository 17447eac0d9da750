import { setTimeout as sleep } from 'node:timers/promises';
import type { TestStack } from '../../tests/e2e/support/stack.ts';
import type { SoakOptions } from './options.ts';

/** Between two spells, in real time: so that what the last one has held up is under way again, or still is. */
const CALM_MS = 8_000;

/** One thing that goes wrong for everybody for a while. */
interface Spell {
  name: string;
  /** How long, in real milliseconds; 0: it is over as soon as it has happened. */
  ms: number;
  begin(stack: TestStack): Promise<unknown>;
  end?(stack: TestStack): Promise<unknown>;
}

export interface Weather {
  /** Spells that are over, by name. */
  readonly past: readonly string[];
  /** Resolves when the last one is over; rejects when one could not be played. */
  done(): Promise<void>;
}

/** What is to come: Storage down, the provider's creates down, Postgres restarted, one after the other. */
export function spells({ storageOutage, providerOutage, postgresRestarts, clock }: SoakOptions): Spell[] {
  const real = (seconds: number) => Math.round((seconds * 1000) / clock);
  const all: Spell[] = [
    {
      name: 'storage outage',
      ms: real(storageOutage),
      begin: (stack) => stack.supabase.fault({ service: 'storage' }, { answer: 'DatabaseTimeout' }),
      end: (stack) => stack.supabase.heal(),
    },
    {
      name: 'provider outage',
      ms: real(providerOutage),
      begin: (stack) => stack.simulator.configure({ create_status: 503 }),
      end: (stack) => stack.simulator.configure({ create_status: null }),
    },
  ];
  const asked = all.filter(({ ms }) => ms > 0);
  for (let n = 0; n < postgresRestarts; n += 1)
    asked.push({ name: 'Postgres restart', ms: 0, begin: (stack) => stack.restartPostgres() });
  return asked;
}

/** How long the weather takes in all, in real milliseconds. */
export function lengthOf(options: SoakOptions): number {
  return spells(options).reduce((sum, { ms }) => sum + ms + CALM_MS, 0);
}

/** Plays the spells. */
export function startWeather(stack: TestStack, options: SoakOptions, say: (line: string) => void): Weather {
  const coming = spells(options);
  const past: string[] = [];
  const play = async () => {
    for (const { name, ms, begin, end } of coming) {
      await sleep(CALM_MS);
      say(`${name}${ms > 0 ? ` for ${(ms / 1000).toFixed(0)} s` : ''}`);
      await begin(stack);
      await sleep(ms);
      await end?.(stack);
      say(`${name}: over`);
      past.push(name);
    }
  };
  const playing = play();
  playing.catch(() => {}); // told by done()
  return { past, done: () => playing };
}
