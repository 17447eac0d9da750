/** The stub in a thread of its own, so that it does not wait for the load and the load does not wait for it. */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { Settings } from './answers.ts';
import { Ends } from './ends.ts';
import { checkFaults, type Upstream, UpstreamServer } from './upstream.ts';

type Message = { origin: string } | { ended: string } | { fault: string } | { set: number };
type Order = { order: number; settings: Partial<Settings> };

export async function startUpstreamThread(): Promise<Upstream> {
  const ends = new Ends();
  const faults: string[] = [];
  const waiting = new Map<number, () => void>();
  const worker = new Worker(new URL(import.meta.url));
  const origin = await new Promise<string>((resolve, reject) => {
    worker.once('error', reject);
    worker.on('message', (message: Message) => {
      if ('origin' in message) resolve(message.origin);
      else if ('ended' in message) ends.end(message.ended);
      else if ('fault' in message) {
        faults.push(message.fault);
        ends.fail(message.fault);
      } else waiting.get(message.set)?.();
    });
  });
  let orders = 0;
  return {
    origin,
    set: (settings) =>
      new Promise((resolve) => {
        const order = orders++;
        waiting.set(order, resolve);
        worker.postMessage({ order, settings } satisfies Order);
      }),
    stored: (jobId) => ends.of(jobId),
    check: () => checkFaults(faults),
    stop: async () => void (await worker.terminate()),
  };
}

if (!isMainThread && parentPort) {
  const port = parentPort;
  const tell = (message: Message) => port.postMessage(message);
  const server = await UpstreamServer.start({
    ended: (ended) => tell({ ended }),
    fault: (fault) => tell({ fault }),
  });
  port.on('message', ({ order, settings }: Order) => {
    Object.assign(server.answers?.settings ?? {}, settings);
    tell({ set: order });
  });
  tell({ origin: server.origin });
}
