import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestStack } from '../../tests/e2e/support/stack.ts';
import type { TestUser } from '../../tests/e2e/support/user.ts';

/** Requests of the original's start-generation to Supabase, each after the answer to the one before. */
export const ORIGINAL_TRIPS = 5;

export interface OriginalStart {
  url: string;
  stop(): Promise<void>;
}

/**
 * The original's start, as far as its time goes: who the user is, then four requests of the table interface. It reads
 * where the original also wrote, so that nothing is made.
 *
 * @param farSupabase the address of Supabase with the distance between edge and database
 */
export async function startOriginal(
  stack: TestStack,
  user: TestUser,
  farSupabase: string,
): Promise<OriginalStart> {
  const headers = { apikey: stack.addresses.anonKey, authorization: `Bearer ${user.token}` };
  const paths = ['/auth/v1/user', ...Array(ORIGINAL_TRIPS - 1).fill('/rest/v1/models?select=id&limit=1')];
  const agent = new http.Agent({ keepAlive: true });
  const ask = (path: string) =>
    new Promise<void>((resolve, reject) => {
      const request = http.get(farSupabase + path, { headers, agent }, (answer) => {
        answer.resume().once('end', () => {
          if (answer.statusCode === 200) resolve();
          else reject(new Error(`${path} answered ${answer.statusCode}`));
        });
      });
      request.once('error', reject);
    });
  const server = http.createServer(async (_, response) => {
    try {
      for (const path of paths) await ask(path);
      response.writeHead(200).end('{}');
    } catch (error) {
      response.writeHead(502).end(String(error));
    }
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
