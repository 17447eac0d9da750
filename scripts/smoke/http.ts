import { StepFailure } from './step.ts';

/** Something that is asked, as it is named to people. */
export interface Service {
  name: string;
  url: string;
  /** Where its address comes from: an option or a variable. */
  from: string;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The JSON of the answer; undefined where it is none. */
  body: Record<string, unknown> | undefined;
}

export interface Request {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON, or as it is where it is bytes. */
  body?: unknown;
  signal: AbortSignal;
}

/** Longest time of one request. */
export const REQUEST_MS = 20_000;

/** One request. No answer at all is a failure that says where to look. */
export async function ask(service: Service, path: string, request: Request): Promise<Answer> {
  const answer = await open(service, path, request);
  const text = await answer.text().catch((error) => Promise.reject(noAnswer(service, error, request.signal)));
  return { status: answer.status, headers: answer.headers, text, body: parse(text) };
}

/** The same, with a body of any kind that has not been read yet. */
export async function open(service: Service, path: string, request: Request): Promise<Response> {
  const { method = 'GET', headers = {}, body, signal } = request;
  const isBytes = body instanceof Uint8Array;
  try {
    return await fetch(service.url + path, {
      method,
      headers: {
        ...(body === undefined || isBytes ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isBytes ? (body as BodyInit) : JSON.stringify(body) }),
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
    });
  } catch (error) {
    throw noAnswer(service, error, signal);
  }
}

/** What an answer says of itself, short, for people. */
export function said(answer: Answer): string {
  const { body } = answer;
  const words = [body?.detail, body?.message, body?.msg, body?.error_description, body?.error, answer.text];
  const sentence = words.find((word): word is string => typeof word === 'string' && word.trim() !== '') ?? '';
  const code = [body?.code, body?.error_code].find((each) => typeof each === 'string');
  const text = `${answer.status}${code ? ` ${code}` : ''}${sentence ? `: ${sentence}` : ''}`;
  return text.replace(/\s+/g, ' ').slice(0, 300);
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function noAnswer({ name, url, from }: Service, error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return new StepFailure('interrupted', 'Run it again.');
  const cause =
    error instanceof Error ? ((error.cause as { code?: string; message?: string }) ?? error) : error;
  const { code, message } = cause as { code?: string; message?: string };
  const { host } = new URL(url);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new StepFailure(
      `there is no host ${host}`,
      `Check ${from}: it is the address of ${name}, as wrangler or the dashboard shows it.`,
    );
  }
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new StepFailure(
      `${name} did not answer within ${REQUEST_MS / 1000} s`,
      `Is ${from} (${host}) its address, and can this machine reach it? A proxy or a firewall may stand between.`,
    );
  }
  return new StepFailure(
    `${name} at ${host} was not reached (${code ?? message ?? String(error)})`,
    `Check ${from}; ${name} does not listen there.`,
  );
}
