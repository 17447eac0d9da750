/** Checks fault rules that come over HTTP: a misspelt member must not make a test pass for nothing. */
import { endpoints, type FaultRule } from './faults.ts';
import { Problem } from './problems.ts';

type Shape = { [name: string]: 'number' | 'string' | 'boolean' | 'any' | 'lost' | readonly string[] | Shape };

const ruleShape: Shape = {
  match: {
    endpoint: endpoints,
    model: 'string',
    prompt: 'string',
    nth: 'number',
    times: 'number',
    probability: 'number',
  },
  fault: {
    delay_ms: 'number',
    status: 'number',
    retry_after: 'number',
    body: 'string',
    status_after: 'number',
    drop: ['before', 'after'],
    error: 'string',
    ends: ['aborted', 'canceled', 'expired'],
    output: ['null', 'empty', 'partial', 'string', 'list', 'data_uri', 'object'],
    output_value: 'any',
    logs_bytes: 'number',
    file: [
      'not_found',
      'server_error',
      'wrong_type',
      'mislabelled',
      'not_image',
      'too_large',
      'too_large_chunked',
      'truncated',
      'truncated_chunked',
      'page',
      'nothing',
      'replaced',
    ],
    file_times: 'number',
    file_body: 'string',
    file_bytes: 'number',
    data_removed: 'boolean',
    webhook: {
      lost: 'lost',
      repeat: 'number',
      delay_ms: 'number',
      order: ['reversed'],
      signature: ['bad', 'none', 'old'],
    },
    generation_ms: 'number',
    queue_ms: 'number',
    age_ms: 'number',
    hold: ['start', 'run'],
    sync_status: ['processing'],
  },
};

/** The rules, or 400 naming what is wrong with them. */
export function checkRules(value: unknown): FaultRule[] {
  if (!Array.isArray(value)) throw wrong('rules', 'an array');
  for (const [index, rule] of value.entries()) {
    checkShape(rule, ruleShape, `rules.${index}`);
    if (rule.fault === undefined) throw wrong(`rules.${index}.fault`, 'given');
  }
  return value as FaultRule[];
}

function checkShape(value: unknown, shape: Shape, path: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'an object');
  for (const [name, member] of Object.entries(value)) {
    const expected = shape[name];
    const here = `${path}.${name}`;
    if (expected === undefined) throw wrong(here, `one of ${Object.keys(shape).join(', ')}`);
    if (expected === 'lost') {
      if (typeof member !== 'boolean' && !Array.isArray(member))
        throw wrong(here, 'a boolean or a list of events');
    } else if (expected === 'any') {
      // The test's own.
    } else if (typeof expected === 'string') {
      if (typeof member !== expected) throw wrong(here, `a ${expected}`);
    } else if (isList(expected)) {
      if (!expected.includes(member as string)) throw wrong(here, `one of ${expected.join(', ')}`);
    } else {
      checkShape(member, expected, here);
    }
  }
}

function isList(expected: readonly string[] | Shape): expected is readonly string[] {
  return Array.isArray(expected);
}

function wrong(path: string, expected: string): Problem {
  return new Problem(400, { detail: `${path} must be ${expected}`, status: 400 });
}
