#!/usr/bin/env bash
# One would guess: with the target of an engine that has `\p{…}` in regular expressions (ES2018: Chrome since 64,
# Safari since 11.1, Firefox since 78, Node since 10), esbuild leaves such a literal as it is. It does for a target of
# a language version, es2018 and later. For a target of any engine, however new, it writes `new RegExp("\\p{…}", "u")`
# in its place: its table says of no engine that it has them. A literal in a loop or a hot function becomes a
# constructor's call with each pass, and a check of built files for what the engines have to know finds no literal.
# Who meets it: whoever gives esbuild the browsers in place of a language version, as build tools do that read a list
# of browsers, and text is taken apart by letters and emoji. `--supported:regexp-unicode-property-escapes=true` cures it.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error esbuild@0.28.2 >/dev/null
printf 'export const word = /\\p{L}+/u;\n' >in.js
built() { ./node_modules/.bin/esbuild "$@" in.js; }
echo "esbuild $(./node_modules/.bin/esbuild --version)"
for target in es2018 es2024 chrome140 firefox140 safari26 node22; do
  echo "$target: $(built --target=$target)"
done
cured=$(built --target=chrome140 --supported:regexp-unicode-property-escapes=true)
echo "chrome140, said to be supported: $cured"
for target in es2018 es2024; do
  case "$(built --target=$target)" in
    *'/\p{L}+/u'*) ;;
    *) echo "Behaviour changed: $target no longer keeps the literal."; exit 1 ;;
  esac
done
for target in chrome140 firefox140 safari26 node22; do
  case "$(built --target=$target)" in
    *'new RegExp('*) ;;
    *) echo "Behaviour changed: $target keeps the literal now."; exit 1 ;;
  esac
done
case "$cured" in
  *'/\p{L}+/u'*) ;;
  *) echo "Behaviour changed: --supported no longer keeps the literal."; exit 1 ;;
esac
