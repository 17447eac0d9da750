import { type Answer, ask, said } from '../http.ts';
import { isToken, keyHeaders, supabase } from '../services.ts';
import { type Smoke, type Step, StepFailure } from '../step.ts';

const KEYS_PAGE = 'dashboard, Project Settings, API Keys';

/** The project at Supabase: its address, both keys, and whether the migrations are there. */
export const project: Step = {
  name: 'project',
  async run(smoke) {
    const { anonKey, serviceKey } = smoke.options;
    if (isSecret(anonKey)) {
      throw new StepFailure(
        'SUPABASE_ANON_KEY holds a secret key',
        `It is for browsers: put the publishable key, sb_publishable_… (${KEYS_PAGE}). If the secret one was deployed to start-generation, replace it.`,
      );
    }
    if (serviceKey === anonKey || !isSecret(serviceKey)) {
      throw new StepFailure(
        'SUPABASE_SERVICE_ROLE_KEY holds a public key',
        `Put the secret key, sb_secret_… (${KEYS_PAGE}).`,
      );
    }
    const settings = await call(smoke, '/auth/v1/settings', anonKey);
    if (settings.status === 401) throw wrongKey('SUPABASE_ANON_KEY', 'publishable', settings);
    if (settings.status !== 200 || settings.body === undefined) {
      throw new StepFailure(
        `Auth answered ${said(settings)}`,
        'SUPABASE_URL must be https://YOUR_PROJECT_REF.supabase.co, without a path; a paused project has to be restored in the dashboard.',
      );
    }
    const status = await call(smoke, '/rest/v1/rpc/queue_status', serviceKey, {});
    if (status.status === 401) throw wrongKey('SUPABASE_SERVICE_ROLE_KEY', 'secret', status);
    if (status.body?.code === 'PGRST202' || status.body?.code === '42883') {
      throw new StepFailure(
        'the database does not know queue_status()',
        'The migrations are missing: npm run setup applies them. If they were just applied, wait a minute: PostgREST reads the schema anew.',
      );
    }
    if (status.status !== 200) {
      throw new StepFailure(
        `the database answered ${said(status)}`,
        status.status === 403
          ? 'SUPABASE_SERVICE_ROLE_KEY must be the secret key (or the legacy service_role key).'
          : 'Look at the logs of Postgres and PostgREST in the dashboard.',
      );
    }
    const kinds = [anonKey, serviceKey].map((key) => (isToken(key) ? 'legacy' : 'of today'));
    const legacy = kinds.includes('legacy') ? '; legacy keys end with the year 2026' : '';
    return `both keys are accepted (${kinds[0] === kinds[1] ? `both ${kinds[0]}` : kinds.join(', ')}${legacy}), the migrations are there`;
  },
};

const call = (smoke: Smoke, path: string, key: string, body?: unknown): Promise<Answer> =>
  ask(supabase(smoke.options), path, {
    ...(body === undefined ? {} : { method: 'POST', body }),
    headers: keyHeaders(key),
    signal: smoke.signal,
  });

function wrongKey(variable: string, kind: string, answer: Answer): StepFailure {
  const isDisabled = /legacy/i.test(answer.text);
  return new StepFailure(
    `${variable} is refused: ${said(answer)}`,
    isDisabled
      ? `The legacy keys are switched off: put the ${kind} key, here and into the Workers (${KEYS_PAGE}).`
      : `Copy the ${kind} key of this project (${KEYS_PAGE}), and compare it with the one that the Workers have.`,
  );
}

/** Whether a key opens more than anybody may do. */
function isSecret(key: string): boolean {
  if (!isToken(key)) return !key.startsWith('sb_publishable_');
  try {
    const claims = JSON.parse(Buffer.from(key.split('.')[1] ?? '', 'base64url').toString());
    return claims.role !== 'anon';
  } catch {
    return true;
  }
}
