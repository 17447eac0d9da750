#!/usr/bin/env bash
# One would guess: source.pipeTo(target, { preventCancel: true }) leaves the source as it is when the target breaks, so the
# rest can still be read, for a second target say; the Streams standard says so, and Node does so. In workerd it depends on
# what the streams are made of. Where both are the runtime's own (a body of a request or an answer, an
# IdentityTransformStream or FixedLengthStream) the source has the target's error afterwards: nothing more can be read
# from it. With a source of one's own the option holds.
# Who meets it: Workers that pipe a body to one service and want to try another, or that ask the source who it was that
# failed: both sides tell the same error.
# Seen in the runtime workerd as npm has it.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error workerd@1.20261117.1 >/dev/null
workerd=$dir/node_modules/.bin/workerd
"$workerd" --version
cat >worker.js <<'JS'
const SIZE = 1 << 20;

async function rest(source) {
  const target = new FixedLengthStream(SIZE);
  const reader = target.readable.getReader();
  const piped = source.pipeTo(target.writable, { preventCancel: true }).then(
    () => 'whole',
    (error) => error.message,
  );
  await reader.read();
  reader.cancel(new Error('the target has gone')).catch(() => {});
  const end = await piped;
  const read = source.getReader().read().then(
    ({ value }) => `${value.byteLength} more bytes`,
    (error) => `error: ${error.message}`,
  );
  return { piped: end, rest: await read };
}

function own() {
  let chunks = 0;
  return new ReadableStream({
    pull(controller) {
      if (chunks++ < 16) controller.enqueue(new Uint8Array(SIZE / 16));
      else controller.close();
    },
  });
}

export default {
  async test() {
    const body = await rest(new Response(new Uint8Array(SIZE)).body);
    console.log(JSON.stringify({ body, own: await rest(own()) }));
  },
};
JS
cat >config.capnp <<'CONFIG'
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "main", worker = (modules = [(name = "worker.js", esModule = embed "worker.js")],
    compatibilityDate = "2026-11-17"))]);
CONFIG
seen=$("$workerd" test config.capnp 2>log) || { cat log >&2; echo 'Behaviour changed: the pipe failed otherwise.' >&2; exit 1; }
echo "$seen"
gone='the target has gone'
expected="{\"body\":{\"piped\":\"$gone\",\"rest\":\"error: $gone\"},\"own\":{\"piped\":\"$gone\",\"rest\":\"65536 more bytes\"}}"
[ "$seen" = "$expected" ] || { echo "Behaviour changed: expected $expected." >&2; exit 1; }
