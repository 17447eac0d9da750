import postgres from 'postgres';

export type Args = Record<string, unknown>;

export interface Refused {
  sqlstate: string;
  /** The contract's stable code. */
  code: string | null;
  message: string;
}

/** One call and its answer; times in milliseconds since 1970. */
export interface Call {
  n: number;
  name: string;
  args: Args;
  begun: number;
  ended: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the function answers
  answer: any;
  refused: Refused | null;
}

/** The jobs in an answer, each under a lease. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the function answers
export const handedOutIn = (answer: any): any[] => [
  ...(Array.isArray(answer) ? answer : []),
  ...(answer?.next ?? []),
  ...[answer, ...(answer?.answers ?? [])].flatMap((one) => one?.job ?? []),
];

export const clock = () => performance.timeOrigin + performance.now();

export const line = ({ n, begun, ended, name }: Call, what: object) =>
  `#${n} ${begun.toFixed(1)}..${ended.toFixed(1)} ${name} ${JSON.stringify(what)}`;

/** Calls the queue's functions as PostgREST does, and keeps what was called and answered. */
export class Calls {
  /** As the owner of the project's objects. */
  readonly sql: postgres.Sql;
  private readonly service: postgres.Sql;
  readonly made: Call[] = [];
  private types = new Map<string, string>();
  private n = 0;

  constructor(url: string, connections: number) {
    const quiet = { onnotice: () => {} };
    this.sql = postgres(url, { max: connections + 4, ...quiet });
    const service = { role: 'service_role', 'request.jwt.claims': '{"role":"service_role"}' };
    this.service = postgres(url, { max: connections, connection: service, ...quiet });
  }

  async open(): Promise<void> {
    const rows = await this.sql<{ of: string; name: string; type: string }[]>`
      select distinct p.proname as of, a.name, pg_catalog.format_type(a.type, null) as type
      from pg_catalog.pg_proc as p
      cross join lateral unnest(p.proargnames, p.proargtypes::oid[]) as a (name, type)
      where p.pronamespace = 'public'::regnamespace and a.type is not null`;
    for (const { of, name, type } of rows) this.types.set(`${of} ${name}`, type);
  }

  /** As a signed-in user, or as the service. */
  call(name: string, args: Args, user: string | null = null): Promise<Call> {
    const names = Object.keys(args);
    const list = names.map((key, index) => {
      const type = this.types.get(`${name} ${key}`) ?? 'text';
      return `${key} => $${index + 1}${type === 'jsonb' ? '::text' : ''}::${type}`;
    });
    const values = names.map((key) =>
      this.types.get(`${name} ${key}`) === 'jsonb' ? JSON.stringify(args[key]) : args[key],
    );
    const query = name.startsWith('claim_')
      ? `select to_jsonb(j) as answer from public.${name}(${list.join(', ')}) with ordinality as j order by j.ordinality`
      : `select to_jsonb(public.${name}(${list.join(', ')})) as answer`;
    return this.note(name, user === null ? args : { ...args, as: user }, async () => {
      const rows =
        user === null
          ? await this.service.unsafe(query, values as never[])
          : await this.asUser(user, query, values);
      const answers = rows.map((row) => row.answer);
      return name.startsWith('claim_') ? answers : answers[0];
    });
  }

  private asUser(user: string, query: string, values: unknown[]): Promise<postgres.Row[]> {
    const claims = JSON.stringify({ role: 'authenticated', sub: user });
    return this.sql.begin(async (sql) => {
      await sql`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', ${claims}, true)`;
      return sql.unsafe(query, values as never[]);
    }) as Promise<postgres.Row[]>;
  }

  /** What a signed-in user writes into the tables: one row, which is the answer. None is a 404. */
  async byUser(name: string, args: Args, user: string, query: string, values: unknown[]): Promise<Call> {
    return this.note(name, { ...args, as: user }, async () => {
      const [row] = await this.asUser(user, query, values);
      if (!row)
        throw Object.assign(new Error('there is no such row'), { code: 'PT404', detail: 'not_found' });
      return row;
    });
  }

  /** The calls since the last quiet moment that have to do with a job or a user, as lines of text. */
  on(id: string): string[] {
    const has = (value: unknown) => JSON.stringify(value ?? null).includes(id);
    return this.made
      .filter(({ args, answer }) => has(args) || has(answer))
      .map((call) => {
        const answer = Array.isArray(call.answer) ? call.answer.filter(has) : call.answer;
        return line(call, { args: call.args, answer, refused: call.refused });
      });
  }

  async end(): Promise<void> {
    await Promise.all([this.sql.end(), this.service.end()]);
  }

  /** What is written by hand, or by whoever runs the installation. */
  byHand(name: string, args: Args, write: (sql: postgres.Sql) => Promise<unknown>): Promise<Call> {
    return this.note(name, args, async () => {
      const rows = await write(this.sql);
      return Array.isArray(rows) ? [...rows] : rows;
    });
  }

  private async note(name: string, args: Args, make: () => Promise<unknown>): Promise<Call> {
    const call: Call = {
      n: ++this.n,
      name,
      args,
      begun: clock(),
      ended: 0,
      answer: undefined,
      refused: null,
    };
    try {
      call.answer = await make();
    } catch (error) {
      const { code, detail, message, where } = error as postgres.PostgresError;
      call.refused = {
        sqlstate: String(code),
        code: detail ?? null,
        message: (code === '40P01' ? [message, detail, where] : [message]).join(' '),
      };
    }
    call.ended = clock();
    this.made.push(call);
    return call;
  }
}
