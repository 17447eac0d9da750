import { randomBytes, randomUUID } from 'node:crypto';
import { type Answer, ask, said } from '../http.ts';
import { keyHeaders, supabase } from '../services.ts';
import { type Smoke, type Step, StepFailure } from '../step.ts';

const SET_ACCOUNT =
  'Add a user in the dashboard (Authentication, Users, Add user, "Auto Confirm User") and set SMOKE_EMAIL and SMOKE_PASSWORD.';

/** A user of the app: the one of SMOKE_EMAIL, or one that is made for this run. */
export const signIn: Step = {
  name: 'sign-in',
  needs: ['project'],
  async run(smoke) {
    const { account } = smoke.options;
    if (account) {
      smoke.hide(account.password);
      return session(
        smoke,
        await withPassword(smoke, account.email, account.password),
        'SMOKE_EMAIL is signed in',
      );
    }
    const email = `smoke-${randomUUID()}@example.com`;
    const password = randomBytes(24).toString('base64url');
    smoke.hide(password);
    const { made, answered } = await createUser(smoke, email, password);
    if (made) {
      return session(
        smoke,
        await withPassword(smoke, email, password),
        'a confirmed user was made and signed in',
      );
    }
    const signedUp = await signUp(smoke, email, password);
    try {
      return session(smoke, signedUp, `${email} was signed up`);
    } catch (error) {
      if (!(error instanceof StepFailure)) throw error;
      throw new StepFailure(`${error.message}; Auth's admin API answered ${answered}`, error.fix);
    }
  },
};

const auth = (smoke: Smoke, path: string, headers: Record<string, string>, body: unknown): Promise<Answer> =>
  ask(supabase(smoke.options), `/auth/v1${path}`, { method: 'POST', headers, body, signal: smoke.signal });

const withPassword = (smoke: Smoke, email: string, password: string): Promise<Answer> =>
  auth(smoke, '/token?grant_type=password', { apikey: smoke.options.anonKey }, { email, password });

/** Takes the token out of the answer to a sign-in. */
function session(smoke: Smoke, answer: Answer, detail: string): string {
  const { body } = answer;
  const user = body?.user as { id?: string } | undefined;
  if (answer.status !== 200 || typeof body?.access_token !== 'string' || typeof user?.id !== 'string') {
    throw refused(smoke, answer);
  }
  smoke.hide(body.access_token);
  if (typeof body.refresh_token === 'string') smoke.hide(body.refresh_token);
  smoke.user = { id: user.id, token: body.access_token };
  return `${detail}; its token is signed with ${algorithm(body.access_token)}`;
}

function refused(smoke: Smoke, answer: Answer): StepFailure {
  const code = String(answer.body?.error_code ?? answer.body?.code ?? '');
  if (answer.status === 200 || code === 'email_not_confirmed') {
    return new StepFailure('the address has to be confirmed by mail first', SET_ACCOUNT);
  }
  if (/captcha/i.test(answer.text)) {
    return new StepFailure(
      `sign-in asks for a captcha: ${said(answer)}`,
      'A program cannot solve it: switch it off for the run (Authentication, Attack Protection).',
    );
  }
  if (code === 'email_provider_disabled' || code === 'signup_disabled') {
    return new StepFailure(
      `sign-in was refused: ${said(answer)}`,
      code === 'signup_disabled'
        ? SET_ACCOUNT
        : 'Sign-in by e-mail is off: switch it on for the run (Authentication, Sign In / Providers).',
    );
  }
  const { account } = smoke.options;
  return new StepFailure(
    `sign-in was refused: ${said(answer)}`,
    account ? 'Check SMOKE_EMAIL and SMOKE_PASSWORD, and that the user is confirmed.' : SET_ACCOUNT,
  );
}

/** By Auth's admin API, which sends no mail, where it is to be had. */
async function createUser(
  smoke: Smoke,
  email: string,
  password: string,
): Promise<{ made: boolean; answered: string }> {
  const headers = keyHeaders(smoke.options.serviceKey);
  const answer = await auth(smoke, '/admin/users', headers, { email, password, email_confirm: true });
  const id = answer.body?.id;
  const answered = said(answer);
  if (answer.status !== 200 || typeof id !== 'string') return { made: false, answered };
  smoke.cleanUp(`the user ${email}`, async () => {
    const deleted = await ask(supabase(smoke.options), `/auth/v1/admin/users/${id}`, {
      method: 'DELETE',
      headers,
      signal: AbortSignal.timeout(10_000),
    });
    if (deleted.status !== 200 && deleted.status !== 204) throw new Error(said(deleted));
  });
  return { made: true, answered };
}

async function signUp(smoke: Smoke, email: string, password: string): Promise<Answer> {
  const answer = await auth(smoke, '/signup', { apikey: smoke.options.anonKey }, { email, password });
  const user = (answer.body?.user ?? answer.body) as { id?: string } | undefined;
  if (answer.status === 200 && typeof user?.id === 'string') {
    smoke.cleanUp(`the user ${email}`, async () => {
      throw new Error('Auth has no admin API here; delete it by hand');
    });
  }
  return answer;
}

/** What the token's header says; our own check comes with the first request. */
function algorithm(token: string): string {
  try {
    return String(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).alg);
  } catch {
    return 'nothing that can be read';
  }
}
