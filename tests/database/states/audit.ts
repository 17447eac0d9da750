import type postgres from 'postgres';

export type Sql = postgres.Sql | postgres.TransactionSql;

/** A change of a row's state that was made. */
export interface Step {
  table: string;
  from: string;
  to: string;
  /** The functions of ours that were running. */
  functions: string[];
  /** What the test did, for its messages. */
  by: string;
}

/** Has every change of a job or a generation noted, with the functions that were running. */
export async function watch(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema audit;
    create table audit.steps (table_name text, from_state text, to_state text, stack text);

    create function audit.job_state(j public.job_queue) returns text language sql as $$
      select case
        when j.status is null then '[*]'
        when j.status <> 'pending' then j.status
        when j.held then 'held'
        when j.ready_at is not null then 'ready'
        else 'scheduled'
      end
    $$;
    create function audit.note() returns trigger language plpgsql security definer as $$
    declare
      v_stack text;
      v_from text;
      v_to text;
    begin
      get diagnostics v_stack = pg_context;
      if tg_table_name = 'job_queue' then
        v_from := audit.job_state(old);
        v_to := audit.job_state(new);
      else
        v_from := coalesce(old.status, '[*]');
        v_to := coalesce(new.status, '[*]');
      end if;
      insert into audit.steps values (tg_table_name, v_from, v_to, v_stack);
      return null;
    end
    $$;
    create trigger audit after insert or update or delete on public.job_queue
    for each row execute function audit.note();
    create trigger audit after insert or update or delete on public.image_generations
    for each row execute function audit.note();
  `);
}

/** What has been noted since `forget`, save changes by the test's own hand. */
export async function noted(sql: Sql, by: string): Promise<Step[]> {
  const rows = await sql<{ table_name: string; from_state: string; to_state: string; stack: string }[]>`
    select distinct * from audit.steps where stack like '%function public.%'`;
  return rows.map((row) => ({
    table: row.table_name,
    from: row.from_state,
    to: row.to_state,
    functions: [...row.stack.matchAll(/function (?:public|private)\.(\w+)\(/g)].map(
      (match) => match[1] ?? '',
    ),
    by,
  }));
}

export async function forget(sql: Sql): Promise<void> {
  await sql`truncate audit.steps`;
}
