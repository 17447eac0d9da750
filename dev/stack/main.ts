/** `npm run stack`: the whole system in the foreground; `--help` tells the options. */
import path from 'node:path';
import { runInForeground } from './foreground.ts';
import { PROJECT_ROOT } from './options.ts';

runInForeground({
  wranglerToml: path.join(PROJECT_ROOT, 'wrangler.toml'),
  migrationsDir: path.join(PROJECT_ROOT, 'supabase/migrations'),
  seedFile: path.join(PROJECT_ROOT, 'supabase/seed.sql'),
});
