import type { Row } from './attempts.ts';
import { type Call, Calls, clock, line } from './calls.ts';
import {
  batchesWrong,
  countsWrong,
  look,
  type Money,
  moneyWrong,
  reservedBy,
  type Snapshot,
  slotsWrong,
  spentBy,
  tenantsWrong,
} from './checks.ts';
import { Common } from './common.ts';
import { contractWrong, Leases } from './contract.ts';
import { drain } from './drain.ts';
import { eventsOf } from './events.ts';
import { orderWrong } from './fairness.ts';
import { deleteUser, pruneNow } from './operators.ts';
import { type Event, findOrder, type Seen } from './order.ts';
import { deleteOwn } from './owners.ts';
import { Player } from './player.ts';
import { Dice } from './random.ts';

export interface Options {
  seed: number;
  milliseconds: number;
  connections: number;
  deletions?: 'alone' | 'together';
  say(line: string): void;
}

export interface Outcome {
  calls: number;
  epochs: number;
  rounds: number;
  families: number;
}

/** Something is not as the model has it; the message is all that is known of it. */
export class Broken extends Error {}

const ROUNDS = 6;

/** Plays on the database until the time is over. @throws Broken */
export async function modelCheck(url: string, options: Options): Promise<Outcome> {
  const calls = new Calls(url, options.connections);
  try {
    await calls.open();
    return await new Run(new Common(calls), options).all();
  } finally {
    await calls.end();
  }
}

class Run {
  readonly common: Common;
  readonly options: Options;
  readonly leases = new Leases();
  readonly done: Outcome = { calls: 0, epochs: 0, rounds: 0, families: 0 };
  /** All calls of the epoch by family, for whoever has to find out. */
  private history = new Map<string, Event[]>();
  private money: Money = { spent: 0, reserved: 0 };
  private since = new Date();
  private where = '';

  constructor(common: Common, options: Options) {
    this.common = common;
    this.options = options;
  }

  async all(): Promise<Outcome> {
    const until = clock() + this.options.milliseconds;
    await this.common.setUp();
    this.common.deletions = this.options.deletions ?? 'alone';
    do {
      await this.epoch(until);
      this.done.epochs += 1;
      const { rounds, calls, families } = this.done;
      this.options.say(
        `epoch ${this.done.epochs}: ${rounds} rounds, ${calls} calls, ${families} families of jobs`,
      );
    } while (clock() < until);
    return this.done;
  }

  private async epoch(until: number): Promise<void> {
    const { common, options } = this;
    const n = this.done.epochs;
    const dice = new Dice(options.seed, `epoch ${n}`);
    this.since = new Date(Date.now() - 1);
    this.history = new Map();
    common.weather = (options.seed + n) % 3 === 0;
    for (const most of [1, 1, 2, 3, 5, null]) await common.addUser(most, dice.chance(0.2) ? 100_000 : null);
    const players = Array.from(
      { length: options.connections },
      (_, index) => new Player(common, new Dice(options.seed, `epoch ${n} player ${index}`)),
    );
    for (let round = 0; round < ROUNDS && (round === 0 || clock() < until); round++) {
      this.where = `seed ${options.seed}, epoch ${n}, round ${round}`;
      const steps = dice.any([4, 10, 20]);
      await this.watched(
        Promise.all(
          players.map(async (player) => {
            for (let step = 0; step < steps; step++) await player.step();
          }),
        ),
      );
      await this.check();
      if (dice.chance(0.3)) {
        const what = dice.any(['user', 'own', 'prune'] as const);
        if (what === 'user') await deleteUser(common, dice);
        else if (what === 'own') await deleteOwn(players[0] as Player);
        else await pruneNow(players[0] as Player);
        await this.check();
      }
      this.done.rounds += 1;
    }
    this.where = `seed ${options.seed}, epoch ${n}, drain`;
    await drain(
      common,
      players,
      () => this.check(),
      (wrong) => this.fail(wrong),
    );
    this.fail(await orderWrong(common, dice));
    this.done.families += common.families.size;
    const families = [...common.families.values()];
    this.money.spent += spentBy(families);
    this.money.reserved += reservedBy(families);
    await common.calls.call('prune_jobs', { p_completed_days: 0, p_failed_days: 0, p_limit: 100_000 });
    common.forget();
  }

  /** Looks at the limits all the while. */
  private async watched(playing: Promise<unknown>): Promise<void> {
    let over = false;
    const ended = playing.finally(() => {
      over = true;
    });
    ended.catch(() => {});
    while (!over) {
      this.fail(await slotsWrong(this.common));
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    await ended;
  }

  /** Nothing is under way: everything is compared. */
  private async check(): Promise<Snapshot> {
    const { common } = this;
    const made = common.calls.made.splice(0);
    this.done.calls += made.length;
    const unknown = made.flatMap(contractWrong);
    const dead = made.find(({ refused }) => refused?.sqlstate === '40P01');
    const others = made.filter((one) => dead && one.begun < dead.ended && one.ended > dead.begun);
    this.fail([...unknown, ...others.map((call) => `meanwhile ${line(call, call.args).slice(0, 300)}`)]);
    this.fail(made.flatMap((call) => this.leases.wrong(call)));
    const seen = await look(common.calls, this.since);
    this.families(made, seen);
    this.fail(countsWrong(seen));
    this.fail(batchesWrong(common, seen));
    this.fail(tenantsWrong(common, seen));
    this.fail(moneyWrong(common, seen, this.money));
    this.fail(await slotsWrong(common));
    return seen;
  }

  private families(made: Call[], seen: Snapshot): void {
    const { common } = this;
    const { events, around, wrong } = eventsOf(common, made, seen.jobs);
    this.fail(wrong);
    const jobs = new Map<string, Row[]>();
    for (const row of seen.jobs.filter(({ job_type }) => job_type !== 'cleanup-storage')) {
      const key = common.keyOf(row);
      if (key === undefined) this.fail([`nobody made ${JSON.stringify(row)}`]);
      else jobs.set(key, [...(jobs.get(key) ?? []), row]);
    }
    const generations = new Map(seen.generations.map((row) => [row.id, row]));
    for (const key of new Set([...common.families.keys(), ...events.keys(), ...jobs.keys()])) {
      const own = events.get(key) ?? [];
      const before = common.families.get(key);
      const there = {
        jobs: jobs.get(key) ?? [],
        generation: generations.get(key) ?? null,
        ledger: seen.ledger,
      };
      this.history.set(key, [...(this.history.get(key) ?? []), ...own]);
      const { family, against } = findOrder(before, own, around, there);
      if (!family) this.explain(key, before, own, there, against);
      else common.families.set(key, family);
    }
  }

  private explain(key: string, before: unknown, own: Event[], there: Seen, against: string[]): never {
    const calls = (this.history.get(key) ?? []).slice(-25).map(({ call, ...event }) => {
      const now = own.some((one) => one.call === call) ? '*' : ' ';
      const what =
        event.kind === 'handed out'
          ? { row: event.row }
          : { args: call.args, answer: call.answer, refused: call.refused };
      return `${now} ${line(call, what)}`;
    });
    throw this.broken([
      `the calls on ${key} have no order in which they are right.`,
      ...against.map((why) => `  ${why}`),
      'The last calls, those of this round with *:',
      ...calls,
      `The model before them: ${JSON.stringify(before)}`,
      `What is there now: ${JSON.stringify({ ...there, ledger: undefined })}`,
    ]);
  }

  private fail(wrong: string[]): void {
    if (wrong.length > 0) throw this.broken(wrong);
  }

  private broken(lines: string[]): Broken {
    return new Broken(
      `${this.where}: ${lines.join('\n')}\nAgain: npm run model-check -- --seed ${this.options.seed}`,
    );
  }
}
