import fs from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { UserError } from '../user-error.mjs';
import type { Options } from './options.ts';

/** Rows that are read at once: a user may have a million. */
const ROWS = 1_000;
/** For one file. */
const FILE_MS = 300_000;

/** What is written line by line: a query of one column `line` for a user. */
const LISTS: Record<string, (sql: postgres.Sql, user: string) => postgres.PendingQuery<{ line: string }[]>> =
  {
    generations: (sql, user) => sql`
    select to_jsonb(g)::text as line from public.image_generations as g where user_id = ${user} order by created_at, id`,
    images: (sql, user) => sql`
    select to_jsonb(i)::text as line from public.images as i where user_id = ${user} order by created_at, id`,
    batches: (sql, user) => sql`
    select to_jsonb(b)::text as line from public.batch_generations as b where user_id = ${user} order by created_at, id`,
    webhooks: (sql, user) => sql`
    select to_jsonb(d)::text as line from private.webhook_deliveries as d
    inner join public.image_generations as g on g.id = d.generation_id
    where g.user_id = ${user} order by d.ended_at, d.id`,
    costs: (sql, user) => sql`
    select to_jsonb(p)::text as line from private.predictions as p
    inner join public.image_generations as g on g.id = p.generation_id
    where g.user_id = ${user} order by p.recorded_at, p.id`,
  };

interface StoredFile {
  bucket: string;
  name: string;
  bytes: string | null;
}

/** How much was written, by name. */
export type Counts = Record<string, number>;

/** @throws UserError where there is no such user, or the folder cannot be made */
export async function exportUser(options: Options, say: (line: string) => void): Promise<Counts> {
  const sql = postgres(options.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const { counts, files } = await sql.begin('isolation level repeatable read read only', (transaction) =>
      write(transaction as unknown as postgres.Sql, options, say),
    );
    // After the snapshot: one that is held for long keeps old rows of the whole queue alive.
    if (options.storage) for (const file of files) await bring(file, options.storage, options.out);
    return counts;
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    if (['ECONNREFUSED', 'ENOTFOUND', 'CONNECT_TIMEOUT', '28P01'].includes(code)) {
      throw new UserError(
        `The database at DATABASE_URL does not let us in (${code}): check the string and the network.`,
      );
    }
    throw error;
  } finally {
    await sql.end();
  }
}

async function write(
  sql: postgres.Sql,
  options: Options,
  say: (line: string) => void,
): Promise<{ counts: Counts; files: StoredFile[] }> {
  const { userId, out } = options;
  const [user] = await sql<{ text: string }[]>`
    select jsonb_pretty(jsonb_build_object(
      'account', jsonb_build_object(
        'id', u.id, 'email', u.email, 'phone', to_jsonb(u) -> 'phone', 'created_at', u.created_at,
        'last_sign_in_at', to_jsonb(u) -> 'last_sign_in_at', 'user_metadata', to_jsonb(u) -> 'raw_user_meta_data'
      ),
      'profile', (select to_jsonb(p) from public.profiles as p where p.id = u.id),
      'plan', (select to_jsonb(p) from private.user_plans as p where p.user_id = u.id),
      'usage', (select jsonb_agg(s) from private.usage as s where s.user_id = u.id)
    )) as text
    from auth.users as u where u.id = ${userId}`;
  if (!user)
    throw new UserError(`The database has no user ${userId}: look the id up under Authentication, Users.`);
  await fs.mkdir(out, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'is there already' : `cannot be made (${error.message})`;
    throw new UserError(`The folder ${out} ${why}: name another one with --out.`);
  });
  await fs.writeFile(path.join(out, 'user.json'), `${user.text}\n`);
  const counts: Counts = {};
  for (const [name, query] of Object.entries(LISTS)) {
    counts[name] = await lines(path.join(out, `${name}.jsonl`), query(sql, userId));
    say(`${name}: ${counts[name]}`);
  }
  const files = await sql<StoredFile[]>`
    select bucket_id as bucket, name, metadata ->> 'size' as bytes from storage.objects
    where bucket_id in ('generated-images', 'source-images') and name like ${`${userId}/%`} order by bucket_id, name`;
  const table = files.map(({ bucket, name, bytes }) => `${bucket}\t${name}\t${bytes ?? ''}\n`);
  await fs.writeFile(path.join(out, 'files.tsv'), table.join(''));
  counts.files = files.length;
  say(`files: ${files.length}`);
  return { counts, files };
}

async function lines(file: string, query: postgres.PendingQuery<{ line: string }[]>): Promise<number> {
  const handle = await fs.open(file, 'wx');
  let count = 0;
  try {
    for await (const rows of query.cursor(ROWS)) {
      await handle.write(rows.map(({ line }) => `${line}\n`).join(''));
      count += rows.length;
    }
  } finally {
    await handle.close();
  }
  return count;
}

async function bring({ bucket, name }: StoredFile, { url, key }: { url: string; key: string }, out: string) {
  const target = path.join(out, 'files', bucket, name);
  // The names are ours, but anybody with the service key may have written one.
  if (!target.startsWith(path.join(out, 'files', bucket) + path.sep)) return;
  const address = `${url}/storage/v1/object/${bucket}/${name.split('/').map(encodeURIComponent).join('/')}`;
  const answer = await fetch(address, { headers: credentials(key), signal: AbortSignal.timeout(FILE_MS) });
  // Deleted since; files.tsv has its name.
  if (answer.status === 404 || (answer.status === 400 && (await answer.clone().text()).includes('404')))
    return;
  if (!answer.ok || !answer.body) {
    throw new UserError(`Storage answered ${answer.status} to ${bucket}/${name}: is the key the secret one?`);
  }
  await fs.mkdir(path.dirname(target), { recursive: true });
  const handle = await fs.open(target, 'wx');
  await pipeline(
    Readable.fromWeb(answer.body as import('node:stream/web').ReadableStream),
    handle.createWriteStream(),
  );
}

/** A legacy key is a token as well, and wanted as one; today's is none. */
const credentials = (key: string): Record<string, string> =>
  key.startsWith('sb_') ? { apikey: key } : { apikey: key, authorization: `Bearer ${key}` };
