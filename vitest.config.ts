import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

// `npm run test:scale` takes minutes and gigabytes: only when asked for.
export default defineConfig(({ mode }) => ({
  // As web/vite.config.ts resolves it for the studio, whose parts are tested here.
  resolve: {
    alias: [
      {
        find: /^picture-queue$/,
        replacement: fileURLToPath(new URL('client/src/index.ts', import.meta.url)),
      },
    ],
  },
  test: {
    include: [mode === 'scale' ? 'tests/scale/**/*.test.ts' : 'tests/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(mode === 'scale' ? [] : ['tests/scale/**'])],
    // One Postgres for the whole run; each file has its own database in it.
    globalSetup: ['tests/stack/global-setup.ts'],
    // A machine that has other work as well takes several times as long.
    hookTimeout: 180_000,
    testTimeout: 180_000,
  },
}));
