import type { Auth } from '../auth/session.ts';

/** `fetch` that sends a request again, with another token, as long as the server refuses the one that it had. */
export function renewing(getToken: Auth['getToken'], renew: Auth['renew']): typeof fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    let answer = await fetch(input, init);
    while (answer.status === 401) {
      const refused = headers.get('authorization');
      // Another request may have got one meanwhile.
      if (`Bearer ${await getToken()}` === refused && !(await renew())) break;
      const token = await getToken();
      if (!token) break;
      headers.set('authorization', `Bearer ${token}`);
      answer = await fetch(input, { ...init, headers });
    }
    return answer;
  };
}
