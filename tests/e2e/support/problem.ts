import { expect } from 'vitest';
import type { Answer } from './user.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What every answer carries, whatever it says. */
export function expectFrame({ headers }: Answer<unknown>): void {
  expect(headers.get('x-request-id'), 'x-request-id').toMatch(UUID);
  expect(headers.get('access-control-allow-origin'), 'access-control-allow-origin').toBe('*');
}

/** A refusal as RFC 9457 and the contract want it; `more` are further members. */
export function expectProblem(
  answer: Answer,
  status: number,
  code: string,
  more: Record<string, unknown> = {},
): void {
  const { body, headers } = answer;
  // The body first: when the status is another, it says why.
  expect(body).toMatchObject({ status, code, ...more });
  expect(answer.status).toBe(status);
  expectFrame(answer);
  expect(headers.get('content-type')).toBe('application/problem+json');
  for (const member of ['type', 'title', 'detail', 'error']) {
    expect(typeof body[member], `member ${member}`).toBe('string');
    expect(body[member], `member ${member}`).not.toBe('');
  }
  expect(body.error).toBe(body.detail);
  // A sentence for people, and nothing from inside.
  expect(body.detail).toMatch(/^\w.*[.?]$/);
  expect(JSON.stringify(body)).not.toMatch(/panick|wasm|postgres|PGRST|eyJ|r8_|\.rs\b|127\.0\.0\.1/i);
}
