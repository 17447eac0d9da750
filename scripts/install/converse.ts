/** What only a person knows, and what can be read for them: asked once, and kept in `.env.NAME`. */
import { say } from '../progress.mjs';
import { UserError } from '../user-error.mjs';
import { askSecret, choose } from './ask.ts';
import type { Cloudflare, Who } from './cloudflare.ts';
import type { Values } from './env-file.ts';
import type { Options } from './options.ts';
import { accountOf, webhookSecretOf } from './replicate.ts';
import { envFileOf, type Outcome } from './run.ts';
import { complaint, requireAll, SETTING_NAMES, type SettingName } from './settings.ts';
import type { Project, Supabase } from './supabase.ts';

interface Means {
  supabase: Supabase;
  cloudflare: Cloudflare;
  /** Keeps values, in the file too. */
  learn(values: Values): void;
}

/** Everything that a deployment needs. */
export const REQUIRED: SettingName[] = [
  'SUPABASE_URL',
  'SUPABASE_ANON_KEY',
  'SUPABASE_SERVICE_ROLE_KEY',
  'REPLICATE_API_TOKEN',
  'REPLICATE_WEBHOOK_SECRET',
];

export async function converse(options: Options, values: Values, means: Means): Promise<Outcome> {
  const before = envFileOf(options).read();
  const { who, projects } = await logins(values, means);
  if (who) await cloudflareAccount(options, values, who, means);
  if (projects) await supabaseProject(options, values, projects, means);
  if (!values.REPLICATE_API_TOKEN && options.asks) {
    say('  A token of Replicate: https://replicate.com/account/api-tokens');
    means.learn({
      REPLICATE_API_TOKEN: await asked('REPLICATE_API_TOKEN', () => askSecret('Replicate token')),
    });
  }
  requireAll(
    REQUIRED.filter((name) => name !== 'REPLICATE_WEBHOOK_SECRET'),
    values,
    envFileOf(options).file,
  );
  const account = await accountOf(values);
  if (!values.REPLICATE_WEBHOOK_SECRET)
    means.learn({ REPLICATE_WEBHOOK_SECRET: await webhookSecretOf(values) });
  // Those of the environment too, so that the next run needs it no more.
  const now = Object.fromEntries(
    SETTING_NAMES.flatMap((name) => (values[name] ? [[name, values[name]]] : [])),
  );
  const news = Object.keys(now).filter((name) => before[name] !== now[name]);
  if (news.length === 0) return { unchanged: `unchanged; Replicate's account is ${account}` };
  means.learn(now);
  return {
    done: `${news.join(', ')} written to ${envFileOf(options).file}; Replicate's account is ${account}`,
  };
}

interface Logins {
  who?: Who;
  /** Absent: nothing has to be asked of Supabase, which may be somebody's own. */
  projects?: Project[];
}

/** @throws UserError that names every login that is missing */
async function logins(values: Values, { supabase, cloudflare }: Means): Promise<Logins> {
  const who = await cloudflare.whoami();
  const { SUPABASE_DB_URL, SUPABASE_URL, SUPABASE_ANON_KEY, SUPABASE_SERVICE_ROLE_KEY } = values;
  const isKnown = SUPABASE_DB_URL && SUPABASE_URL && SUPABASE_ANON_KEY && SUPABASE_SERVICE_ROLE_KEY;
  const projects = isKnown ? undefined : await supabase.projects();
  const missing = [
    ...(who
      ? []
      : ['nobody is logged in at Cloudflare: run npx wrangler login, or set CLOUDFLARE_API_TOKEN.']),
    ...(isKnown || projects
      ? []
      : ['nobody is logged in at Supabase: run npx supabase login, or set SUPABASE_ACCESS_TOKEN.']),
  ];
  if (missing.length > 0) throw new UserError(missing.join('\n  '));
  return { ...(who ? { who } : {}), ...(projects ? { projects } : {}) };
}

async function cloudflareAccount(
  options: Options,
  values: Values,
  who: Who,
  { learn }: Means,
): Promise<void> {
  if (values.CLOUDFLARE_ACCOUNT_ID || who.accounts.length < 2) return;
  if (!options.asks)
    throw new UserError(
      `the login at Cloudflare has ${who.accounts.length} accounts: set CLOUDFLARE_ACCOUNT_ID to one of ${who.accounts.map(({ id, name }) => `${id} (${name})`).join(', ')}.`,
    );
  const { id } = await choose('Which account of Cloudflare', who.accounts, ({ name }) => name);
  learn({ CLOUDFLARE_ACCOUNT_ID: id });
}

async function supabaseProject(
  options: Options,
  values: Values,
  projects: Project[],
  { supabase, learn }: Means,
): Promise<void> {
  const { SUPABASE_ANON_KEY: publishable, SUPABASE_SERVICE_ROLE_KEY: secret } = values;
  const known = projects.map(({ ref, name }) => `${ref} (${name})`).join(', ') || 'none';
  if (!values.SUPABASE_PROJECT_REF) {
    if (!options.asks) throw new UserError(`SUPABASE_PROJECT_REF is missing. The account has: ${known}.`);
    if (projects.length === 0)
      throw new UserError(
        'the account has no project yet: npx supabase projects create picture-queue, or https://supabase.com/dashboard/new.',
      );
    const { ref } = await choose(
      'Which project of Supabase',
      projects,
      (each) => `${each.name} (${each.region})`,
    );
    learn({ SUPABASE_PROJECT_REF: ref });
  }
  const ref = values.SUPABASE_PROJECT_REF ?? '';
  const project = projects.find((each) => each.ref === ref);
  if (!project) throw new UserError(`the login at Supabase has no project ${ref}. It has: ${known}.`);
  if (!values.SUPABASE_URL) learn({ SUPABASE_URL: `https://${ref}.supabase.co` });
  // All of Supabase's regions are of AWS.
  if (!values.PLACEMENT_REGION && /^[a-z]{2}-[a-z]+-[0-9]$/.test(project.region))
    learn({ PLACEMENT_REGION: `aws:${project.region}` });
  if (publishable && secret) return;
  const keys = await supabase.keys(ref);
  if (!publishable && keys.publishable) learn({ SUPABASE_ANON_KEY: keys.publishable });
  if (!secret && keys.secret) learn({ SUPABASE_SERVICE_ROLE_KEY: keys.secret });
}

/** Asks until the answer can be right. */
async function asked(name: SettingName, question: () => Promise<string>): Promise<string> {
  for (;;) {
    const answer = await question();
    const wrong = answer === '' ? `${name} cannot be empty.` : complaint(name, answer);
    if (!wrong) return answer;
    say(`  ${wrong}`);
  }
}
