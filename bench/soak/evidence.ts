import type { PredictionRecord, Stats } from '../../dev/replicate/control.ts';
import type { TestStack } from '../../tests/e2e/support/stack.ts';

/** A generation as the database has it. */
export interface GenerationRow {
  id: string;
  status: string;
  error_code: string | null;
  model: string;
  /** Seconds; null when it has not ended. */
  seconds: number | null;
  created_at: Date;
  completed_at: Date | null;
}

export interface Job {
  id: string;
  generation_id: string | null;
  job_type: string;
  status: string;
  attempts: number;
  prediction_id: string | null;
  error_details: { code?: string; message: string; prediction_id?: string }[] | null;
}

export interface Image {
  generation_id: string;
  storage_path: string;
  public_url: string;
  file_size: number;
}

/** What is known of one generation. */
export interface Case {
  row: GenerationRow;
  jobs: Job[];
  /** All predictions that name its job, the oldest first. */
  predictions: PredictionRecord[];
  images: Image[];
  /** Names of the objects in the bucket that belong to it. */
  objects: string[];
}

/** What is left behind after a run. */
export interface Evidence {
  cases: Map<string, Case>;
  jobs: Job[];
  images: Image[];
  objects: string[];
  /** How each prediction ended by the database's ledger; null: it runs. */
  ledger: Map<string, string | null>;
  /** Predictions in the ledger that made an image and have no price, or that never ran and have one. */
  mispriced: string[];
  /** Objects, jobs and predictions that belong to no generation. */
  strays: string[];
  /** Images whose file cannot be had, or is not as long as its row says. */
  unreadable: string[];
  stats: Stats;
}

const DOWNLOADS = 8;

/** Reads the database, the storage and the simulator's records. */
export async function collect(stack: TestStack): Promise<Evidence> {
  const { sql, simulator } = stack;
  const rows = await sql<GenerationRow[]>`
    select id, status, error_code, model, created_at, completed_at,
      extract(epoch from completed_at - created_at)::float8 as seconds
    from public.image_generations order by created_at`;
  const jobs = await sql<Job[]>`
    select id, generation_id, job_type, status, attempts, prediction_id, error_details
    from public.job_queue order by seq`;
  const images = await sql<Image[]>`
    select generation_id, storage_path, public_url, file_size::float8 as file_size from public.images`;
  const named = await sql<{ name: string }[]>`
    select name from storage.objects where bucket_id = 'generated-images'`;
  const objects = named.map(({ name }) => name);
  const noted = await sql<
    { id: string; status: string | null; generation_id: string | null; cost: number | null }[]
  >`select id, status, generation_id, cost_usd::float8 as cost from private.predictions`;
  const ledger = new Map(noted.map(({ id, status }) => [id, status]));

  const cases = new Map<string, Case>();
  for (const row of rows) cases.set(row.id, { row, jobs: [], predictions: [], images: [], objects: [] });
  const strays: string[] = [];
  const give = (id: string | null | undefined, what: string, to: (one: Case) => void) => {
    const found = id ? cases.get(id) : undefined;
    if (found) to(found);
    else strays.push(what);
  };
  for (const job of jobs) {
    // What removes files works for no single generation.
    if (job.job_type === 'cleanup-storage') continue;
    give(job.generation_id, `job ${job.id}`, (one) => one.jobs.push(job));
  }
  for (const image of images)
    give(image.generation_id, `image ${image.storage_path}`, (one) => one.images.push(image));
  for (const name of objects) {
    // {user}/{generation}.{format}
    const id = name.split('/')[1]?.split('.')[0];
    give(id, `object ${name}`, (one) => one.objects.push(name));
  }
  const generationOf = new Map(jobs.map((job) => [job.id, job.generation_id]));
  const made = await simulator.predictions();
  const known = new Set(made.map(({ id }) => id));
  for (const { id } of noted) if (!known.has(id)) strays.push(`${id} in the ledger, never made`);
  const mispriced = noted.flatMap(({ id, status, generation_id, cost }) => {
    const isRight = status === 'succeeded' ? Number(cost) > 0 : status !== 'aborted' || cost === 0;
    return isRight ? [] : [generation_id ?? id];
  });
  for (const entry of made) {
    const id = generationOf.get(entry.job ?? '');
    give(id, `prediction ${entry.id}`, (one) => one.predictions.push(entry));
  }
  const unreadable = await readAll(images);
  const stats = await simulator.stats();
  return { cases, jobs, images, objects, ledger, mispriced, strays, unreadable, stats };
}

/** Gets every image as its user would. */
async function readAll(images: Image[]): Promise<string[]> {
  const unreadable: string[] = [];
  const left = [...images];
  const work = async () => {
    for (let image = left.pop(); image; image = left.pop()) {
      const answer = await fetch(image.public_url);
      const bytes = (await answer.arrayBuffer()).byteLength;
      if (!answer.ok || bytes !== image.file_size) unreadable.push(image.generation_id);
    }
  };
  await Promise.all(Array.from({ length: DOWNLOADS }, work));
  return unreadable;
}
