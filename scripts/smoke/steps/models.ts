import { ask, said } from '../http.ts';
import { startGeneration } from '../services.ts';
import { type Model, type Step, StepFailure } from '../step.ts';

/** A model as GET /models tells of it, as far as this needs. */
interface Described {
  id: string;
  operations: string[];
  supports: { prompt: boolean; source_image_required: boolean };
  is_active: boolean;
  price: { usd_per_image: number } | null;
}

/** Which model makes the image: the cheapest that needs no more than a prompt, or the one that was asked for. */
export const models: Step = {
  name: 'models',
  async run(smoke) {
    const { options } = smoke;
    const answer = await ask(startGeneration(options), '/models', { signal: smoke.signal });
    const list = answer.body?.models;
    if (answer.status !== 200 || !Array.isArray(list)) {
      throw new StepFailure(
        `GET /models answered ${said(answer)}`,
        'Look at: npx wrangler tail start-generation',
      );
    }
    const usable = (list as Described[]).filter(
      (model) =>
        model.is_active &&
        model.operations.includes('generate') &&
        model.supports.prompt &&
        !model.supports.source_image_required,
    );
    const chosen =
      options.model === undefined
        ? usable.toSorted((a, b) => (price(a) ?? Infinity) - (price(b) ?? Infinity))[0]
        : usable.find(({ id }) => id === options.model);
    if (!chosen) {
      throw new StepFailure(
        options.model === undefined
          ? 'no model is active that makes an image of a prompt'
          : `${options.model} is not an active model that makes an image of a prompt`,
        'Switch one on: docs/operations/operate.md#taking-a-model-out-of-service',
      );
    }
    smoke.model = { id: chosen.id, price: price(chosen) };
    return `${list.length} models; the image is made with ${chosen.id}, ${cost(smoke.model)}`;
  },
};

/** US dollars for one image of the model's default size. */
const price = ({ price }: Described): number | undefined => price?.usd_per_image;

const cost = ({ price }: Model): string =>
  price === undefined ? 'whose price is not known' : `for about ${price} US dollars`;
