import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type postgres from 'postgres';
import { drawPortBase, stackPorts } from '../../../dev/stack/ports.ts';
import { client } from '../../../dev/stack/postgres.ts';
import type { StackAddresses } from '../../../dev/stack/stack.ts';
import { SimulatorControl } from './simulator.ts';
import { SupabaseControl } from './supabase.ts';
import { until } from './until.ts';

const MAIN = fileURLToPath(new URL('../../../dev/stack/main.ts', import.meta.url));
const OTHER_MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

export interface StackOptions {
  /** Beside `--dir`, `--port-base` and `--no-cron`. */
  args?: string[];
  /** Variables handed on to the workers. */
  env?: Record<string, string>;
  /** In place of the project's own. */
  wranglerToml?: string | undefined;
  /** Folder of migrations in place of the project's own. */
  migrationsDir?: string | undefined;
}

/** A row of job_queue, as far as these tests read it. */
export interface JobRow {
  id: string;
  job_type: string;
  status: string;
  attempts: number;
  lease: string;
  prediction_id: string | null;
  outcome_unknown: boolean;
  scheduled_at: Date;
  error_details: { code?: string; message: string }[] | null;
}

/** The whole system as `npm run stack` starts it, on a directory and ports of its own. */
export class TestStack {
  readonly addresses: StackAddresses;
  /** As the owner of the project's objects. */
  readonly sql: postgres.Sql;
  readonly simulator: SimulatorControl;
  /** Of the local Supabase; of one elsewhere the other tests' `createSupabase()` has its own. */
  readonly supabase: SupabaseControl;
  readonly #process: StackProcess;

  private constructor(process: StackProcess, addresses: StackAddresses) {
    this.#process = process;
    this.addresses = addresses;
    this.sql = client(addresses.databaseUrl);
    this.simulator = new SimulatorControl(addresses.replicateUrl);
    this.supabase = new SupabaseControl(addresses.supabaseUrl);
  }

  static async start(options: StackOptions = {}): Promise<TestStack> {
    const process = await startProcess(options);
    return new TestStack(process, process.addresses);
  }

  async stop(): Promise<void> {
    await this.sql.end();
    await this.#process.stop();
  }

  /** Id of one of the stack's own processes, such as `workerd`. */
  pid(name: string): Promise<number> {
    return this.#process.pid(name);
  }

  /** `until()`, with the last lines of the workers' logs when what is waited for never comes. */
  until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
    return until(what, ask, () => `the stack's last lines:\n${this.lastLines()}`);
  }

  /** All that the stack and its Workers have written so far. */
  log(): string {
    return this.#process.log();
  }

  /** Of its log. */
  lastLines(): string {
    return this.#process.log().slice(-3_000);
  }

  /** One explicit run of process-jobs, with the service key. */
  async processJobs(): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await fetch(`${this.addresses.processJobsUrl}/process-jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.addresses.serviceRoleKey}` },
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  /** One scheduled event of process-jobs, as the cron trigger sends it each minute. */
  async sweep(): Promise<void> {
    const { cron } = stackPorts(Number(new URL(this.addresses.startGenerationUrl).port) - 1);
    const query = new URLSearchParams({ cron: '* * * * *', time: String(Date.now()) });
    const answer = await fetch(`http://127.0.0.1:${cron}/process-jobs?${query}`, { method: 'POST' });
    if (!answer.ok) throw new Error(`the scheduled event failed: ${answer.status} ${await answer.text()}`);
  }

  /** The jobs of a generation, the oldest first. */
  jobs(generationId: string): Promise<JobRow[]> {
    return this.sql<JobRow[]>`
      select id, job_type, status, attempts, lease, prediction_id, outcome_unknown, scheduled_at, error_details
      from public.job_queue where generation_id = ${generationId} order by created_at, job_type desc`;
  }

  /** The job of a type, once it is as the test wants it. */
  async job(generationId: string, what: string, is: (job: JobRow) => boolean, type = 'generate-image') {
    return this.until(`the ${type} job to be ${what}`, async () =>
      (await this.jobs(generationId)).find((job) => job.job_type === type && is(job)),
    );
  }

  /** As if leases had run out and the time for the next attempt had come, and a pause had ended. */
  async letTimePass(generationId: string): Promise<void> {
    await this.sql`update private.provider_pause set until = least(until, now())`;
    await this.sql`update public.job_queue set
      lease_expires_at = case when status = 'processing' then now() - interval '1 second' end,
      scheduled_at = least(scheduled_at, now() - interval '1 second')
      where generation_id = ${generationId}`;
  }

  /**
   * Runs process-jobs and tells which jobs of a generation it claimed. What the run claims in all tells
   * nothing of them: a job of an earlier test may have come due.
   */
  async claimedOf(generationId: string): Promise<string[]> {
    const before = new Map((await this.jobs(generationId)).map(({ id, lease }) => [id, lease]));
    await this.processJobs();
    const after = await this.jobs(generationId);
    return after.filter(({ id, lease }) => before.get(id) !== lease).map(({ job_type }) => job_type);
  }

  /**
   * Kills the process that runs the three workers, as a crash would, and waits until the stack has
   * started another one.
   *
   * @param whileDead called again and again until the next process answers
   */
  async killWorkers(whileDead: () => Promise<unknown> = async () => {}): Promise<void> {
    const killed = await this.#process.pid('workerd');
    process.kill(killed, 'SIGKILL');
    const health = `${this.addresses.startGenerationUrl}/health`;
    await this.until('another process of the workers', async () => {
      await whileDead();
      if ((await this.#process.pid('workerd')) === killed) return false;
      return fetch(health).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  }

  /** Restarts Postgres as an operator does (a fast shutdown), and waits until the database answers again. */
  async restartPostgres(): Promise<void> {
    const before = await this.#process.pid('postgres');
    process.kill(before, 'SIGINT');
    await this.until('another Postgres', async () => {
      if ((await this.#process.pid('postgres')) === before) return false;
      return this.sql`select`.then(
        () => true,
        () => false,
      );
    });
  }

  /** How many rows and predictions there are in all: what a refused request must not change. */
  async traces(): Promise<Record<string, number>> {
    const [row] = await this.sql`select
      (select count(*)::int from public.image_generations) as generations,
      (select count(*)::int from public.job_queue) as jobs,
      (select count(*)::int from public.images) as images,
      (select count(*)::int from public.batch_generations) as batches`;
    return { ...row, predictions: (await this.simulator.stats()).predictions };
  }
}

interface StackProcess {
  addresses: StackAddresses;
  log(): string;
  /** Id of one of the stack's own processes, such as `workerd`. */
  pid(name: string): Promise<number>;
  stop(): Promise<void>;
}

async function startProcess(options: StackOptions): Promise<StackProcess> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(drawPortBase(), options);
    } catch (error) {
      // Another test file may have drawn the same ports.
      if (attempt === 5 || !/is taken|already in use/.test(String(error))) throw error;
    }
  }
}

async function startOn(
  base: number,
  { args = [], env = {}, wranglerToml, migrationsDir }: StackOptions,
): Promise<StackProcess> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'e2e-'));
  await fs.chmod(dir, 0o755); // as root Postgres runs as another user
  const own = ['--dir', path.join(dir, 'stack'), '--port-base', String(base), '--no-cron'];
  const other = {
    ...(wranglerToml === undefined ? {} : { TEST_WRANGLER_TOML: wranglerToml }),
    ...(migrationsDir === undefined ? {} : { TEST_MIGRATIONS: migrationsDir }),
  };
  const main = Object.keys(other).length === 0 ? MAIN : OTHER_MAIN;
  const child = spawn(process.execPath, [main, ...own, ...args], {
    env: { ...withoutProject(process.env), ...env, ...other },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await fs.rm(dir, { recursive: true, force: true });
  };
  try {
    const addresses = await firstLine(child, () => log);
    const pids = path.join(dir, 'stack', 'processes.json');
    const pid = async (name: string) => JSON.parse(await fs.readFile(pids, 'utf8'))[name] as number;
    return { addresses, log: () => log, pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function firstLine(child: ChildProcess, log: () => string): Promise<StackAddresses> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) resolve(JSON.parse(text));
    });
    child.once('exit', (code) => reject(new Error(`the stack ended with ${code}: ${log()}`)));
  });
}

/** The environment of whoever runs the tests must not lead them to a real project. */
function withoutProject(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own =
    /^(SUPABASE_|REPLICATE_|SIMULATOR_|MAX_|WEBHOOK_|DNS_|PUBLIC_URL$|ALLOWED_ORIGINS$|DATABASE_URL$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !own.test(name)));
}
