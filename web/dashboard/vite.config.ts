import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { BROWSERS } from '../browsers.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The dashboard, beside the studio and after it: `vite build web` empties the folder. Built apart, so that neither
 * page loads a byte of the other.
 */
export default defineConfig({
  root: here('..'),
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: false,
    // The studio's build has brought it.
    copyPublicDir: false,
    assetsDir: 'assets/dashboard',
    target: Object.entries(BROWSERS).map(([name, version]) => name + version),
    // As the studio's: the policy allows no data: in styles and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: here('../dashboard.html') },
  },
});
