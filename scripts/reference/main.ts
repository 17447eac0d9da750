// npm run docs:reference: writes docs/reference/http.md and docs/reference/sql.md.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { client, databaseUrl } from '../../dev/stack/postgres.ts';
import { PROJECT, startTestServer } from '../../dev/stack/test-server.ts';
import { httpReference } from './http.ts';
import { sqlReference } from './sql.ts';

const FOLDER = fileURLToPath(new URL('../../docs/reference/', import.meta.url));

const HELP = `npm run docs:reference

Writes two pages of the documentation anew:

  docs/reference/http.md   from shared/src/http/openapi.json
  docs/reference/sql.md    from the catalog of a database with the migrations, on a Postgres of its own

Run it after a change of the HTTP interface or of what a migration makes in the schema public.
`;

function write(name: string, text: string): void {
  fs.writeFileSync(path.join(FOLDER, name), `${text}\n`);
  console.log(`Written: docs/reference/${name}`);
}

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  process.stdout.write(HELP);
} else {
  write('http.md', httpReference());
  const server = await startTestServer();
  const sql = client(databaseUrl(server.superuserUrl, PROJECT, new URL(server.superuserUrl).username));
  try {
    write('sql.md', await sqlReference(sql));
  } finally {
    await sql.end();
    await server.stop();
  }
}
