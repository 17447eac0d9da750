import { hear, type Listener, type LiveMessage } from '../live.ts';
import { need, type Smoke, type Step, StepFailure } from '../step.ts';

const HEAR_MS = 15_000;

/** Whether both kinds of connection have told of the image. */
export const liveEvents: Step = {
  name: 'live-events',
  async run(smoke) {
    const { webSocket, eventStream } = need(smoke.listeners, 'image');
    for (const listener of [webSocket, eventStream]) await heard(smoke, listener);
    return smoke.image
      ? 'WebSocket and event stream told of the completed image with its URL'
      : 'WebSocket and event stream are open';
  },
};

async function heard(smoke: Smoke, listener: Listener): Promise<void> {
  const { image } = smoke;
  // Without an image: it opened, or says why not.
  if (!image) return void (await hear(smoke, listener, HEAR_MS, ({ type }) => type === 'ready'));
  const isEnd = (message: LiveMessage) =>
    message.generation_id === image.generationId && message.status === 'completed';
  const message = await hear(smoke, listener, HEAR_MS, isEnd);
  if (message.image_url !== image.url) {
    throw new StepFailure(
      `the ${listener.name} told of the completed image without its URL`,
      'This is a defect: please report it.',
    );
  }
}
