#!/usr/bin/env bash
# One would guess: a parser outside of a database takes every valid PL/pgSQL function, whatever the names of
# its types mean, as libpg-query's parsePlPgSQLSync does for `returns jobs` and `returns setof jobs`.
# It throws for `returns jobs[]`, where jobs is any table, enum, domain or composite type of one's own: it
# takes the unknown type for a record, and PL/pgSQL may not return record[]. A name with a schema is no help.
# Arrays of built-in types pass. PostgreSQL itself takes the function.
# Who meets it: linters and checks of function bodies; they see a fault in code that has none. The way out
# is to give the parser another return type (or none) and to read the type from the SQL parser.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error libpg-query@18.1.5 >/dev/null
cat >main.mjs <<'JS'
import { loadModule, parsePlPgSQLSync, parseSync } from 'libpg-query';

await loadModule();
const text = (type) =>
  `create function f() returns ${type} language plpgsql as $$ begin return null; end $$`;
const outcome = (type) => {
  parseSync(text(type)); // the same text is valid SQL
  try {
    parsePlPgSQLSync(text(type));
    return 'parsed';
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
console.log(`libpg-query 18.1.5, node ${process.version}`);
const expected = { jobs: true, 'uuid[]': true, 'text[]': true, 'jobs[]': false, 'public.jobs[]': false };
for (const [type, parses] of Object.entries(expected)) {
  const seen = outcome(type);
  console.log(`returns ${type}: ${seen}`);
  const message = 'PL/pgSQL functions cannot return type record[]';
  if (parses ? seen !== 'parsed' : !seen.endsWith(message)) {
    console.error(`Behaviour changed: returns ${type} should have been ${parses ? 'parsed' : 'refused'}.`);
    process.exit(1);
  }
}
JS
node main.mjs
