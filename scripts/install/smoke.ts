/** The smoke test of the installation, with its settings. */
import fs from 'node:fs';
import path from 'node:path';
import { environment, foreground } from '../run.mjs';
import { UserError } from '../user-error.mjs';
import { type Values, writePrivately } from './env-file.ts';
import type { Options } from './options.ts';
import type { Outcome } from './run.ts';
import { folderOf, type Prepared } from './workers.ts';

const READ =
  /^(SUPABASE_(URL|ANON_KEY|SERVICE_ROLE_KEY)|(START_GENERATION|PROCESS_JOBS|PROCESS_GENERATION)_URL)$/;

export const smokeArguments = (image: boolean) => (image ? [] : ['--no-image']);

/**
 * @param workers what is deployed now. As long as no run has made an image with just these, the next one owes it: the
 *   mark that says so may be lost, which costs one image more
 */
export async function smoke(
  options: Pick<Options, 'smoke' | 'image' | 'dir' | 'name'>,
  values: Values,
  workers: Pick<Prepared, 'fingerprint'>[],
): Promise<Outcome> {
  if (!options.smoke) return { unchecked: 'left out, as you asked (npm run smoke tries it)' };
  const tried = path.join(folderOf(options), 'tried-with-an-image');
  const these = `${workers.map(({ fingerprint }) => fingerprint).join(' ')}\n`;
  const isOwed = !fs.existsSync(tried) || fs.readFileSync(tried, 'utf8') !== these;
  const image = options.image && isOwed;
  const env = Object.fromEntries(Object.entries(values).filter(([name]) => READ.test(name)));
  const args = ['scripts/smoke/main.ts', ...smokeArguments(image)];
  const code = await foreground('node', args, {
    env: environment({ ...env, SMOKE_INSTALLATION: options.name }),
  });
  if (code !== 0) throw new UserError('the smoke test did not pass; each line above says what to do.');
  if (image) writePrivately(tried, these);
  if (image) return { done: 'passed, with an image' };
  return {
    done: `passed, without an image, ${isOwed ? 'as you asked' : 'which these Workers have made before'}`,
  };
}
