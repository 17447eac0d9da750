import path from 'node:path';
import { parseArgs } from 'node:util';
import { EnvFile } from '../install/env-file.ts';
import { ROOT } from '../run.mjs';
import { UserError } from '../user-error.mjs';

export interface Options {
  /** What its hints name: `production`, or another installation's name. */
  installation: string;
  /** Origins, without a slash at the end. */
  startGenerationUrl: string;
  processJobsUrl: string;
  processGenerationUrl: string;
  supabaseUrl: string;
  anonKey: string;
  serviceKey: string;
  /** A user to sign in as; absent: one is made, and deleted at the end. */
  account?: { email: string; password: string };
  /** The model of the image; absent: the cheapest. */
  model?: string;
  /** Whether an image is made, and paid. */
  image: boolean;
  /** The origin of an app that must be allowed to call start-generation from a browser. */
  origin?: string;
  /** Longest wait for the image, and for the cron. */
  timeoutMs: number;
  json: boolean;
}

const DEFAULT_TIMEOUT_S = 240;

export const HELP = `npm run smoke -- --name production [options]
npm run smoke -- --url URL --process-jobs-url URL --process-generation-url URL [options]

Tries a deployed system from outside, step by step: is everything there, do the keys fit, can a user sign in, is a
image made and found under its public URL, does its owner hear of it, does the cron run. One line a step, and what to
do where one fails. Exit 0: every step passed. It makes one image with the cheapest model, which Replicate charges
for (--no-image makes none), and removes what it has made: the generations, the upload, the file, the user.

  --name NAME                   take addresses and keys from .env.NAME, which npm run setup has written
  --url URL                     start-generation
  --process-jobs-url URL        process-jobs
  --process-generation-url URL  process-generation
  --model OWNER/NAME            make the image with this model, not with the cheapest
  --no-image                  make no image and pay nothing: how one ends is then not tried
  --origin URL                  check that a page of this origin may call start-generation (CORS)
  --timeout SECONDS             longest wait for the image, and for the cron (default: ${DEFAULT_TIMEOUT_S})
  --json                        one JSON document on stdout, {ok, steps: [{name, ok, ms, detail, fix?}], …}; the lines
                                go to stderr
  --help                        this text

Environment:
  SUPABASE_URL                  https://YOUR_PROJECT_REF.supabase.co
  SUPABASE_ANON_KEY             the project's publishable key, sb_publishable_… (or the legacy anon key)
  SUPABASE_SERVICE_ROLE_KEY     its secret key, sb_secret_… (or the legacy service_role key). It looks at the queue,
                                makes and deletes the user of this run, and removes what is left of it
  SMOKE_EMAIL, SMOKE_PASSWORD   a confirmed user to sign in as. Without them a user is made: by Auth's admin API, or,
                                where that is not to be had, by a sign-up, for which "Confirm email" must be off
  SMOKE_INSTALLATION            without --name: which installation's Workers and files the hints name (production)

What a hosted system needs before: what npm run setup brings about (migrations, Workers, secrets, PUBLIC_URL), the
cron trigger some minutes old, and credit at Replicate. Where the project has a captcha on sign-in, make a user by hand
and switch the captcha off for the run. The steps before it: docs/operations/deploy.md.

The names START_GENERATION_URL, PROCESS_JOBS_URL and PROCESS_GENERATION_URL in the environment do for the three URLs too.
`;

/** @returns undefined when the help was asked for */
export function parseOptions(argv: string[], environment: NodeJS.ProcessEnv): Options | undefined {
  const values = parse(argv);
  if (values.help) return undefined;
  const env = values.name === undefined ? environment : { ...environment, ...settingsOf(values.name) };
  const missing: string[] = [];
  const url = (option: 'url' | 'process-jobs-url' | 'process-generation-url', name: string): string => {
    const text = values[option] ?? env[name];
    if (!text) missing.push(`--${option}`);
    return text ? toOrigin(`--${option}`, text) : '';
  };
  const variable = (name: string): string => {
    const value = env[name]?.trim() ?? '';
    if (!value) missing.push(name);
    return value;
  };
  const seconds = Number(values.timeout ?? DEFAULT_TIMEOUT_S);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600) {
    throw new UserError('--timeout takes a whole number of seconds from 1 to 3600.');
  }
  const options: Options = {
    installation: values.name ?? env.SMOKE_INSTALLATION?.trim() ?? 'production',
    startGenerationUrl: url('url', 'START_GENERATION_URL'),
    processJobsUrl: url('process-jobs-url', 'PROCESS_JOBS_URL'),
    processGenerationUrl: url('process-generation-url', 'PROCESS_GENERATION_URL'),
    supabaseUrl: variable('SUPABASE_URL'),
    anonKey: variable('SUPABASE_ANON_KEY'),
    // While one is replaced by another there are two: the first is the one in use.
    serviceKey: variable('SUPABASE_SERVICE_ROLE_KEY').split(/\s+/)[0] ?? '',
    image: !values['no-image'],
    timeoutMs: seconds * 1000,
    json: values.json,
  };
  if (missing.length > 0) {
    throw new UserError(
      `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing; see npm run smoke -- --help.`,
    );
  }
  options.supabaseUrl = toOrigin('SUPABASE_URL', options.supabaseUrl);
  for (const [name, key] of [
    ['SUPABASE_ANON_KEY', options.anonKey],
    ['SUPABASE_SERVICE_ROLE_KEY', options.serviceKey],
  ]) {
    if (!/^[\x21-\x7e]+$/.test(key ?? ''))
      throw new UserError(`${name} holds characters that no key has: copy it again.`);
  }
  const { SMOKE_EMAIL: email, SMOKE_PASSWORD: password } = env;
  if (email && password) options.account = { email, password };
  else if (email || password) throw new UserError('Set both SMOKE_EMAIL and SMOKE_PASSWORD, or neither.');
  if (values.model !== undefined) options.model = values.model;
  if (values.origin !== undefined) options.origin = toOrigin('--origin', values.origin);
  return options;
}

function toOrigin(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url.origin + url.pathname.replace(/\/+$/, '');
  throw new UserError(`${name} is not an http(s) URL.`);
}

/** What npm run setup has written for this installation. */
function settingsOf(name: string): Record<string, string> {
  const file = new EnvFile(path.join(ROOT, `.env.${name}`));
  if (!file.exists()) throw new UserError(`${file.file} is not there: npm run setup writes it.`);
  return file.read();
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        name: { type: 'string' },
        url: { type: 'string' },
        'process-jobs-url': { type: 'string' },
        'process-generation-url': { type: 'string' },
        model: { type: 'string' },
        'no-image': { type: 'boolean', default: false },
        origin: { type: 'string' },
        timeout: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    // Only the sentence about the option itself; what follows it is advice on Node's parser.
    const sentence = (error instanceof Error ? error.message : String(error)).split('. ')[0];
    throw new UserError(`${sentence}; see npm run smoke -- --help.`);
  }
}
