import { createHmac, randomUUID } from 'node:crypto';
import { SigningKey } from '../../dev/stack/supabase/signing-key.ts';

/** The project's key for users' tokens (ES256), as new hosted projects have one. */
export const signingKey = new SigningKey('the key of the benchmark');

const SECRET = Buffer.from('the secret of the benchmark');

/** What both sides are configured with. */
export const KEYS = {
  anon: 'sb_publishable_of_the_benchmark',
  service: 'sb_secret_of_the_benchmark',
  replicate: 'r8_of_the_benchmark',
  webhook: `whsec_${SECRET.toString('base64')}`,
};

export interface User {
  id: string;
  token: string;
}

/** Somebody signed in for an hour, with the claims that Supabase's tokens have. */
export function signIn(): User {
  const id = randomUUID();
  const now = Math.floor(Date.now() / 1000);
  const token = signingKey.sign({
    iss: 'https://project.supabase.co/auth/v1',
    sub: id,
    aud: 'authenticated',
    exp: now + 3600,
    iat: now,
    email: 'somebody@example.com',
    phone: '',
    app_metadata: { provider: 'email', providers: ['email'] },
    user_metadata: { email: 'somebody@example.com', email_verified: true, phone_verified: false, sub: id },
    role: 'authenticated',
    aal: 'aal1',
    amr: [{ method: 'password', timestamp: now }],
    session_id: randomUUID(),
    is_anonymous: false,
  });
  return { id, token };
}

/** The headers of a webhook of Replicate, https://replicate.com/docs/topics/webhooks/verify-webhook. */
export function webhookHeaders(body: string): Record<string, string> {
  const id = `msg_${randomUUID()}`;
  const time = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', SECRET).update(`${id}.${time}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(time),
    'webhook-signature': `v1,${signature}`,
  };
}
