import { randomUUID } from 'node:crypto';
import { type Answer, ask, open, said } from '../http.ts';
import { png } from '../png.ts';
import { isToken, keyHeaders, supabase } from '../services.ts';
import { type Step, StepFailure } from '../step.ts';

/**
 * Storage with the secret key as the Workers send it: in `apikey` alone where it is one of today. Some users have
 * reported that Storage asked for `authorization` all the same.
 */
export const storage: Step = {
  name: 'storage',
  needs: ['project'],
  async run(smoke) {
    const { options, signal } = smoke;
    const headers = keyHeaders(options.serviceKey);
    const how = isToken(options.serviceKey)
      ? 'the legacy key in both headers (apikey alone is for sb_secret_… keys)'
      : 'the secret key in apikey alone';
    // In the shape of the others, so that the daily look finds it if it should stay.
    const path = `${randomUUID()}/${randomUUID()}.png`;
    const file = png(8);
    const service = supabase(options);
    const failed = (what: string, answer: Answer) => failure(`${what} with ${how} answered`, answer, headers);
    const written = await ask(service, `/storage/v1/object/generated-images/${path}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'image/png', 'cache-control': 'max-age=0' },
      body: file,
      signal,
    });
    if (written.status !== 200) throw failed('writing a file', written);
    const remove = async () => {
      const removed = await ask(service, '/storage/v1/object/generated-images', {
        method: 'DELETE',
        headers,
        body: { prefixes: [path] },
        signal: AbortSignal.timeout(10_000),
      });
      if (removed.status !== 200) throw failed('deleting a file', removed);
    };
    let removed = false;
    smoke.cleanUp(`the file generated-images/${path}`, async () => {
      if (!removed) await remove();
    });
    const read = await open(service, `/storage/v1/object/public/generated-images/${path}`, { signal });
    const bytes = Buffer.from(await read.arrayBuffer());
    if (read.status !== 200 || !bytes.equals(file)) {
      throw new StepFailure(
        `reading the file at its public address answered ${read.status}, ${bytes.length} of ${file.length} bytes`,
        'The bucket generated-images must be public: the migrations make it so.',
      );
    }
    await remove();
    removed = true;
    return `a file was written, read and deleted with ${how}`;
  },
};

function failure(what: string, answer: Answer, headers: Record<string, string>): StepFailure {
  const wantsToken = /authorization|headers must have required|invalid compact jws|jwt/i.test(answer.text);
  if (wantsToken && !('authorization' in headers)) {
    return new StepFailure(
      `${what} ${said(answer)}`,
      'Storage of this project does not take the secret key in apikey alone: no image can be stored with it. Until Supabase cures that, put the legacy service_role key into .env.production as SUPABASE_SERVICE_ROLE_KEY, then npm run setup.',
    );
  }
  if (/bucket not found/i.test(answer.text)) {
    return new StepFailure(
      `${what} ${said(answer)}`,
      'The migrations make the bucket: npm run setup applies what is missing, as npx supabase db push does.',
    );
  }
  if (answer.status >= 500) {
    return new StepFailure(
      `${what} ${said(answer)}`,
      'Storage is not well: look at its logs in the dashboard, and at https://status.supabase.com',
    );
  }
  return new StepFailure(
    `${what} ${said(answer)}`,
    'Look at the logs of Storage in the dashboard; SUPABASE_SERVICE_ROLE_KEY must be the secret key.',
  );
}
