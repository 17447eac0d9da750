/** A stand-in for the part of Supabase's Management API that its CLI calls for us, and the profile that leads there. */
import fs from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';

export const REF = 'abcdefghijklmnopqrst';
export const ACCESS_TOKEN = `sbp_${'0123456789'.repeat(4)}`;
export const PUBLISHABLE = 'sb_publishable_rehearsal_0123456789';
export const SECRET = 'sb_secret_rehearsal_0123456789';

const PROJECT = {
  id: REF,
  ref: REF,
  organization_id: 'organization',
  organization_slug: 'organization',
  name: 'pictures',
  region: 'eu-central-1',
  created_at: '2026-01-01T00:00:00Z',
  status: 'ACTIVE_HEALTHY',
  database: { host: `db.${REF}.supabase.co`, version: '17.1', postgres_engine: '17', release_channel: 'ga' },
};

export class SupabaseApi {
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  onAsk: (path: string) => void = () => {};
  #server: http.Server | undefined;
  url = '';

  async start(): Promise<void> {
    const server = http.createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      this.asked.push(pathname);
      this.onAsk(pathname);
      const isKnown = request.headers.authorization === `Bearer ${ACCESS_TOKEN}`;
      const [status, body] = isKnown ? answer(pathname) : [401, { message: 'Unauthorized' }];
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  /** @returns the file for SUPABASE_PROFILE */
  async profile(folder: string): Promise<string> {
    const file = path.join(folder, 'profile.yaml');
    const lines = {
      name: 'rehearsal',
      api_url: this.url,
      dashboard_url: `${this.url}/dashboard`,
      project_host: 'supabase.test',
      pooler_host: 'supabase.test',
    };
    await fs.writeFile(
      file,
      Object.entries(lines)
        .map(([key, value]) => `${key}: ${value}\n`)
        .join(''),
    );
    return file;
  }
}

function answer(pathname: string): [number, unknown] {
  if (pathname === '/v1/projects') return [200, [PROJECT]];
  if (pathname === `/v1/projects/${REF}`) return [200, PROJECT];
  if (pathname === `/v1/projects/${REF}/api-keys`)
    return [
      200,
      [
        { name: 'anon', api_key: 'a-legacy-key', type: 'legacy', id: null },
        { name: 'default', api_key: PUBLISHABLE, type: 'publishable', id: '1' },
        { name: 'default', api_key: SECRET, type: 'secret', id: '2' },
      ],
    ];
  return [404, { message: 'not found' }];
}
