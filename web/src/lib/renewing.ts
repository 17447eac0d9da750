import type { Auth } from '../auth/session.ts';

/** `fetch` that sends a request again, with another token, as long as the server refuses the one that it had. */
export function renewing(getToken: Auth['getToken'], renew: Auth['renew']): typeof fetch {
  return async (input, init) => {
    let answer = await fetch(input, init);
    while (answer.status === 401 && (await renew())) {
      const headers = new Headers(init?.headers);
      headers.set('authorization', `Bearer ${await getToken()}`);
      answer = await fetch(input, { ...init, headers });
    }
    return answer;
  };
}
