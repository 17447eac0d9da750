import postgres from 'postgres';
import { beforeAll, expect, test } from 'vitest';
import { Database, type Started } from './support.ts';

/** A node of EXPLAIN's JSON, as far as it is looked at. */
interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Node[];
}

const db = await Database.open();
const plans: Node[] = [];
let watcher: postgres.Sql;

/** The real plans, with counts, of every statement that runs inside the functions called. */
async function plansOf(statement: string): Promise<Node[]> {
  plans.length = 0;
  await watcher.unsafe(statement);
  return [...plans];
}

const nodes = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
const blocks = (tops: Node[]) =>
  tops.reduce((sum, top) => sum + top['Shared Hit Blocks'] + top['Shared Read Blocks'], 0);

/** No node reads job_queue other than by an index, reads much more than it gives, or sorts much. */
function expectBounded(tops: Node[], rows: number): void {
  expect(tops.length, 'auto_explain reports the nested statements').toBeGreaterThan(2);
  for (const node of tops.flatMap(nodes)) {
    const what = JSON.stringify({ ...node, Plans: undefined });
    if (node['Relation Name'] === 'job_queue' && node['Node Type'].includes('Scan'))
      expect(node['Node Type'], what).toMatch(/^(Index|Bitmap|Tid)/);
    expect(node['Actual Rows'] * node['Actual Loops'], what).toBeLessThanOrEqual(rows);
    expect(node['Rows Removed by Filter'] ?? 0, what).toBeLessThanOrEqual(rows);
  }
}

const fill = (count: number, columns: string, values: string) =>
  db.sql.unsafe(
    `insert into public.job_queue (job_type, ${columns}) select 'generate-image', ${values} from generate_series(1, ${count}) as n`,
  );

beforeAll(async () => {
  watcher = postgres(db.superuserUrl, {
    max: 1,
    onnotice: (notice) => {
      const text = notice.message ?? '';
      const start = text.indexOf('{');
      if (start >= 0 && text.includes('plan:'))
        plans.push((JSON.parse(text.slice(start)) as { Plan: Node }).Plan);
    },
  });
  await watcher.unsafe(`
    load 'auto_explain';
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_analyze = on;
    set auto_explain.log_buffers = on;
    set auto_explain.log_timing = off;
    set auto_explain.log_nested_statements = on;
    set auto_explain.log_format = json;
    set auto_explain.log_level = notice;
    set client_min_messages = notice;
  `);
  return () => watcher.end();
});

const CLAIMS = [
  'select id from public.claim_jobs(10)',
  "select id from public.claim_jobs(10, 60, '{generate-image}')",
];

test('a claim costs the same whatever waits: 100,000 ready, 200,000 scheduled, 100,000 finished, another type', async () => {
  // This connection's plans are made on an empty table and kept.
  for (let i = 0; i < 12; i++) for (const claim of CLAIMS) await watcher.unsafe(claim);

  await fill(1_000, 'turn', 'n');
  await db.sql`vacuum analyze public.job_queue`;
  const small: number[] = [];
  for (const claim of CLAIMS) {
    await plansOf(claim);
    const tops = await plansOf(claim);
    expectBounded(tops, 40);
    small.push(blocks(tops));
  }

  await fill(100_000, 'turn', '1000 + n');
  await fill(200_000, 'priority, scheduled_at', "50, now() + interval '1 day'");
  await fill(100_000, 'status, completed_at', "'completed', now()");
  await db.sql`insert into public.job_queue (job_type, priority, turn) select 'another-type', 20, n from generate_series(1, 50000) as n`;
  for (const [index, claim] of CLAIMS.entries()) {
    await plansOf(claim);
    const before = await plansOf(claim);
    expectBounded(before, 40);
    expect(blocks(before), `${claim}: buffers with 450,000 rows, statistics still of 1,000`).toBeLessThan(
      (small[index] ?? 0) * 1.5 + 30,
    );
  }
  await db.sql`vacuum analyze public.job_queue`;
  for (const [index, claim] of CLAIMS.entries()) {
    await plansOf(claim);
    const after = await plansOf(claim);
    expectBounded(after, 40);
    expect(blocks(after), `${claim}: buffers with 450,000 rows`).toBeLessThan((small[index] ?? 0) * 1.5 + 30);
  }
}, 60_000);

test('the steps of a generation look single rows up', async () => {
  const user = await db.createUser();
  await fill(50_000, 'turn', 'n');
  await watcher.unsafe(`select set_config('request.jwt.claims', '{"sub": "${user}"}', false)`);
  const request = '{"prompt": "a lighthouse", "model_id": "test/painter", "priority": "high"}';
  // Priority 20 of the first test is older than this user's: nothing else may come between.
  await db.sql`delete from public.job_queue where job_type = 'another-type'`;
  const [started] = await watcher.unsafe<[{ answer: Started }]>(
    `select public.start_generation('${request}') as answer`,
  );
  const { job_id, generation_id } = started.answer;
  const [job] = await watcher.unsafe("select id, lease from public.claim_jobs(1, 60, '{generate-image}')");
  expect(job?.id).toBe(job_id);

  expectBounded(await plansOf(`select public.record_prediction('${job_id}', 1, 'p1', 60)`), 2);
  const finished = await plansOf(
    `select public.finish_prediction('${job_id}', 'p1', '{"status": "succeeded", "output_url": "https://x.example/a"}')`,
  );
  expectBounded(finished, 2);
  const [download] = await db.sql`select id from public.job_queue where job_type = 'download-image'`;
  const image = '{"storage_path": "a", "public_url": "https://x.example/a", "format": "webp"}';
  expectBounded(await plansOf(`select public.finish_download('${download?.id}', 1, '${image}')`), 2);
  expect((await db.generation(generation_id)).status).toBe('completed');
}, 60_000);

test('a place in the queue is counted up to 1,000', async () => {
  const user = await db.createUser();
  await fill(5_000, 'turn', 'n');
  const { queue_position, generation_id } = await db.start(user, { priority: 'low' });
  expect(queue_position).toBe(1_000);
  const seen = await db.callAs(user, 'get_generation', { p_generation_id: generation_id });
  expect(seen).toMatchObject({ queue_position: 1_000 });
});
