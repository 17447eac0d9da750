import { randomUUID } from 'node:crypto';
import { ask, said } from '../http.ts';
import { bearer, keyHeaders, startGeneration, supabase } from '../services.ts';
import { need, type Smoke, type Step, StepFailure } from '../step.ts';
import { removeAtTheEnd, start } from './start.ts';

const DAY_MS = 86_400_000;

/** A generation for tomorrow, taken back: nothing is paid for it. */
export const cancel: Step = {
  name: 'cancel',
  async run(smoke) {
    const { token } = need(smoke.user, 'sign-in');
    const model = need(smoke.model, 'models');
    const { generation_id: id } = await start(smoke, token, {
      model_id: model.id,
      prompt: 'a small red fox that is never painted',
      idempotency_key: randomUUID(),
      scheduled_at: new Date(Date.now() + DAY_MS).toISOString(),
    });
    removeAtTheEnd(smoke, token, id);
    const answer = await ask(startGeneration(smoke.options), `/generations/${id}/cancel`, {
      method: 'POST',
      headers: bearer(token),
      signal: smoke.signal,
    });
    if (answer.status !== 200 || answer.body?.status !== 'cancelled') {
      throw new StepFailure(
        `the cancel answered ${said(answer)}`,
        'Look at: npx wrangler tail start-generation',
      );
    }
    await checkUnpaid(smoke, id);
    return 'a generation for tomorrow was cancelled, unpaid';
  },
};

async function checkUnpaid(smoke: Smoke, id: string): Promise<void> {
  const { options } = smoke;
  const answer = await ask(
    supabase(options),
    `/rest/v1/image_generations?id=eq.${id}&select=status,replicate_prediction_id`,
    { headers: keyHeaders(options.serviceKey), signal: smoke.signal },
  );
  const [row] = Array.isArray(answer.body) ? answer.body : [];
  if (row?.status === 'cancelled' && row.replicate_prediction_id === null) return;
  throw new StepFailure(
    `the cancelled generation is not as it should be in the database: ${JSON.stringify(row ?? said(answer))}`,
    'Is every migration applied? npm run setup says so, and applies what is missing.',
  );
}
