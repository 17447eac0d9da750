import { type Browser, callOf, SIZE } from './browser.ts';

/** A session of https://w3c.github.io/webdriver/, as far as the stories need it. */

/** Milliseconds: a page or a script that takes longer hangs. */
const TIMEOUTS = { pageLoad: 60_000, script: 60_000 };
/** Of all else: a driver whose browser does not start answers nothing. */
const TIMEOUT_MS = 90_000;

/** Answers of a script: `{ value }`, or `{ error }`. */
const ANSWER = `const done = arguments[arguments.length - 1];
new Promise((resolve) => resolve(CALL)).then(
  (value) => done({ value: value === undefined ? null : value }),
  (error) => done({ error: String(error) }),
);`;

/**
 * A window in a session of its own.
 *
 * @param driver its address
 */
export async function webdriver(driver: string): Promise<Browser> {
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const answer = await fetch(`${driver}${path}`, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    });
    const { value } = (await answer.json()) as { value: T & { error?: string; message?: string } };
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  };
  const { sessionId } = await call<{ sessionId: string }>('POST', '/session', {
    capabilities: { alwaysMatch: { timeouts: TIMEOUTS } },
  });
  const session = `/session/${sessionId}`;
  const run = async <T>(code: string): Promise<T> => {
    const script = ANSWER.replace('CALL', () => code);
    const body = { script, args: [] };
    const answer = await call<{ value: T; error?: string }>('POST', `${session}/execute/async`, body);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value;
  };
  await call('POST', `/session/${sessionId}/window/rect`, SIZE);
  return {
    open: (url) => call('POST', `${session}/url`, { url }),
    ask: (work, ...given) => run(callOf(work, given)),
    load: (script) => run(`(() => { ${script} })()`),
    act: (actions) => call('POST', `${session}/actions`, { actions }),
    picture: async () => Buffer.from(await call<string>('GET', `${session}/screenshot`), 'base64'),
    close: () => call('DELETE', session),
  };
}
