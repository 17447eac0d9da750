import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';
import { BROWSERS } from './browsers.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * `_headers` for Cloudflare, with the one origin beside its own that the page talks to. Where that is not known
 * when the page is built, any https origin may be it.
 */
function headers(): Plugin {
  return {
    name: 'headers',
    apply: 'build',
    generateBundle() {
      const origin = process.env.SUPABASE_ORIGIN || 'https:';
      const source = fs.readFileSync(here('_headers'), 'utf8').replaceAll('{SUPABASE_ORIGIN}', origin);
      this.emitFile({ type: 'asset', fileName: '_headers', source });
    },
  };
}

// `vite dev web` shows changes at once, in front of the stack that START_GENERATION_URL names.
export default defineConfig({
  root: here('.'),
  plugins: [react(), headers()],
  resolve: {
    alias: [
      { find: /^picture-queue$/, replacement: here('../client/src/index.ts') },
      { find: /^picture-queue\/library$/, replacement: here('../client/src/library.ts') },
      { find: /^picture-queue\/react$/, replacement: here('../client/src/react/index.ts') },
    ],
  },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: Object.entries(BROWSERS).map(([name, version]) => name + version),
    // The policy allows no data: in styles and scripts, and a small file of one's own is no loss.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: Object.fromEntries(
      [
        '/config',
        '/models',
        '/start-generation',
        '/generations',
        '/images',
        '/usage',
        '/events',
        '/sources',
      ].map((path) => [
        path,
        { target: process.env.START_GENERATION_URL ?? 'http://127.0.0.1:43101', ws: true },
      ]),
    ),
  },
});
