/** The stack on another wrangler.toml or other migrations than the project's, for tests that change something there. */
import path from 'node:path';
import { runInForeground } from '../../../dev/stack/foreground.ts';
import { PROJECT_ROOT } from '../../../dev/stack/options.ts';

const { TEST_WRANGLER_TOML, TEST_MIGRATIONS } = process.env;

runInForeground({
  wranglerToml: TEST_WRANGLER_TOML || path.join(PROJECT_ROOT, 'wrangler.toml'),
  migrationsDir: TEST_MIGRATIONS || path.join(PROJECT_ROOT, 'supabase/migrations'),
  seedFile: path.join(PROJECT_ROOT, 'supabase/seed.sql'),
});
