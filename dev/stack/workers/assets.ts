import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../../scripts/user-error.mjs';

/** How a path is answered. */
export interface Asset {
  /** Relative to the folder of assets, with slashes. */
  file: string;
  headers: Record<string, string>;
  /** Where this path leads instead. */
  redirect?: string;
}

const TYPES: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/vnd.microsoft.icon',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  map: 'application/json',
  png: 'image/png',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
  webmanifest: 'application/manifest+json',
  webp: 'image/webp',
};

/** Read by Cloudflare, never served. */
const RULES_FILE = '_headers';
const DEFAULT_CACHE = 'public, max-age=0, must-revalidate';

/**
 * What a folder of static assets answers, by path.
 *
 * @param supabaseUrl the local Supabase, which has another origin than the deployed page is built for: its
 *   content security policy lets the page talk to this one too
 */
export async function readAssets(dir: string, supabaseUrl?: string): Promise<Record<string, Asset>> {
  const entries = await fs.readdir(dir, { recursive: true, withFileTypes: true }).catch(() => {
    throw new UserError(`${dir} is missing: npm start, npm test and npm run stack build it.`);
  });
  const names = entries.filter((entry) => entry.isFile());
  const files = names.map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)));
  const rules = files.includes(RULES_FILE)
    ? parseRules(await fs.readFile(path.join(dir, RULES_FILE), 'utf8'))
    : [];
  const assets: Record<string, Asset> = {};
  for (const name of files) {
    if (name === RULES_FILE) continue;
    const file = name.split(path.sep).join('/');
    const etag = createHash('sha256')
      .update(await fs.readFile(path.join(dir, name)))
      .digest('hex')
      .slice(0, 32);
    const at = addressOf(file);
    const headers = {
      'content-type': TYPES[path.extname(file).slice(1)] ?? 'application/octet-stream',
      'cache-control': DEFAULT_CACHE,
      etag: `"${etag}"`,
      ...headersFor(at, rules, supabaseUrl),
    };
    assets[at] = { file, headers };
    for (const old of otherAddresses(file))
      assets[old] = { file, headers: headersFor(old, rules), redirect: at };
  }
  return assets;
}

/**
 * Where a file is: a page at its name without `.html`, as Cloudflare's html_handling "auto-trailing-slash" has it.
 * Of the pages in folders there are none here.
 */
const addressOf = (file: string) =>
  file === 'index.html' ? '/' : file.endsWith('.html') ? `/${file.slice(0, -'.html'.length)}` : `/${file}`;

/** From where a browser is sent to a page's one address. */
const otherAddresses = (file: string) =>
  !file.endsWith('.html')
    ? []
    : file === 'index.html'
      ? ['/index.html']
      : [`/${file}`, `${addressOf(file)}/`];

interface Rule {
  pattern: RegExp;
  headers: [string, string][];
}

/**
 * Rules of a `_headers` file, https://developers.cloudflare.com/workers/static-assets/headers/: paths with `*`,
 * each followed by indented lines. Placeholders and detached headers are not used here.
 */
export function parseRules(text: string): Rule[] {
  const rules: Rule[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    if (/^\S/.test(line)) {
      const parts = line
        .trim()
        .split('*')
        .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
      rules.push({ pattern: new RegExp(`^${parts.join('.*')}$`), headers: [] });
      continue;
    }
    const colon = line.indexOf(':');
    const rule = rules.at(-1);
    if (colon < 0 || !rule) throw new UserError(`_headers: this line belongs to no rule: ${line.trim()}`);
    rule.headers.push([line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]);
  }
  return rules;
}

/** All rules that match count; a header that several of them set has all of the values. */
function headersFor(at: string, rules: Rule[], supabaseUrl?: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { pattern, headers: set } of rules) {
    if (!pattern.test(at)) continue;
    for (const [name, value] of set) headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  const policy = headers['content-security-policy'];
  if (policy && supabaseUrl) {
    headers['content-security-policy'] = policy.replace(
      /\b(connect-src|img-src) /g,
      `$1 ${new URL(supabaseUrl).origin} `,
    );
  }
  return headers;
}
