import WebSocket from 'ws';
import { type Browser, callOf, type Engine, SIZE } from './browser.ts';

/** A session of https://w3c.github.io/webdriver-bidi/, as far as the stories need it. */

/** Bytes: a picture of the screen is some hundred thousand. */
const LARGEST = 64 << 20;

interface Evaluated {
  type: 'success' | 'exception';
  result?: { type: string; value?: string };
  exceptionDetails?: { text: string };
}

/** @param address of its WebSocket */
export async function bidi(address: string): Promise<Engine> {
  const call = await connect(address);
  await call('session.new', { capabilities: {} });
  return {
    async visit() {
      const { userContext } = await call<{ userContext: string }>('browser.createUserContext');
      const tab = { type: 'tab', userContext };
      const { context } = await call<{ context: string }>('browsingContext.create', tab);
      await call('browsingContext.setViewport', { context, viewport: SIZE });
      return page(call, context, () => call('browser.removeUserContext', { userContext }));
    },
    async stop() {
      // Its answer may come, or the end of the connection.
      await call('browser.close').catch(() => {});
    },
  };
}

type Call = <T>(method: string, params?: object) => Promise<T>;

function page(call: Call, context: string, close: () => Promise<void>): Browser {
  const run = async <T>(code: string): Promise<T> => {
    const { type, result, exceptionDetails } = await call<Evaluated>('script.evaluate', {
      // As text: the protocol's own form of values is another.
      expression: `new Promise((resolve) => resolve(${code})).then((value) => JSON.stringify(value))`,
      target: { context },
      awaitPromise: true,
    });
    if (type === 'exception') throw new Error(exceptionDetails?.text);
    return (result?.type === 'string' ? JSON.parse(result.value ?? '') : undefined) as T;
  };
  return {
    open: (url) => call('browsingContext.navigate', { context, url, wait: 'complete' }),
    ask: (work, ...given) => run(callOf(work, given)),
    load: (script) => run(`(() => { ${script} })()`),
    act: (actions) => call('input.performActions', { context, actions }),
    async picture() {
      const { data } = await call<{ data: string }>('browsingContext.captureScreenshot', { context });
      return Buffer.from(data, 'base64');
    },
    close,
  };
}

async function connect(address: string): Promise<Call> {
  const socket = new WebSocket(address, { maxPayload: LARGEST });
  const open = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  const endAll = (error: Error) => {
    for (const { reject } of open.values()) reject(error);
    open.clear();
  };
  socket.on('message', (data) => {
    const { id, type, result, error, message } = JSON.parse(String(data));
    const asked = open.get(id);
    open.delete(id);
    if (type === 'success') asked?.resolve(result as never);
    else if (type === 'error') asked?.reject(new Error(`${error}: ${message}`));
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.on('error', endAll);
  socket.on('close', () => endAll(new Error('the browser has closed the connection')));

  let last = 0;
  return (method, params = {}) =>
    new Promise((resolve, reject) => {
      last += 1;
      open.set(last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
}
