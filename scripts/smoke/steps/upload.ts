import { ask, said } from '../http.ts';
import { png } from '../png.ts';
import { bearer, keyHeaders, startGeneration, supabase } from '../services.ts';
import { need, type Step, StepFailure } from '../step.ts';
import { wrongWorker } from './health.ts';

const SIDE = 256;

/** A user's own image to start from, through start-generation into the private bucket. */
export const upload: Step = {
  name: 'upload',
  async run(smoke) {
    const { id, token } = need(smoke.user, 'sign-in');
    const { options } = smoke;
    const file = png(SIDE);
    const answer = await ask(startGeneration(options), '/sources', {
      method: 'POST',
      headers: { ...bearer(token), 'content-type': 'image/png' },
      body: file,
      signal: smoke.signal,
    });
    const source = answer.body;
    if (answer.status === 404) throw wrongWorker(startGeneration(options), answer);
    if (answer.status !== 201 || typeof source?.source_id !== 'string') {
      const fixes: Record<number, string> = {
        401: 'Storage does not take the token that start-generation took: is the bucket source-images of this project?',
        403: 'This user may have 100 uploads stored already (docs/operations/operate.md#uploads), or a policy of storage.objects was changed: the migrations make them.',
        503: 'start-generation does not reach Storage, or Storage does not answer: https://status.supabase.com',
      };
      throw new StepFailure(
        `the upload answered ${said(answer)}`,
        fixes[answer.status] ??
          'The bucket source-images comes with the migrations; a file size limit of the project below 10 MiB stands above it. npx wrangler tail start-generation',
      );
    }
    smoke.cleanUp(`the upload ${source.source_id} (it is deleted after a day in any case)`, async () => {
      const removed = await ask(supabase(options), '/storage/v1/object/source-images', {
        method: 'DELETE',
        headers: keyHeaders(options.serviceKey),
        body: { prefixes: [`${id}/${source.source_id}.png`] },
        signal: AbortSignal.timeout(10_000),
      });
      if (removed.status !== 200) throw new Error(said(removed));
    });
    if (source.format !== 'png' || source.width !== SIDE || source.bytes !== file.length) {
      throw new StepFailure(
        `the upload was understood as ${JSON.stringify(source).slice(0, 200)}`,
        'Something between changes bodies that pass through.',
      );
    }
    return `a PNG of ${file.length} bytes was taken`;
  },
};
