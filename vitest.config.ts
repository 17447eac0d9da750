import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // One Postgres for the whole run; each file has its own database in it.
    globalSetup: ['tests/stack/global-setup.ts'],
    hookTimeout: 60_000,
    testTimeout: 60_000,
  },
});
