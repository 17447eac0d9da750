/**
 * Faults of the local Supabase as data: a rule says which requests it matches and what goes wrong with them. Of the
 * rules that match, the first acts. Set over HTTP under `/_control` (control.ts).
 */
import { answers } from './fault-answers.ts';

/** Parts of Supabase behind the gateway, each known by its path. */
export const services = ['auth', 'rest', 'storage'] as const;
export type Service = (typeof services)[number];

export interface Match {
  /** Any without it. */
  service?: Service;
  method?: string;
  /** Text that path and query contain, such as `rpc/claim_next_job` or `object/generated-images`. */
  path?: string;
  /** Only the nth request (from 1) that matches the members above. */
  nth?: number;
  /** At most so many times. */
  times?: number;
  /** For so many milliseconds from the setting of the rule on. */
  for_ms?: number;
}

/** What goes wrong. Without any member but `delay_ms` the request is answered as usual, later. */
export interface Fault {
  /** Milliseconds before anything is done. */
  delay_ms?: number;
  /** Answer this status; the service is not asked. */
  status?: number;
  /** With `status`: the body, as JSON unless it is a text. */
  body?: unknown;
  headers?: Record<string, string>;
  /** Answer what Supabase says in such a case, by its code: see fault-answers.ts. The service is not asked. */
  answer?: string;
  /** With `status` or `answer`: the service does the work first, and its own answer is lost. */
  after?: boolean;
  /**
   * Cut the connection: `before` anything is done, `after` the service has done the work, or `midway` through its
   * answer.
   */
  drop?: 'before' | 'after' | 'midway';
}

export interface FaultRule {
  match?: Match;
  fault: Fault;
}

/** A rule in force. */
export interface Played {
  match: Match;
  fault: Fault;
  /** Requests that matched service, method and path. */
  seen: number;
  applied: number;
}

interface LiveRule extends Played {
  setAt: number;
}

/** The rules in force and how often each has acted. */
export class Faults {
  #rules: LiveRule[] = [];

  /** Replaces all rules. @throws a sentence about what is wrong with them */
  set(rules: unknown): void {
    const setAt = performance.now();
    this.#rules = checked(rules).map(({ match = {}, fault }) => ({
      match,
      fault,
      seen: 0,
      applied: 0,
      setAt,
    }));
  }

  list(): Played[] {
    return this.#rules.map(({ match, fault, seen, applied }) => ({ match, fault, seen, applied }));
  }

  /** What goes wrong with this request; counts. */
  next(method: string, target: string): Fault | undefined {
    return this.#rules.find((rule) => acts(rule, method, target))?.fault;
  }
}

function acts(rule: LiveRule, method: string, target: string): boolean {
  const { service, method: only, path, nth, times, for_ms } = rule.match;
  if (service !== undefined && !target.startsWith(`/${service}/v1/`)) return false;
  if (only !== undefined && only !== method) return false;
  if (path !== undefined && !target.includes(path)) return false;
  rule.seen += 1;
  if (nth !== undefined && nth !== rule.seen) return false;
  if (times !== undefined && rule.applied >= times) return false;
  if (for_ms !== undefined && performance.now() - rule.setAt >= for_ms) return false;
  rule.applied += 1;
  return true;
}

type Kind = 'string' | 'number' | 'boolean' | 'object' | 'any' | readonly string[];

const SHAPES: Record<'match' | 'fault', Record<string, Kind>> = {
  match: {
    service: services,
    method: 'string',
    path: 'string',
    nth: 'number',
    times: 'number',
    for_ms: 'number',
  },
  fault: {
    delay_ms: 'number',
    status: 'number',
    body: 'any',
    headers: 'object',
    answer: Object.keys(answers),
    after: 'boolean',
    drop: ['before', 'after', 'midway'],
  },
};

/** A misspelt member must not make a test pass for nothing. */
function checked(rules: unknown): FaultRule[] {
  if (!Array.isArray(rules)) throw new Error('rules must be a list');
  for (const [index, rule] of rules.entries()) {
    if (rule?.fault === undefined) throw new Error(`rules.${index}.fault must be given`);
    for (const [part, members] of Object.entries(rule)) checkMembers(`rules.${index}`, part, members);
  }
  return rules as FaultRule[];
}

function checkMembers(at: string, part: string, members: unknown): void {
  const shape = SHAPES[part as keyof typeof SHAPES];
  if (!shape) throw new Error(`${at}.${part} must be match or fault`);
  if (typeof members !== 'object' || members === null) throw new Error(`${at}.${part} must be an object`);
  for (const [name, value] of Object.entries(members)) {
    const kind = shape[name];
    const here = `${at}.${part}.${name}`;
    if (kind === undefined) throw new Error(`${here} must be one of ${Object.keys(shape).join(', ')}`);
    if (typeof kind !== 'string') {
      if (!kind.includes(String(value))) throw new Error(`${here} must be one of ${kind.join(', ')}`);
    } else if (kind !== 'any' && kind !== typeof value) {
      throw new Error(`${here} must be a ${kind}`);
    }
  }
}
