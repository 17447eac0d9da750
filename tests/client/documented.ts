import fs from 'node:fs/promises';
import path from 'node:path';
import type { StackAddresses } from '../../dev/stack/stack.ts';
import { ROOT } from './installed.ts';

/** The documentation's examples, to be tried. */

export const ENTRIES = {
  'picture-queue': path.join(ROOT, 'client/src/index.ts'),
  'picture-queue/react': path.join(ROOT, 'client/src/react/index.ts'),
  'picture-queue/react-native': path.join(ROOT, 'client/src/react-native.ts'),
  'picture-queue/library': path.join(ROOT, 'client/src/library.ts'),
  'picture-queue/server': path.join(ROOT, 'client/src/server.ts'),
  'picture-queue/webhooks': path.join(ROOT, 'client/src/webhooks.ts'),
  'picture-queue/compat': path.join(ROOT, 'client/src/compat/index.ts'),
  'picture-queue/compat/react': path.join(ROOT, 'client/src/compat/react/index.ts'),
};

/** How esbuild makes an ES module of an app's code for Node, with the package as it is here. */
export const BUNDLE = {
  alias: ENTRIES,
  jsx: 'automatic',
  bundle: true,
  platform: 'node',
  format: 'esm',
  logLevel: 'silent',
} as const;

/**
 * A block of code below `## The first picture, …` of docs/guides/client.md, with the addresses in it of a stack.
 *
 * @param kind of the block; the first one of this kind
 */
export async function firstPicture(
  heading: string,
  { supabaseUrl, publishableKey, startGenerationUrl }: StackAddresses,
  kind: 'ts' | 'tsx' = 'ts',
): Promise<string> {
  const page = await fs.readFile(path.join(ROOT, 'docs/guides/client.md'), 'utf8');
  const section = page.split('\n## ').find((each) => each.startsWith(`The first picture, ${heading}\n`));
  const code = new RegExp(`\`\`\`${kind}\\n(.*?)\`\`\``, 's').exec(section ?? '')?.[1];
  if (!code) throw new Error(`docs/guides/client.md has no ${kind} below "The first picture, ${heading}"`);
  return code
    .replace('LOCAL_SUPABASE_URL', supabaseUrl)
    .replace('LOCAL_PUBLISHABLE_KEY', publishableKey)
    .replace('START_GENERATION_URL', startGenerationUrl);
}
