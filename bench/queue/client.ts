import postgres from 'postgres';

export type Row = Record<string, unknown>;

/** What a claim cost inside Postgres, nested functions included. */
export interface Plan {
  buffers: number;
}

const JSON_TEXT = {
  to: 114,
  from: [114, 3802],
  // Libraries hand json over as text: that is not quoted once more.
  serialize: (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)),
  parse: (text: string) => JSON.parse(text),
};

/** One connection that sends one statement at a time, prepared. Every queue is measured through it. */
export class Client {
  readonly url: string;
  readonly sql: postgres.Sql;
  /** While set, statements with parameters are explained, and what they cost is kept here. */
  #plans: Plan[] | undefined;

  constructor(url: string) {
    this.url = url;
    this.sql = postgres(url, { max: 1, onnotice: () => {}, types: { json: JSON_TEXT } }) as postgres.Sql;
  }

  async run<T extends Row = Row>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    const parameters = values.map((value) => (value === undefined ? null : value)) as never[];
    if (!this.#plans) return await this.sql.unsafe<T[]>(text, parameters, { prepare: true });
    const [row] = await this.sql.unsafe<[{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }]>(
      `explain (analyze, buffers, timing off, format json) ${text}`,
      parameters,
      { prepare: true },
    );
    const [{ Plan: top }] = row['QUERY PLAN'];
    this.#plans.push({ buffers: (top['Shared Hit Blocks'] ?? 0) + (top['Shared Read Blocks'] ?? 0) });
    return [];
  }

  /** Several statements in one text. */
  async script(text: string): Promise<unknown> {
    return this.sql.unsafe(text).simple();
  }

  /** The plans of all statements that `work` sends; their answers are empty. */
  async explain(work: () => Promise<unknown>): Promise<Plan[]> {
    this.#plans = [];
    try {
      await work();
      return this.#plans;
    } finally {
      this.#plans = undefined;
    }
  }

  end(): Promise<void> {
    return this.sql.end();
  }
}
