import { expect, test } from 'vitest';

// Where a request came from is Cloudflare's word, never its client's.

/** The Workers' JavaScript, which has no types. */
const HOST: string = '../../functions/edge/src/host.mjs';
const { header } = (await import(HOST)) as { header: (request: Request, name: string) => string | undefined };

function from(headers: Record<string, string>, cf?: object): Request {
  const request = new Request('https://queue.example/', { headers });
  return cf ? Object.assign(request, { cf }) : request;
}

test.each([
  ['Cloudflare’s word, beside the request', from({ 'cf-ipcountry': 'US' }, { country: 'PT' }), 'PT'],
  [
    'nothing where Cloudflare does not know, whatever the client says',
    from({ 'cf-ipcountry': 'US' }, {}),
    undefined,
  ],
  ['the header outside Cloudflare', from({ 'cf-ipcountry': 'US' }), 'US'],
  ['nothing where nobody says it', from({}), undefined],
])('%s', (_, request, country) => {
  expect(header(request, 'cf-ipcountry')).toBe(country);
});

test('other headers are the request’s own', () => {
  expect(header(from({ 'idempotency-key': 'k' }, { country: 'PT' }), 'idempotency-key')).toBe('k');
});
