#!/usr/bin/env bash
# One would guess: what a package exports in 17.3 it still exports in 17.5 and 17.7, a newer minor release.
# npm's libpg-query lost parsePlPgSQL (and scan, fingerprint, normalize) in between: 17.3.2 has them, 17.5.2
# and 17.7.3 do not, 18.1.5 has them again. The first number is PostgreSQL's major version, not the
# package's, so a range like ^17.3.2 changes the API.
# Who meets it: tools that read the bodies of functions and let npm take newer minor releases.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error \
  v17.3.2@npm:libpg-query@17.3.2 v17.5.2@npm:libpg-query@17.5.2 \
  v17.7.3@npm:libpg-query@17.7.3 v18.1.5@npm:libpg-query@18.1.5 >/dev/null
cat >main.mjs <<'JS'
const expected = { '17.3.2': true, '17.5.2': false, '17.7.3': false, '18.1.5': true };
const body = 'create function f() returns int language plpgsql as $$ begin return 1; end $$';
console.log(`node ${process.version}`);
for (const [version, has] of Object.entries(expected)) {
  const parser = await import(`v${version}`);
  await parser.loadModule?.();
  const names = Object.keys(parser).filter((name) => /^[a-z]/.test(name) && !name.startsWith('_'));
  const parsed = parser.parsePlPgSQL && (await parser.parsePlPgSQL(body)).plpgsql_funcs.length === 1;
  console.log(`${version} ${parsed ? 'parses PL/pgSQL' : 'has no parser of PL/pgSQL'}: ${names.join(' ')}`);
  if (Boolean(parsed) !== has) {
    console.error(`Behaviour changed: ${version} should ${has ? '' : 'not '}parse PL/pgSQL.`);
    process.exit(1);
  }
}
JS
node main.mjs
