import fs from 'node:fs';
import path from 'node:path';
import { fingerprint } from './fingerprint.mjs';
import { longStep } from './progress.mjs';
import { ROOT } from './run.mjs';

/** Files and folders: a change in one of them makes both pages anew. */
export const WEB_SOURCES = ['web', 'client/src', 'package-lock.json'];

/**
 * Builds the studio and the dashboard if their sources have changed since they were built.
 *
 * @returns whether it was built
 */
export async function ensureWeb() {
  const origin = supabaseOrigin(fs.readFileSync(path.join(ROOT, 'wrangler.toml'), 'utf8'));
  const current = fingerprint(WEB_SOURCES, ['dist', 'node_modules'], origin);
  const dist = path.join(ROOT, 'web/dist');
  const stamp = path.join(ROOT, '.local/web.fingerprint');
  const pages = ['index.html', 'dashboard.html'].map((name) => path.join(dist, name));
  const built = [...pages, stamp].every((file) => fs.existsSync(file));
  if (built && fs.readFileSync(stamp, 'utf8') === current) return false;
  fs.rmSync(stamp, { force: true });
  await longStep('building the studio', 'vite', ['build', 'web', '--logLevel', 'warn'], {
    wayOut: 'The lines above say which file of web/ or client/src is at fault.',
    env: { SUPABASE_ORIGIN: origin },
  });
  // Into the folder that the studio's build has emptied.
  const dashboard = ['build', 'web', '--config', 'web/dashboard/vite.config.ts', '--logLevel', 'warn'];
  await longStep('building the dashboard', 'vite', dashboard, {
    wayOut: 'The lines above say which file of web/ is at fault.',
  });
  fs.mkdirSync(path.dirname(stamp), { recursive: true });
  fs.writeFileSync(stamp, current);
  return true;
}

/** The origin of the Supabase project in wrangler.toml, which the page may then talk to; empty: not set there. */
export function supabaseOrigin(wranglerToml) {
  const section = wranglerToml.split('[env.start-generation.vars]')[1]?.split(/^\[/m)[0] ?? '';
  const url = /^SUPABASE_URL\s*=\s*["'](.+)["']/m.exec(section)?.[1];
  return url && URL.canParse(url) ? new URL(url).origin : '';
}
