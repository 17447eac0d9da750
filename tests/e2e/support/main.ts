/** The stack on another wrangler.toml than the project's, for tests that break something in it. */
import path from 'node:path';
import { runInForeground } from '../../stack/foreground.ts';
import { PROJECT_ROOT } from '../../stack/options.ts';

runInForeground({
  wranglerToml: process.env.TEST_WRANGLER_TOML ?? '',
  migrationsDir: path.join(PROJECT_ROOT, 'supabase/migrations'),
  seedFile: path.join(PROJECT_ROOT, 'supabase/seed.sql'),
});
