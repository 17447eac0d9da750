#!/usr/bin/env bash
# One would guess: a variable PUBLIC_… in .env and in the environment of the server is in `env` of `$env/dynamic/public`,
# as it is with SvelteKit 2; or, if that has gone with SvelteKit 3, that the build fails. With SvelteKit 3 the module is
# there and the build succeeds, but `env` holds nothing, public or private, that src/env.js does not name: each variable is
# undefined when the app runs. The build of a page warns that an import "will always be undefined"; a server route that
# reads it by a name computed at run time is not warned of at all.
# Who meets it: whoever copies a page or a route written for SvelteKit 2 into a new app, and whoever upgrades: it builds,
# starts, and then works with undefined in the place of an address or a secret.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{ "private": true, "type": "module" }' >package.json
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error --save-exact @sveltejs/kit@3.2.0 \
  @sveltejs/adapter-node@6.0.1 @sveltejs/vite-plugin-svelte@7.3.1 svelte@5.57.3 vite@8.3.8 >/dev/null
mkdir -p src/routes/told
cat >vite.config.js <<'JS'
import adapter from '@sveltejs/adapter-node';
import { sveltekit } from '@sveltejs/kit/vite';

export default { plugins: [sveltekit({ adapter: adapter() })] };
JS
echo '<!doctype html><html lang="en"><head>%sveltekit.head%</head><body>%sveltekit.body%</body></html>' >src/app.html
cat >src/routes/told/+server.js <<'JS'
import { env as secret } from '$env/dynamic/private';
import { env } from '$env/dynamic/public';

export const GET = () => {
  const said = (from, name) => String(from[name]);
  return new Response(`${said(env, 'PUBLIC_ADDRESS')} ${said(secret, 'OWN_SECRET')}`);
};
JS
printf 'PUBLIC_ADDRESS=https://a.example\nOWN_SECRET=s3cret\n' >.env

# What the built app says, with both variables in its environment.
told() {
  node node_modules/vite/bin/vite.js build >build.log 2>&1 || { cat build.log; exit 1; }
  node --input-type=module -e "
    import http from 'node:http';
    process.env.PUBLIC_ADDRESS = 'https://a.example';
    process.env.OWN_SECRET = 's3cret';
    const { handler } = await import('$dir/build/handler.js');
    const server = http.createServer(handler).listen(0, '127.0.0.1', async () => {
      console.log(await (await fetch('http://127.0.0.1:' + server.address().port + '/told')).text());
      process.exit();
    });"
}
without=$(told)
cat >src/env.js <<'JS'
import { defineEnvVars } from '@sveltejs/kit/env';

export const variables = defineEnvVars({ PUBLIC_ADDRESS: { public: true }, OWN_SECRET: {} });
JS
named=$(told)
echo "@sveltejs/kit 3.2.0, Node $(node --version)"
echo "built without src/env.js, it says: $without"
echo "the same with both named in src/env.js: $named"
if [ "$without" != 'undefined undefined' ] || [ "$named" != 'https://a.example s3cret' ]; then
  echo 'Behaviour changed: expected undefined for both without src/env.js, and both values with it.' >&2
  exit 1
fi
