/**
 * Stands in front of a Worker that has static assets and does what Cloudflare does there: a file is answered
 * at once, everything else goes to the Worker as it came, WebSockets included
 * (https://developers.cloudflare.com/workers/static-assets/). What each path is answered with has been
 * worked out before: see assets.ts.
 */
export const ASSET_ROUTER = `
export default {
  async fetch(request, { WORKER, FILES, ASSETS }) {
    const { pathname, search } = new URL(request.url);
    const asset = Object.hasOwn(ASSETS, pathname) ? ASSETS[pathname] : undefined;
    if (!asset) return WORKER.fetch(request);
    if (request.method !== 'GET' && request.method !== 'HEAD') return new Response(null, { status: 405 });
    const headers = new Headers(asset.headers);
    if (asset.redirect) {
      headers.set('location', asset.redirect + search);
      return new Response(null, { status: 307, headers });
    }
    const known = (request.headers.get('if-none-match') ?? '').split(',').map((tag) => tag.trim().replace(/^W\\//, ''));
    if (known.includes(headers.get('etag'))) return new Response(null, { status: 304, headers });
    const file = await FILES.fetch('http://files/' + asset.file);
    if (!file.ok) return new Response('The file has been removed since the start.', { status: 404 });
    return new Response(request.method === 'HEAD' ? null : file.body, { headers });
  },
};`;
