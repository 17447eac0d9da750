/** What a new installation still lacks before strangers come. */
import type { Values } from './env-file.ts';
import type { Options } from './options.ts';
import { commandOf } from './run.ts';

export function nextSteps(options: Options, values: Values): string {
  const ref = values.SUPABASE_PROJECT_REF;
  const dashboard = ref ? `https://supabase.com/dashboard/project/${ref}` : "the project's dashboard";
  const file = `.env.${options.name}`;
  return `
The studio and the API: ${values.START_GENERATION_URL}

What is left to you, before strangers may sign up (docs/operations/deploy.md#before-strangers-come):
  mail      an SMTP server of yours, for confirmations: ${dashboard}/auth/smtp
  captcha   in front of sign-ups: ${dashboard}/auth/protection
  money     a budget, and limits for the plan "default": docs/operations/operate.md#budget
  domain    START_GENERATION_ROUTES=images.example.com in ${file}, then npm run setup again
  origins   ALLOWED_ORIGINS=https://app.example.com in ${file}, in place of *
  admin     an account that may use the dashboard: docs/operations/operate.md#admins
  alerts    where you are told when something is wrong: docs/operations/alerts.md
  backups   ${file} holds secrets that nothing else keeps: put it into your password manager
Upgrades: ${commandOf('deploy', options.name)}. From GitHub (docs/operations/deploy.md#from-github), with reviewers and a rule for tags:
  gh api -X PUT repos/OWNER/REPO/environments/${options.name}
  gh secret set --env ${options.name} --env-file ${file}`;
}
