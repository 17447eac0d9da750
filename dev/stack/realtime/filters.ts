/** What a client says of the changes it wants to hear of: an element of `config.postgres_changes` of its join. */
export type ChangeParams = Record<string, unknown>;

export const OPERATORS = {
  eq: '=',
  neq: '<>',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  in: '= any',
  like: 'like',
  ilike: 'ilike',
  match: '~',
  imatch: '~*',
  is: 'is',
  isdistinct: 'is distinct from',
} as const;

export type Operator = keyof typeof OPERATORS;

export interface Filter {
  column: string;
  operator: Operator;
  /** As Postgres reads it: a list of `in` is an array, `{a,b}`. */
  value: string;
  negate: boolean;
}

export type Action = 'INSERT' | 'UPDATE' | 'DELETE';

/** The changes that a subscription is for. */
export interface Selection {
  action: Action | '*';
  schema: string;
  /** `*`: all of the schema. */
  table: string;
  filters: Filter[];
  /** undefined: all columns. */
  columns: string[] | undefined;
}

/** What a client asks for cannot be; its words are those of the real server. */
export class BadSubscription extends Error {}

/**
 * Reads what a client wants to hear of. As the real server does: without a schema it is `public`, without a table all
 * of the schema's; an event it does not know stands for all.
 *
 * https://github.com/supabase/realtime/blob/main/lib/extensions/postgres_cdc_rls/subscriptions.ex
 *
 * @throws BadSubscription
 */
export function readSelection(params: ChangeParams): Selection {
  const { event, schema, table, filter, select } = params;
  const known = [schema, table, filter].every(
    (one) => one === undefined || one === null || typeof one === 'string',
  );
  if (
    !known ||
    (typeof schema !== 'string' && typeof table !== 'string') ||
    (filter && typeof table !== 'string')
  ) {
    throw new BadSubscription(
      `No subscription params provided. Please provide at least a \`schema\` or \`table\` to subscribe to: ${JSON.stringify(params)}`,
    );
  }
  const action = typeof event === 'string' ? event.toUpperCase() : '*';
  if (select !== undefined && select !== null && !Array.isArray(select)) {
    throw new BadSubscription('Error parsing `select` params: expected a list of column name strings');
  }
  const columns = select?.filter((one): one is string => typeof one === 'string');
  if (columns?.length && (schema === '*' || table === '*' || typeof table !== 'string')) {
    throw new BadSubscription(
      'Column selection is not supported for wildcard subscriptions. Provide an explicit schema and table name.',
    );
  }
  return {
    action: action === 'INSERT' || action === 'UPDATE' || action === 'DELETE' ? action : '*',
    schema: typeof schema === 'string' ? schema : 'public',
    table: typeof table === 'string' ? table : '*',
    filters: typeof filter === 'string' ? readFilters(filter) : [],
    columns: columns?.length ? columns : undefined,
  };
}

/**
 * `column=operator.value`, several with commas between them, all of which must hold.
 *
 * @throws BadSubscription
 */
export function readFilters(text: string): Filter[] {
  if (text.trim() === '') return [];
  return split(text).map((part) => {
    if (part.trim() === '') throw bad('filter must not contain empty segments (check for extra commas)');
    const [, column, not, operator, value] = /^\s*([^=]+)=(not\.)?([a-z]+)\.(.*?)\s*$/s.exec(part) ?? [];
    if (column === undefined || operator === undefined || value === undefined) {
      throw bad(JSON.stringify(part.trim().split('=')));
    }
    if (!Object.hasOwn(OPERATORS, operator)) throw bad(JSON.stringify([operator, value]));
    const negate = not !== undefined;
    if (operator !== 'in') return { column, operator: operator as Operator, value: unquote(value), negate };
    if (!/^\(.*\)$/s.test(value)) throw bad('`in` filter value must be wrapped by parentheses');
    return { column, operator, value: `{${value.slice(1, -1)}}`, negate };
  });
}

const bad = (why: string) => new BadSubscription(`Error parsing \`filter\` params: ${why}`);

/** At commas that are neither in parentheses nor in a quoted value. */
function split(text: string): string[] {
  const parts = [''];
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === ',' && depth === 0 && !quoted) {
      parts.push('');
      continue;
    }
    const opens = !quoted && (i === 0 || '.(,'.includes(text.charAt(i - 1)));
    if (char === '"' && (quoted || opens)) quoted = !quoted;
    else if (!quoted && char === '(') depth += 1;
    else if (!quoted && char === ')') depth = Math.max(0, depth - 1);
    parts[parts.length - 1] += char;
    if (quoted && char === '\\') parts[parts.length - 1] += text.charAt(++i);
  }
  return parts;
}

function unquote(value: string): string {
  const [, inner] = /^"((?:[^"\\]|\\.)*)"$/s.exec(value) ?? [];
  return inner === undefined ? value : inner.replace(/\\(.)/gs, '$1');
}
