import { nameOf } from '../install/names.ts';

/**
 * A hint as it holds for an installation. Hints are written for production; Workers, files and commands of others have
 * their name in them.
 *
 * @param installation as `npm run setup -- --name` has it
 */
export function hintFor(hint: string, installation: string): string {
  if (installation === 'production') return hint;
  return hint
    .replaceAll(
      /npx wrangler tail ([a-z-]+)/g,
      (_, worker) => `npx wrangler tail ${nameOf(worker, installation)}`,
    )
    .replaceAll('.env.production', `.env.${installation}`)
    .replaceAll('.local/production/', `.local/${installation}/`)
    .replaceAll(/npm run (setup|deploy)\b/g, `npm run $1 -- --name ${installation}`);
}
