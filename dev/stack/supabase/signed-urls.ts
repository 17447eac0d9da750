import type { Lite } from './lite.ts';

const SIGN = /^\/storage\/v1\/object\/(?:upload\/)?sign\/([^/]+)(\/.+)?$/;

/** Whether a request asks for signed URLs, whose answers lite gives in a shape of its own. */
export const signsUrls = (method: string | undefined, path: string) => method === 'POST' && SIGN.test(path);

/**
 * lite answers `signedUrl` with its own prefix; Supabase's clients read `signedURL` or `url`, relative to
 * /storage/v1. And it does not find its route for several files of a bucket: each is asked for alone.
 */
export async function signUrls(lite: Lite, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const [, bucket = '', file] = SIGN.exec(url.pathname) ?? [];
  if (file) {
    const answer = await lite.fetch(request);
    return answer.ok ? Response.json(asClientsRead(await answer.json())) : answer;
  }
  const { expiresIn, paths = [] } = (await request.json()) as { expiresIn: number; paths?: string[] };
  const signed = paths.map(async (path) => {
    const name = path.split('/').map(encodeURIComponent).join('/');
    const one = new Request(new URL(`/storage/v1/object/sign/${bucket}/${name}`, url), {
      method: 'POST',
      headers: { ...Object.fromEntries(request.headers), 'content-type': 'application/json' },
      body: JSON.stringify({ expiresIn }),
    });
    const answer = await lite.fetch(one);
    const body = await answer.json();
    return answer.ok
      ? { path, error: null, ...asClientsRead(body) }
      : { path, error: 'Either the object does not exist or you do not have access to it', signedURL: null };
  });
  return Response.json(await Promise.all(signed));
}

function asClientsRead(answer: Record<string, unknown>) {
  const relative = String(answer.signedUrl).replace(/^\/storage\/v1/, '');
  return { ...answer, signedURL: relative, url: relative };
}
