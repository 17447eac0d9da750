import { type Answer, ask, said } from '../http.ts';
import { startGeneration } from '../services.ts';
import { type Smoke, type Step, StepFailure } from '../step.ts';

const PAGES = [
  { name: 'the studio', path: '/' },
  { name: 'the dashboard', path: '/dashboard' },
];
const BUILD = 'The files of web/dist come with start-generation: deploy it again, npm run setup';

/** The pages that come with start-generation: each is there with its script, and may call the project. */
export const pages: Step = {
  name: 'pages',
  async run(smoke) {
    for (const page of PAGES) await check(smoke, page);
    return 'the studio at / and the dashboard at /dashboard, each with its script';
  },
};

const isOf = (answer: Answer, kind: RegExp) =>
  answer.status === 200 && kind.test(answer.headers.get('content-type') ?? '');

async function check(smoke: Smoke, { name, path }: (typeof PAGES)[number]): Promise<void> {
  const service = startGeneration(smoke.options);
  const get = (what: string) =>
    ask(service, what, { headers: { accept: 'text/html' }, signal: smoke.signal });
  const page = await get(path);
  const script = /<script type="module"[^>]* src="(\/assets\/[^"]+)"/.exec(page.text)?.[1];
  if (!isOf(page, /^text\/html/) || script === undefined) {
    throw new StepFailure(`${name} is not at ${path}: ${said(page)}`, BUILD);
  }
  const code = await get(script);
  if (!isOf(code, /javascript/)) {
    throw new StepFailure(`the script of ${name}, ${script}, is not there: ${said(code)}`, BUILD);
  }
  const policy = page.headers.get('content-security-policy') ?? '';
  const allowed = /connect-src ([^;]*)/.exec(policy)?.[1]?.split(' ');
  const { origin } = new URL(smoke.options.supabaseUrl);
  if (allowed && !allowed.some((source) => source === origin || source === '*' || source === 'https:')) {
    throw new StepFailure(
      `${name} may not call ${origin}: its content-security-policy allows ${allowed.join(' ')}`,
      'It was built for another project: set SUPABASE_URL in .env.production, then npm run setup.',
    );
  }
}
