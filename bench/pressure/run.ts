import { client, databaseUrl } from '../../dev/stack/postgres.ts';
import { Client } from '../queue/client.ts';
import type { Queue } from '../queue/queue.ts';
import type { Server } from '../queue/server.ts';
import { CELLS, type CellName, type Connect, OWN } from './cells.ts';
import { Load } from './load.ts';
import { Meter } from './meter.ts';
import type { Options } from './options.ts';
import { backAfter, type Cell, phaseOf } from './results.ts';

export type Say = (line: string) => void;

/** Seconds that the parts of a cell take, without what is around them. */
export const secondsOf = (options: Options) =>
  options.warmUp + options.baseline + options.stress + options.recovery;

/** A queue that is used in a database of its own. */
interface Stage {
  load: Load;
  meter: Meter;
  connect: Connect;
}

/** One queue in one cell, in a database of its own that is dropped afterwards. */
export async function playCell(
  queue: Queue,
  name: CellName,
  server: Server,
  options: Options,
  say: Say,
): Promise<Cell> {
  // What has been begun and must be ended, whatever happens: the last first.
  const ends: (() => Promise<unknown>)[] = [];
  try {
    const stage = await setStage(queue, name, server, options, ends);
    return {
      queue: queue.name,
      version: queue.version,
      cell: name,
      ...(await playOn(stage, name, options, say, ends)),
    };
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

async function setStage(
  queue: Queue,
  name: CellName,
  server: Server,
  options: Options,
  ends: (() => Promise<unknown>)[],
): Promise<Stage> {
  const database = `${queue.name}_${name}`.replaceAll('-', '_');
  const { url, superuserUrl } = await server.createDatabase(database);
  ends.push(() => drop(superuserUrl, database));
  await queue.install(superuserUrl, url);
  const open = async () => {
    const one = new Client(url);
    ends.push(() => one.end());
    const session = await queue.open(one, 'plain');
    ends.push(async () => session.close?.());
    return session;
  };
  const producers = await times(options.producers, open);
  const runtime = await queue.runtime?.(url, options.consumers, options.claim);
  if (runtime) ends.push(() => runtime.close());
  const consumers = runtime ? [] : await times(options.consumers, open);
  await server.settle(database);
  const connect: Connect = () => client(withName(superuserUrl));
  const admin = connect();
  ends.push(() => admin.end());
  const load = new Load(options);
  const meter = new Meter(admin, () => load.completed);
  ends.push(() => meter.stop());
  if (queue.sweep) ends.push(repeat(new Client(url), queue.sweep, options.sweep));
  load.start(producers, consumers);
  if (runtime) load.haltBy(await runtime.follow((jobs) => load.handedOut(jobs)));
  ends.push(() => load.stop());
  await load.during(options.warmUp * 1000);
  await meter.start();
  return { load, meter, connect };
}

async function playOn(
  { load, meter, connect }: Stage,
  name: CellName,
  options: Options,
  say: Say,
  ends: (() => Promise<unknown>)[],
): Promise<Omit<Cell, 'queue' | 'version' | 'cell'>> {
  const cell = CELLS[name];
  const raised = options.rate * (cell.more ? options.more : 1);
  say('baseline');
  const begun = await meter.look();
  await load.during(options.baseline * 1000);

  say(`stress: ${cell.title}`);
  const stressed = await meter.look();
  const end = once(await cell.begin(connect, options));
  ends.push(end);
  load.rate = raised;
  await load.during(options.stress * 1000);
  const released = await meter.look();
  const dead = await meter.deadRows();
  load.rate = options.rate;
  await end();

  say('recovery');
  await load.during(options.recovery * 1000);
  const over = await meter.look();
  const lost = await load.finish();
  const baseline = phaseOf(begun, stressed, load.pickups, options.rate);
  const stress = phaseOf(stressed, released, load.pickups, raised);
  return {
    baseline,
    stress,
    recovery: phaseOf(released, over, load.pickups, options.rate),
    deadPerJob: dead / Math.max(1, stress.completed),
    deadAfterVacuum: await meter.deadAfterVacuum(),
    backAfterSeconds: backAfter(released.at, baseline, meter.readings, load.pickups),
    enqueued: load.enqueued,
    completed: load.completed,
    lost,
    twice: load.twice,
  };
}

async function times<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < count) made.push(await make());
  return made;
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}

/** A statement again and again; answers what ends that. */
function repeat(by: Client, statement: string, seconds: number): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(() => by.run(statement)).catch(() => {});
  }, seconds * 1000);
  return async () => {
    clearInterval(timer);
    await running;
    await by.end();
  };
}

function withName(superuserUrl: string): string {
  const url = new URL(superuserUrl);
  url.searchParams.set('application_name', OWN);
  return url.href;
}

/** Its connections may still be ending. */
async function drop(superuserUrl: string, database: string): Promise<void> {
  const sql = client(databaseUrl(superuserUrl, 'postgres', new URL(superuserUrl).username));
  await sql`drop database if exists ${sql(database)} with (force)`;
  await sql.end();
}

/** Applies to all databases of the server at once. */
export async function setNaptime(server: Server, seconds: number): Promise<void> {
  const { superuserUrl } = await server.createDatabase('settings');
  const sql = client(superuserUrl);
  await sql.unsafe(`alter system set autovacuum_naptime = '${Math.max(1, Math.round(seconds))}s'`);
  await sql`select pg_reload_conf()`;
  await sql.end();
  await drop(superuserUrl, 'settings');
}
