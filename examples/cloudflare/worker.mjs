// A Cloudflare Worker between an app and a Picture Queue: starts a picture for whoever has signed in, says how it
// stands, and hands the picture over. With npm start running in another terminal:
//   source .local/env.sh
//   npx wrangler dev examples/cloudflare/worker.mjs --compatibility-date 2026-01-01 \
//     --var START_GENERATION_URL:$START_GENERATION_URL
import { ApiError, createClient } from '../../client/src/index.ts'; // in your project: from 'picture-queue'

const PICTURE = /^\/pictures\/([0-9a-f-]{36})$/;

export default {
  /** `POST /pictures` with `{"prompt"}` gives an id; `GET /pictures/{id}` its state, then leads to the image. */
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    const token = request.headers.get('authorization')?.replace(/^Bearer /i, '');
    // One for each request: its user is the one who asks. In Workers updates are polled.
    const pictures = createClient({ url: env.START_GENERATION_URL, getToken: () => token });
    try {
      if (request.method === 'POST' && pathname === '/pictures') {
        const { prompt } = await request.json();
        const { generation_id: id } = await pictures.submit({
          prompt,
          model_id: 'black-forest-labs/flux-schnell',
        });
        return Response.json({ id }, { status: 202, headers: { location: `/pictures/${id}` } });
      }
      const [, id] = PICTURE.exec(pathname) ?? [];
      if (request.method === 'GET' && id) {
        const { status, progress, imageUrl } = await pictures.status(id);
        return imageUrl ? Response.redirect(imageUrl, 303) : Response.json({ status, progress });
      }
      return Response.json({ error: 'There is no such path.' }, { status: 404 });
    } catch (error) {
      // What the queue refuses, with its sentence; all else is a 500 of the platform.
      if (!(error instanceof ApiError)) throw error;
      const { message, code, status } = error;
      return Response.json({ error: message, code }, { status });
    }
  },
};
