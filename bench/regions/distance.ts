import net, { type AddressInfo } from 'node:net';

/** A new connection costs this many round trips before its first request arrives: TCP's one, and TLS 1.3's one. */
export const HANDSHAKE_TRIPS = 2;
/** Bytes under way in one direction beyond which no more are read. */
const MOST_UNDER_WAY = 4 * 2 ** 20;

export interface Distance {
  url: string;
  /** Where it leads; new connections go by it. */
  target: string;
  /** Milliseconds for a way there and back; may change at any time. */
  roundTrip: number;
  /** Connections that have been opened through it. */
  readonly opened: number;
  stop(): Promise<void>;
}

/**
 * A server that is further away: what passes arrives half a round trip later, in each direction by itself and in its
 * order, and a new connection pays its handshakes first. Bandwidth, loss and slow start are those of this machine.
 */
export async function startDistance(target = ''): Promise<Distance> {
  const open = new Set<net.Socket>();
  const distance = { target, roundTrip: 0, opened: 0 };
  const oneWay = () => distance.roundTrip / 2;
  const server = net.createServer({ noDelay: true }, (near) => {
    distance.opened += 1;
    const { hostname, port } = new URL(distance.target);
    const far = net.connect({ host: hostname, port: Number(port), noDelay: true });
    carry(near, far, oneWay, HANDSHAKE_TRIPS * distance.roundTrip);
    carry(far, near, oneWay, 0);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    }
    near.once('error', () => far.destroy());
    far.once('error', () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(distance, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** @param first milliseconds that the first bytes wait beside their way */
function carry(from: net.Socket, to: net.Socket, oneWay: () => number, first: number): void {
  let underWay = 0;
  // When the last bytes arrive: later ones must not overtake them, whatever the distance is by then.
  let last = performance.now() + first;
  const after = (act: () => void) => {
    last = Math.max(last, performance.now() + oneWay() + (underWay === 0 ? first : 0));
    first = 0;
    setTimeout(act, last - performance.now());
  };
  from.on('data', (bytes) => {
    after(() => {
      underWay -= bytes.length;
      if (underWay < MOST_UNDER_WAY) from.resume();
      if (!to.destroyed) to.write(bytes);
    });
    underWay += bytes.length;
    if (underWay >= MOST_UNDER_WAY) from.pause();
  });
  from.once('end', () => after(() => to.end()));
  from.once('close', () => after(() => to.destroy()));
}
