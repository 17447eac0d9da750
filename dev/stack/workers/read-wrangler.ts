/**
 * `node read-wrangler.ts <wrangler.toml> <environment>...`: prints what wrangler's own reader makes of them, as JSON.
 * A program of its own, because loading wrangler takes a second and 150 MB that the stack need not keep.
 */
import { createRequire } from 'node:module';

process.env.WRANGLER_SEND_METRICS = 'false';
process.env.WRANGLER_SEND_ERROR_REPORTS = 'false';
process.env.WRANGLER_LOG = 'none';

type Reader = (args: { config: string; env: string }, options: { hideWarnings: boolean }) => unknown;
const { unstable_readConfig: read } = createRequire(import.meta.url)('wrangler') as {
  unstable_readConfig: Reader;
};

const [config = '', ...environments] = process.argv.slice(2);
try {
  const configs = environments.map((env) => read({ config, env }, { hideWarnings: true }));
  process.stdout.write(JSON.stringify({ configs }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
}
