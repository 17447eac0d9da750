/** What an installation is told: each setting with where it goes and what it may be. */
import { UserError } from '../user-error.mjs';
import type { Values } from './env-file.ts';

export type Worker = 'process-generation' | 'process-jobs' | 'start-generation';

interface Setting {
  /** Shown to nobody. */
  secret?: true;
  /** The Workers that get it: as a secret if it is one, as a variable otherwise. None: the commands alone read it. */
  workers?: Worker[];
  /** What is wrong with it, as the end of a sentence that begins with its name. */
  check?: (value: string) => string | undefined;
}

const PRIVATE: Worker[] = ['process-generation', 'process-jobs'];
const ALL: Worker[] = [...PRIVATE, 'start-generation'];

export const SETTINGS = {
  SUPABASE_PROJECT_REF: {
    check: matches(/^[a-z]{20}$/, 'is the 20 letters after /project/ in the dashboard'),
  },
  SUPABASE_DB_URL: { secret: true, check: databaseUrl },
  SUPABASE_DB_PASSWORD: { secret: true },
  SUPABASE_ACCESS_TOKEN: { secret: true, check: matches(/^sbp_/, 'begins with sbp_') },
  CLOUDFLARE_API_TOKEN: { secret: true, check: key },
  CLOUDFLARE_ACCOUNT_ID: { check: matches(/^[0-9a-f]{32}$/, 'has 32 hexadecimal digits') },
  SUPABASE_URL: { workers: ALL, check: origin },
  SUPABASE_ANON_KEY: { secret: true, workers: ['start-generation'], check: key },
  SUPABASE_JWT_SECRET: {
    secret: true,
    workers: ['start-generation'],
    check: (value) => (Buffer.byteLength(value) < 32 ? 'has at least 32 bytes' : undefined),
  },
  SUPABASE_SERVICE_ROLE_KEY: { secret: true, workers: PRIVATE, check: upToFour },
  REPLICATE_API_TOKEN: { secret: true, workers: PRIVATE, check: key },
  REPLICATE_WEBHOOK_SECRET: {
    secret: true,
    workers: PRIVATE,
    check: (value) => (/^whsec_/.test(value) ? upToFour(value) : 'begins with whsec_'),
  },
  REPLICATE_API_URL: { workers: PRIVATE, check: origin },
  PUBLIC_URL: { workers: PRIVATE, check: origin },
  MAX_PARALLEL_JOBS: { workers: ALL, check: wholeNumber(1, 40) },
  MAX_JOBS_PER_INVOCATION: { workers: PRIVATE, check: wholeNumber(1, 2000) },
  ALLOWED_ORIGINS: { workers: ALL, check: originsOrStar },
  WEBHOOK_ALLOWED_ORIGINS: { workers: ALL },
  DNS_OVER_HTTPS_URL: { workers: PRIVATE, check: matches(/^https:\/\//, 'is an https address') },
  WAKE: { workers: ['start-generation'], check: matches(/^(on|off)$/, 'is on or off') },
  MODERATION_URL: { workers: ['start-generation'], check: matches(/^https:\/\//, 'is an https address') },
  MODERATION_SECRET: { secret: true, workers: ['start-generation'], check: key },
  MODERATION_TIMEOUT_MS: { workers: ['start-generation'], check: wholeNumber(1, 10_000) },
  MODERATION_ON_FAILURE: {
    workers: ['start-generation'],
    check: matches(/^(refuse|allow)$/, 'is refuse or allow'),
  },
  PLACEMENT_REGION: {
    check: matches(/^[a-z]+:[a-z0-9-]+$/, 'is a cloud and its region, such as aws:eu-central-1'),
  },
  START_GENERATION_URL: { check: origin },
  PROCESS_JOBS_URL: { check: origin },
  PROCESS_GENERATION_URL: { check: origin },
  START_GENERATION_ROUTES: { check: routesAreWrong },
  PROCESS_GENERATION_ROUTES: { check: routesAreWrong },
  RATE_LIMIT: {
    check: matches(
      /^[1-9]\d{0,5}(\/(10|60))?$/,
      'is requests in a minute, such as 600, or 100/10 in ten seconds',
    ),
  },
  RATE_LIMIT_NAMESPACE_ID: { check: wholeNumber(1, 2 ** 31 - 1) },
  ANALYTICS_DATASET: {
    check: matches(
      /^[A-Za-z_][A-Za-z0-9_]{0,63}$/,
      'is letters, digits and underscores, such as picture_queue',
    ),
  },
} satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];
const settingOf = (name: SettingName): Setting => SETTINGS[name];

export const isSecret = (name: string): boolean =>
  name in SETTINGS && settingOf(name as SettingName).secret === true;

/**
 * The file's settings, and of the environment those that the file does not have: what is exported for another
 * installation must not reach this one.
 */
export function combine(file: Values, env: NodeJS.ProcessEnv): { values: Values; overruled: string[] } {
  const values: Values = {};
  const overruled: string[] = [];
  for (const name of SETTING_NAMES) {
    const given = env[name]?.trim();
    const kept = file[name]?.trim();
    const value = kept || given;
    if (value) values[name] = value;
    if (kept && given && kept !== given) overruled.push(name);
  }
  return { values, overruled };
}

/** A sentence for each setting that cannot be right, by itself or beside the others. Values of secrets are not in it. */
export function complaints(values: Values): string[] {
  const wrong = SETTING_NAMES.flatMap((name) => complaint(name, values[name]) ?? []);
  return wrong.length > 0 ? wrong : ofTwoProjects(values);
}

/** Migrations would reach one project, and the Workers another. What says nothing of a project is no part of it. */
function ofTwoProjects(values: Values): string[] {
  const known = Object.entries({
    SUPABASE_PROJECT_REF: values.SUPABASE_PROJECT_REF,
    SUPABASE_URL: /^https:\/\/([a-z]{20})\.supabase\.co\b/.exec(values.SUPABASE_URL ?? '')?.[1],
    SUPABASE_DB_URL: projectOfDatabase(values.SUPABASE_DB_URL),
    SUPABASE_ANON_KEY: projectOfKey(values.SUPABASE_ANON_KEY),
    SUPABASE_SERVICE_ROLE_KEY: projectOfKey(values.SUPABASE_SERVICE_ROLE_KEY),
  }).flatMap(([name, ref]) => (ref === undefined ? [] : [{ name, ref }]));
  if (new Set(known.map(({ ref }) => ref)).size < 2) return [];
  const all = known.map(({ name, ref }) => `${name} is of ${ref}`).join(', ');
  return [
    `${all}: set them to one project, or leave out SUPABASE_URL and the keys, which npm run setup reads.`,
  ];
}

/** `db.REF.supabase.co`, or the user `postgres.REF` of a pooler. */
function projectOfDatabase(address: string | undefined): string | undefined {
  if (!address) return undefined;
  const { hostname, username } = new URL(address);
  if (/\.pooler\.supabase\.com$/.test(hostname)) return /^[^.]+\.([a-z]{20})$/.exec(username)?.[1];
  return /^db\.([a-z]{20})\.supabase\.co$/.exec(hostname)?.[1];
}

/** Legacy keys are tokens that name theirs; those of today do not. */
function projectOfKey(keys: string | undefined): string | undefined {
  const [, payload] = keys?.split(/[\s,]+/)[0]?.split('.') ?? [];
  if (!payload) return undefined;
  try {
    const { ref } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { ref?: unknown };
    return typeof ref === 'string' && /^[a-z]{20}$/.test(ref) ? ref : undefined;
  } catch {
    return undefined;
  }
}

export function complaint(name: SettingName, value: string | undefined): string | undefined {
  const wrong = value === undefined ? undefined : settingOf(name).check?.(value);
  return wrong && `${name} ${wrong}${isSecret(name) ? '' : `, not ${JSON.stringify(value)}`}.`;
}

/** What this Worker gets as variables, or as secrets. */
export function valuesFor(worker: Worker, kind: 'variables' | 'secrets', values: Values): Values {
  const entries = SETTING_NAMES.flatMap((name): [string, string][] => {
    const value = values[name];
    const goes = settingOf(name).workers?.includes(worker) && isSecret(name) === (kind === 'secrets');
    return goes && value !== undefined ? [[name, value]] : [];
  });
  return Object.fromEntries(entries);
}

/** @throws UserError that names every one that is not there */
export function requireAll(names: SettingName[], values: Values, where: string): void {
  const missing = names.filter((name) => values[name] === undefined);
  if (missing.length === 0) return;
  throw new UserError(
    `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing: put ${missing.length === 1 ? 'it' : 'them'} into ${where} or the environment, or run npm run setup in a terminal, which asks.`,
  );
}

export interface Route {
  pattern: string;
  zone?: string;
}

/** `images.example.com, api.example.com/functions/v1/*@example.com`: hosts of the Worker's own, and routes of a zone. */
export function parseRoutes(text: string): Route[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map((each) => {
      const [pattern = '', zone] = each.split('@');
      return zone === undefined ? { pattern } : { pattern, zone };
    });
}

function databaseUrl(value: string): string | undefined {
  try {
    const { protocol, password } = new URL(value);
    decodeURIComponent(password);
    if (/^postgres(ql)?:$/.test(protocol)) return undefined;
  } catch {
    // Said below.
  }
  return 'is a postgres:// address, its password percent-encoded (# is %23, / is %2F, % is %25)';
}

function routesAreWrong(value: string): string | undefined {
  const host = /^([a-z0-9-]+\.)+[a-z]{2,}$/;
  const right = parseRoutes(value).every(({ pattern, zone }) =>
    zone === undefined ? host.test(pattern) : /^[^\s/]+\/\S*$/.test(pattern) && host.test(zone),
  );
  return right ? undefined : 'has hosts (images.example.com) and routes (api.example.com/path/*@example.com)';
}

function matches(pattern: RegExp, sentence: string) {
  return (value: string) => (pattern.test(value) ? undefined : sentence);
}

function wholeNumber(least: number, most: number) {
  return (value: string) => {
    const right = /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most;
    return right ? undefined : `is a whole number from ${least} to ${most}`;
  };
}

function key(value: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(value) ? undefined : 'holds characters that no key has: copy it again';
}

function upToFour(value: string): string | undefined {
  const keys = value.split(/[\s,]+/);
  if (keys.length > 4) return 'holds four keys at most';
  return keys.map(key).find((wrong) => wrong);
}

/** An https origin; http where nobody can listen in between. */
function origin(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isLocal = url?.hostname === 'localhost' || url?.hostname === '127.0.0.1';
  const right = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal);
  return right && url?.origin === value.replace(/\/$/, '')
    ? undefined
    : 'is an address such as https://example.com, without a path';
}

function originsOrStar(value: string): string | undefined {
  if (value === '*') return undefined;
  const wrong = value.split(',').find((each) => origin(each.trim()) !== undefined);
  return wrong === undefined
    ? undefined
    : 'is * or origins such as https://app.example.com, separated by commas';
}
