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

/** What happened to one row of one table; null is no row. */
interface Event {
  /** The job's id, within its transaction; null for a generation, which stays in its table. */
  job: string | null;
  from_state: string | null;
  to_state: string | null;
  stack: string;
}

const NOWHERE = '[*]';

/**
 * Has every change of a job or a generation noted, with the functions that were running. The table that a job stands
 * in is its state, and the column `status` tells how a finished one ended.
 */
export async function watch(sql: Sql): Promise<void> {
  await sql.unsafe(`
    create schema audit;
    create table audit.events (
      ord bigint generated always as identity, job text, from_state text, to_state text, stack text
    );

    create function audit.note() returns trigger language plpgsql security definer as $$
    declare
      v_stack text;
      v_job text;
      v_from text := to_jsonb(old) ->> 'status';
      v_to text := to_jsonb(new) ->> 'status';
    begin
      get diagnostics v_stack = pg_context;
      if tg_table_schema = 'private' then
        v_job := txid_current() || ' ' || coalesce(new.id, old.id);
        if tg_table_name <> 'finished_jobs' then
          v_from := case when old.id is not null then tg_argv[0] end;
          v_to := case when new.id is not null then tg_argv[0] end;
        end if;
      end if;
      insert into audit.events (job, from_state, to_state, stack) values (v_job, v_from, v_to, v_stack);
      return null;
    end
    $$;
    create trigger audit after insert or update or delete on private.scheduled_jobs
    for each row execute function audit.note('scheduled');
    create trigger audit after insert or update or delete on private.blocked_jobs
    for each row execute function audit.note('blocked');
    create trigger audit after insert or update or delete on private.ready_jobs
    for each row execute function audit.note('ready');
    create trigger audit after insert or update or delete on private.running_jobs
    for each row execute function audit.note('processing');
    create trigger audit after insert or update or delete on private.finished_jobs
    for each row execute function audit.note();
    create trigger audit after insert or update or delete on public.image_generations
    for each row execute function audit.note();
  `);
}

/** What has been noted since `forget`, save changes by the test's own hand. */
export async function noted(sql: Sql, by: string): Promise<Step[]> {
  const events = await sql<Event[]>`select job, from_state, to_state, stack from audit.events order by ord`;
  return pairMoves(events)
    .filter(({ stack }) => stack.includes('function public.'))
    .map(({ job, from_state, to_state, stack }) => ({
      table: job === null ? 'image_generations' : 'job_queue',
      from: from_state ?? NOWHERE,
      to: to_state ?? NOWHERE,
      functions: [...stack.matchAll(/function (?:public|private)\.(\w+)\(/g)].map((match) => match[1] ?? ''),
      by,
    }));
}

/** A step takes a job's row out of one table and puts it into another: the two are one change of its state. */
function pairMoves(events: Event[]): Event[] {
  const steps: Event[] = [];
  const taken = new Map<string, Event>();
  for (const event of events) {
    const { job } = event;
    if (job !== null && event.to_state === null) {
      if (taken.has(job)) throw new Error(`the job ${job} stood in two tables`);
      taken.set(job, event);
    } else if (job !== null && event.from_state === null) {
      steps.push({ ...event, from_state: taken.get(job)?.from_state ?? null });
      taken.delete(job);
    } else {
      steps.push(event);
    }
  }
  return [...steps, ...taken.values()];
}

/** Jobs that stand in more than one table. */
export async function doubles(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`select id from public.job_queue group by id having count(*) > 1`;
  return rows.map(({ id }) => id);
}

export async function forget(sql: Sql): Promise<void> {
  await sql`truncate audit.events`;
}
