import http from 'node:http';
import { pipeline } from 'node:stream/promises';

/** Where a Supabase project has its functions; `supabase.functions.invoke()` calls them there. */
const FUNCTIONS_PATH = '/functions/v1/';

export const isFunctionCall = (url: URL): boolean => url.pathname.startsWith(FUNCTIONS_PATH);

/**
 * Hands a call on to the public worker as it came: path, headers (the caller's `host` too, from which the worker
 * makes the URLs that it answers) and preflights. Bodies stream both ways.
 *
 * @param functionsUrl origin of the worker
 * @returns false when the worker could not be reached; nothing has been answered then
 */
export async function callFunction(
  functionsUrl: string,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<boolean> {
  const { method, headers, url: path } = request;
  // A connection of its own: one that was kept may have been cut, and a body cannot be sent twice.
  const upstream = http.request(functionsUrl, { method, path, headers, agent: false });
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    upstream.once('response', resolve).once('error', reject);
  });
  const hangUp = () => upstream.destroy();
  response.once('close', hangUp); // a caller that has gone must not keep the worker streaming
  // A body that could not be sent is no failure of its own: the worker may refuse it before its end.
  pipeline(request, upstream).catch(() => {});
  const answer = await answered.catch(() => undefined);
  if (!answer) return false;
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  await pipeline(answer, response);
  return true;
}
