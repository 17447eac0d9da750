/** The smoke test of the installation, with its settings. */
import { environment, foreground } from '../run.mjs';
import { UserError } from '../user-error.mjs';
import type { Values } from './env-file.ts';
import type { Options } from './options.ts';
import type { Outcome } from './run.ts';

const READ =
  /^(SUPABASE_(URL|ANON_KEY|SERVICE_ROLE_KEY)|(START_GENERATION|PROCESS_JOBS|PROCESS_GENERATION)_URL)$/;

export const smokeArguments = (image: boolean) => (image ? [] : ['--no-image']);

/** @param image whether it makes one, and what pays for it */
export async function smoke(
  options: Pick<Options, 'name' | 'smoke' | 'image'>,
  values: Values,
  image: boolean,
): Promise<Outcome> {
  if (!options.smoke) return { unchecked: 'left out, as you asked (npm run smoke tries it)' };
  const env = Object.fromEntries(Object.entries(values).filter(([name]) => READ.test(name)));
  const args = ['scripts/smoke/main.ts', ...smokeArguments(image && options.image)];
  const code = await foreground('node', args, {
    env: environment({ ...env, SMOKE_INSTALLATION: options.name }),
  });
  if (code !== 0) throw new UserError('the smoke test did not pass; each line above says what to do.');
  return { done: image && options.image ? 'passed, with an image' : 'passed, without an image' };
}
