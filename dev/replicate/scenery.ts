/** A drawing for a prompt: sky, sun and hills in the hues of one of 24 buckets, as SVG of an exact size. */
import { seededRandom } from './random.ts';

/** How many different pictures there are of one size; keeps the cache of encoded pictures small. */
export const buckets = 24;

/** @param caption text set into the picture, broken into lines and cut to what fits. */
export function scenery(width: number, height: number, bucket: number, caption: string | undefined): string {
  const random = seededRandom(bucket + 1);
  const hue = Math.round((360 / buckets) * bucket);
  const hills = [0, 1, 2, 3].map((layer) => hill(width, height, layer, hue, random)).join('');
  const sunX = Math.round(width * (0.2 + 0.6 * random()));
  const sunY = Math.round(height * (0.2 + 0.2 * random()));
  const radius = Math.round(Math.min(width, height) * 0.09);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    '<defs><linearGradient id="sky" x1="0" y1="0" x2="0.3" y2="1">' +
    `<stop offset="0" stop-color="hsl(${hue},70%,38%)"/>` +
    `<stop offset="0.6" stop-color="hsl(${(hue + 40) % 360},80%,68%)"/>` +
    `<stop offset="1" stop-color="hsl(${(hue + 60) % 360},90%,82%)"/></linearGradient></defs>` +
    `<rect width="${width}" height="${height}" fill="url(#sky)"/>` +
    `<circle cx="${sunX}" cy="${sunY}" r="${radius * 2}" fill="#fff" fill-opacity="0.15"/>` +
    `<circle cx="${sunX}" cy="${sunY}" r="${radius}" fill="#fff" fill-opacity="0.85"/>` +
    `${hills}${caption === undefined ? '' : lettering(width, height, caption)}</svg>`
  );
}

function hill(width: number, height: number, layer: number, hue: number, random: () => number): string {
  const base = height * (0.55 + layer * 0.12);
  const rise = height * 0.12;
  const points = [0, 1, 2, 3, 4].map((step) => {
    const x = Math.round((width / 4) * step);
    return { x, y: Math.round(base - rise * random()) };
  });
  const path = points.map((point, index) => {
    const before = points[index - 1];
    if (before === undefined) return `M${point.x} ${point.y}`;
    const middle = Math.round((before.x + point.x) / 2);
    return `C${middle} ${before.y} ${middle} ${point.y} ${point.x} ${point.y}`;
  });
  const colour = `hsl(${(hue + 200 + layer * 8) % 360},45%,${48 - layer * 10}%)`;
  return `<path d="${path.join('')}V${height}H0Z" fill="${colour}"/>`;
}

function lettering(width: number, height: number, caption: string): string {
  const size = Math.max(8, Math.round(Math.min(width, height) / 22));
  const perLine = Math.max(8, Math.floor((width * 0.88) / (size * 0.6)));
  const lines: string[] = [''];
  for (const word of caption
    .replace(/\s+/g, ' ')
    .slice(0, perLine * 4)
    .split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + word.length >= perLine) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  const top = Math.round(height * 0.94 - (lines.length - 1) * size * 1.3);
  const spans = lines.map((line, index) => {
    const y = Math.round(top + index * size * 1.3);
    return `<text x="${Math.round(width * 0.06)}" y="${y}">${escapeXml(line)}</text>`;
  });
  return `<g font-family="sans-serif" font-size="${size}" fill="#fff" fill-opacity="0.92">${spans.join('')}</g>`;
}

function escapeXml(text: string): string {
  return text
    .replace(/[^\t\x20-\u{10ffff}]|\p{Surrogate}|[\ufffe\uffff]/gu, '?')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;');
}
