import fs from 'node:fs/promises';
import { Database } from './support.ts';

// The same tests as for a newer project, in one that grants every new table to everybody.

Database.beforeMigrations = await fs.readFile(
  new URL('../../dev/stack/supabase/automatic-grants.sql', import.meta.url),
  'utf8',
);
await import('./security.test.ts');
