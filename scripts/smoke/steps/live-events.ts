import { hear, type Listener, type LiveMessage } from '../live.ts';
import { need, type Smoke, type Step, StepFailure } from '../step.ts';

const HEAR_MS = 15_000;

/** Whether both kinds of connection have told of the picture. */
export const liveEvents: Step = {
  name: 'live-events',
  async run(smoke) {
    const { webSocket, eventStream } = need(smoke.listeners, 'picture');
    for (const listener of [webSocket, eventStream]) await heard(smoke, listener);
    return smoke.picture
      ? 'WebSocket and event stream told of the completed picture with its URL'
      : 'WebSocket and event stream are open';
  },
};

async function heard(smoke: Smoke, listener: Listener): Promise<void> {
  const { picture } = smoke;
  // Without a picture: it opened, or says why not.
  if (!picture) return void (await hear(smoke, listener, HEAR_MS, ({ type }) => type === 'ready'));
  const isEnd = (message: LiveMessage) =>
    message.generation_id === picture.generationId && message.status === 'completed';
  const message = await hear(smoke, listener, HEAR_MS, isEnd);
  if (message.image_url !== picture.url) {
    throw new StepFailure(
      `the ${listener.name} told of the completed picture without its URL`,
      'This is a defect: please report it.',
    );
  }
}
