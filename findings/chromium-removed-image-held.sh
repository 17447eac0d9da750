#!/usr/bin/env bash
# One would guess: to take the `src` away from an <img> that has been removed from the page lets go of its picture sooner,
# or does nothing: no script knows of the image, and it is collected with what it was removed with. In Chromium it has
# the opposite effect: from then on the document holds the image, and with it all of the detached elements around it, for
# as long as the page lives. The same before the removal, or not at all, and they are collected.
# Who meets it: whoever ends the loading of images that scroll out of a windowed list in a clean-up that runs after the
# removal, such as that of React's useEffect: memory grows by each row that was passed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --prefix "$dir" --no-audit --no-fund --loglevel=error playwright-core@1.65.1 >/dev/null
cat >main.mjs <<'JS'
import http from 'node:http';
import { chromium } from 'playwright-core';

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
const server = http.createServer(({ url }, answer) => {
  const isImage = url.startsWith('/image');
  answer.setHeader('content-type', isImage ? 'image/svg+xml' : 'text/html');
  answer.end(isImage ? SVG : '<!doctype html><title>Images</title>');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' });
console.log(`Chromium ${browser.version()}, ${process.platform}`);

/** Nodes of the page after 200 rows of 20 elements have come and gone. */
async function nodes(when) {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate(async (when) => {
    const rows = Array.from({ length: 200 }, (_, n) => {
      const row = document.createElement('div');
      row.innerHTML = `${'<p></p>'.repeat(19)}<img src="/image.svg?${n}">`;
      document.body.append(row);
      return row;
    });
    await Promise.all(rows.map((row) => row.querySelector('img').decode()));
    for (const row of rows) {
      const image = row.querySelector('img');
      if (when === 'before') image.removeAttribute('src');
      row.remove();
      if (when === 'after') image.removeAttribute('src');
    }
  }, when);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  for (let n = 0; n < 3; n += 1) await devtools.send('HeapProfiler.collectGarbage');
  const { metrics } = await devtools.send('Performance.getMetrics');
  await page.close();
  return metrics.find(({ name }) => name === 'Nodes').value;
}

const found = { untouched: await nodes('never'), before: await nodes('before'), after: await nodes('after') };
console.log('nodes held, by when the src was taken away:', found);
await browser.close();
server.close();
if (found.untouched > 1_000 || found.before > 1_000 || found.after < 4_000) {
  console.error('Behaviour changed: expected the rows to be held where the src was taken away after the removal alone.');
  process.exitCode = 1;
}
JS
node main.mjs
