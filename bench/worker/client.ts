import http from 'node:http';

export interface Reply {
  status: number;
  text: string;
  contentType: string;
}

/** One request over the agent's connections. */
export function send(
  agent: http.Agent,
  method: string,
  url: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const request = http.request(url, { method, agent, headers: { ...headers, ...length } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => {
        const contentType = response.headers['content-type'] ?? '';
        resolve({ status: response.statusCode ?? 0, text, contentType });
      });
    });
    request.once('error', (error: NodeJS.ErrnoException) => {
      // workerd has closed an idle connection as this request was on its way.
      const isStale = request.reusedSocket && error.code === 'ECONNRESET';
      if (isStale) resolve(send(agent, method, url, headers, body));
      else reject(error);
    });
    request.end(body);
  });
}

/** Does something so often, at most so many at once. */
export async function atOnce(
  connections: number,
  count: number,
  one: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: Math.min(connections, count) }, work));
}
