/** What Supabase and Replicate answer here: what they would where everything goes well, and nothing is looked up. */
import { randomUUID } from 'node:crypto';
import { signingKey } from './identities.ts';
import { downloadJob, generateJob, generationRow, prediction, startedRow } from './samples.ts';

export interface Settings {
  /** Bytes of each image's file. */
  imageBytes: number;
  /** Jobs that wait to be claimed. */
  ready: number;
  /** Whether a prediction that is recorded ends at once, and is reported. */
  reports: boolean;
}

export type Body = Record<string, unknown>;

/** The address of a file of so many bytes. */
export const fileUrl = (origin: string, bytes: number) =>
  `${origin}/files/${bytes}/${randomUUID()}/out-0.png`;

/** One project and one account. */
export class Answers {
  readonly settings: Settings = { imageBytes: 21_000, ready: 0, reports: true };
  readonly #origin: string;
  readonly #ended: (jobId: string) => void;
  readonly #report: (url: string, body: string) => void;
  /** Webhook addresses of predictions that are created and not yet recorded. */
  readonly #created = new Map<string, string>();

  /**
   * @param ended told of each job whose image is stored
   * @param report sends a webhook
   */
  constructor(origin: string, ended: (jobId: string) => void, report: (url: string, body: string) => void) {
    this.#origin = origin;
    this.#ended = ended;
    this.#report = report;
  }

  /** The answer to a call with a JSON body; undefined: there is no such thing. */
  to(method: string, path: string, body: Body): { status: number; body: unknown } | undefined {
    const ok = (answer: unknown) => ({ status: 200, body: answer });
    if (method === 'GET' && path === '/auth/v1/.well-known/jwks.json') return ok({ keys: [signingKey.jwk] });
    if (method !== 'POST') return undefined;
    if (path === '/v1/predictions') return { status: 201, body: this.#create(body) };
    const [, name] = /^\/rest\/v1\/rpc\/(\w+)$/.exec(path) ?? [];
    const answer = name === undefined ? undefined : this.#rpc(name, body);
    return answer === undefined ? undefined : ok(answer);
  }

  #create(body: Body) {
    const made = prediction(this.#origin, body.webhook);
    if (this.settings.reports && typeof body.webhook === 'string') this.#created.set(made.id, body.webhook);
    return made;
  }

  #rpc(name: string, body: Body): unknown {
    switch (name) {
      case 'start_generation':
        return startedRow(Number(body.p_next) > 0);
      case 'get_generation':
        return generationRow(body.p_generation_id);
      case 'claim_jobs':
        return this.#claim(body);
      case 'record_prediction':
        this.#finish(String(body.p_prediction_id));
        return { outcome: 'recorded' };
      case 'record_predictions':
        return { answers: (body.p_predictions as Body[]).map(() => ({ outcome: 'recorded' })) };
      case 'finish_prediction': {
        const { output_url } = body.p_outcome as Body;
        const job = downloadJob(String(body.p_job_id), output_url, body.p_prediction_id);
        return { outcome: 'download', job, next: [] };
      }
      case 'finish_download':
        this.#ended(String(body.p_job_id));
        return { outcome: 'completed' };
      case 'live_snapshot':
        return { states: [], open: 1 };
      case 'record_sweep':
        return { alerts: [] };
      case 'sweep_storage':
      case 'prune_jobs':
        return {};
      default:
        return undefined;
    }
  }

  #claim(body: Body) {
    const isForImages = (body.p_job_types as string[]).includes('generate-image');
    const count = isForImages ? Math.min(Number(body.p_limit), this.settings.ready) : 0;
    this.settings.ready -= count;
    return Array.from({ length: count }, () => generateJob());
  }

  /** Once it is recorded, the prediction has ended. */
  #finish(id: string): void {
    const webhook = this.#created.get(id);
    if (webhook === undefined) return;
    this.#created.delete(id);
    const file = fileUrl(this.#origin, this.settings.imageBytes);
    this.#report(webhook, JSON.stringify({ ...prediction(this.#origin, webhook, file), id }));
  }
}
