/**
 * Webhooks: signed by the Standard Webhooks scheme, throttled, retried for the final event only.
 * https://replicate.com/docs/topics/webhooks/receive-webhook, .../verify-webhook
 */
import { createHmac } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import { type Prediction, view } from './prediction.ts';
import { randomId } from './random.ts';
import type { Settings } from './settings.ts';
import type { Timers } from './timers.ts';
import type { WebhookEvent } from './validate.ts';

/** `output` and `logs` come at most once in so many milliseconds. */
export const throttleMs = 500;

/** Pauses before the final webhook's further tries, in units of the first; 120 units in all, i.e. one minute. */
const retryPauses = [1, 2, 4, 8, 16, 32, 57];

/** base64(HMAC-SHA256(key, `{id}.{timestamp}.{body}`)), key: what stands after `whsec_`, base64-decoded. */
export function sign(secret: string, id: string, timestamp: number, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

interface Message {
  prediction: Prediction;
  event: WebhookEvent;
  url: string;
  id: string;
  body: string;
  status: Prediction['status'];
}

interface Sequence {
  lastSentAt: number;
  /** Settles when all that was sent so far was answered: a later event does not overtake an earlier one. */
  sent: Promise<void>;
  /** Held back until `completed` was sent, when a fault reverses the order. */
  heldBack: Message[];
}

export class Webhooks {
  readonly #settings: Settings;
  readonly #secret: string;
  readonly #timers: Timers;
  readonly #origin: () => string;
  readonly #sequences = new WeakMap<Prediction, Sequence>();
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets: 256 }),
    'https:': new https.Agent({ keepAlive: true, maxSockets: 256 }),
  };
  /** Tries that were made, answered 2xx, and answered otherwise or not at all. */
  readonly counts = { tries: 0, delivered: 0, refused: 0, lost: 0 };

  constructor(settings: Settings, secret: string, timers: Timers, origin: () => string) {
    this.#settings = settings;
    this.#secret = secret;
    this.#timers = timers;
    this.#origin = origin;
  }

  /** Tells the prediction's receiver of an event, if it has one and asked for this event. */
  notify(prediction: Prediction, event: WebhookEvent): void {
    if (prediction.webhook === undefined || !prediction.events.includes(event)) return;
    const sequence = this.#sequence(prediction);
    const now = Date.now();
    const throttled = event === 'output' || event === 'logs';
    if (throttled && now - sequence.lastSentAt < throttleMs) return;
    sequence.lastSentAt = now;
    const { lost, order } = prediction.fault.webhook ?? {};
    if (lost === true || (Array.isArray(lost) && lost.includes(event))) {
      prediction.notes.lost_webhooks.push(event);
      this.counts.lost += 1;
      return;
    }
    const message: Message = {
      prediction,
      event,
      url: prediction.webhook,
      id: `msg_${randomId()}`,
      body: JSON.stringify(view(prediction, this.#origin(), this.#settings)),
      status: prediction.status,
    };
    if (order === 'reversed' && event !== 'completed') {
      sequence.heldBack.push(message);
      return;
    }
    for (const each of [message, ...sequence.heldBack.splice(0).reverse()]) {
      sequence.sent = sequence.sent.then(() => this.#send(each));
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #sequence(prediction: Prediction): Sequence {
    const known = this.#sequences.get(prediction);
    if (known !== undefined) return known;
    const sequence: Sequence = { lastSentAt: 0, sent: Promise.resolve(), heldBack: [] };
    this.#sequences.set(prediction, sequence);
    return sequence;
  }

  async #send(message: Message): Promise<void> {
    const { repeat = 1, delay_ms: delay = 0 } = message.prediction.fault.webhook ?? {};
    if (delay > 0) await this.#timers.sleep(delay);
    for (let copy = 0; copy < repeat; copy += 1) {
      const accepted = await this.#try(message, copy + 1);
      if (!accepted && message.event === 'completed') {
        void this.#retry(message);
        return;
      }
    }
  }

  async #retry(message: Message): Promise<void> {
    for (const [index, pause] of retryPauses.entries()) {
      await this.#timers.sleep(pause * this.#settings.webhook_retry_ms);
      if (await this.#try(message, index + 2)) return;
    }
  }

  /** One request. False: no connection, 4xx or 5xx, which is what makes a final webhook be sent again. */
  async #try(message: Message, attempt: number): Promise<boolean> {
    this.counts.tries += 1;
    const at = new Date().toISOString();
    const { event, id: webhook_id, status } = message;
    const delivery = { event, webhook_id, attempt, at, status };
    const { deliveries } = message.prediction.notes;
    try {
      const answer = await this.#post(message);
      deliveries.push({ ...delivery, answer });
      const accepted = answer < 400;
      this.counts[accepted ? 'delivered' : 'refused'] += 1;
      return accepted;
    } catch (error) {
      deliveries.push({ ...delivery, error: String(error) });
      this.counts.refused += 1;
      return false;
    }
  }

  #headers(message: Message): Record<string, string> {
    const headers = { 'content-type': 'application/json', 'user-agent': 'Replicate/1.0' };
    const fault = message.prediction.fault.webhook?.signature;
    if (fault === 'none') return headers;
    const timestamp =
      Math.floor((Date.now() + this.#settings.clock_offset_ms) / 1000) - (fault === 'old' ? 600 : 0);
    const secret = fault === 'bad' ? 'whsec_bm90IHRoZSBzZWNyZXQgYXQgYWxs' : this.#secret;
    return {
      ...headers,
      'webhook-id': message.id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': sign(secret, message.id, timestamp, message.body),
    };
  }

  /** The receiver's status; redirects are not followed. */
  #post(message: Message): Promise<number> {
    const url = new URL(message.url);
    const client = url.protocol === 'https:' ? https : http;
    const agent = url.protocol === 'https:' ? this.#agents['https:'] : this.#agents['http:'];
    const headers = { ...this.#headers(message), 'content-length': Buffer.byteLength(message.body) };
    const timeout = this.#settings.webhook_timeout_ms;
    return new Promise((resolve, reject) => {
      const request = client.request(url, { method: 'POST', agent, headers, timeout }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
        response.on('error', reject);
      });
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', reject);
      request.end(message.body);
    });
  }
}
