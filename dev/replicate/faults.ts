/**
 * Faults as data. A rule says which call it matches and what goes wrong there; rules are tried in order, and
 * where several match, the first to name a member wins.
 */
import { hashText, seededRandom } from './random.ts';

/** Calls that a rule can match: the names of the routes, `file` being the download of an output. */
export const endpoints = [
  'create',
  'get',
  'cancel',
  'list',
  'file',
  'upload',
  'model',
  'secret',
  'account',
] as const;
export type Endpoint = (typeof endpoints)[number];

export interface Match {
  /** Default `create`. */
  endpoint?: Endpoint;
  /** `owner/name`. */
  model?: string;
  /** Text that the prompt contains. */
  prompt?: string;
  /** Only the nth call (from 1) that matches the members above. */
  nth?: number;
  /** At most so many times. */
  times?: number;
  /** 0 to 1, drawn from the seeded generator of this rule. */
  probability?: number;
}

/** Members marked (any) act on every endpoint; the others on `create`, where they mark the prediction made. */
export interface Fault {
  /** (any) Milliseconds before the answer; the call itself is done at once. */
  delay_ms?: number;
  /** (any) Refuse with this status and its recorded body; nothing is done. */
  status?: number;
  /** (any) Seconds, for status 429. */
  retry_after?: number;
  /** (any) Body instead of the recorded one. */
  body?: string;
  /** (any) Do the call, then answer this status. */
  status_after?: number;
  /** (any) Close the connection without an answer, before or after doing the call. */
  drop?: 'before' | 'after';
  /** The prediction fails with this text; see `errorTexts` for short names. */
  error?: string;
  /** It ends in this status by itself: `aborted` before its start, `canceled` or `expired`, which no
   * client knows, while running. */
  ends?: 'aborted' | 'canceled' | 'expired';
  /** What a succeeded prediction carries; `partial` is one picture less than asked for. */
  output?: 'null' | 'empty' | 'partial' | 'string' | 'list' | 'data_uri' | 'object';
  /** The output as it stands, with each `$IMAGE` in it an address of a picture and each `$DATA` a picture. */
  output_value?: unknown;
  /** Its logs are so many bytes long. */
  logs_bytes?: number;
  /** What a download of the output gets. */
  file?: FileFault;
  /** The file fault acts on so many downloads only. */
  file_times?: number;
  /** What a `replaced` file contains; its type stays the picture's. */
  file_body?: string;
  /**
   * Length in bytes of a file that is `too_large` (64 MiB by default) or `truncated` (its own by default), of which
   * half is sent. What follows the picture is not part of it.
   */
  file_bytes?: number;
  /** Input and output are gone as soon as the prediction has ended. */
  data_removed?: boolean;
  webhook?: WebhookFault;
  generation_ms?: number;
  queue_ms?: number;
  /** It says that it was created so much earlier than it was: one that outlives its deadline. */
  age_ms?: number;
  /** Stay in `starting` or in `processing` until `POST /_control/release`. */
  hold?: 'start' | 'run';
  /** Answer `Prefer: wait` with the output but still in status `processing`. */
  sync_status?: 'processing';
}

export type FileFault =
  | 'not_found'
  | 'server_error'
  | 'wrong_type'
  | 'mislabelled'
  | 'not_image'
  | 'too_large'
  | 'too_large_chunked'
  | 'truncated'
  | 'truncated_chunked'
  | 'page'
  | 'nothing'
  | 'replaced';

export interface WebhookFault {
  /** Never sent. `true`: none of them; a list: these events. */
  lost?: boolean | string[];
  /** Send every webhook so many times in all, each with the same id. */
  repeat?: number;
  delay_ms?: number;
  /** `reversed`: the others only after `completed`. */
  order?: 'reversed';
  /** `bad`: signed with another secret; `none`: no signature headers; `old`: validly, ten minutes ago. */
  signature?: 'bad' | 'none' | 'old';
}

export interface FaultRule {
  match?: Match;
  fault: Fault;
}

/** Short names for texts of `prediction.error` that were seen on the real platform. */
export const errorTexts: Record<string, string> = {
  PA: 'Prediction interrupted; please retry (code: PA)',
  E9828: 'Director: unexpected error handling prediction (E9828)',
  E1001: 'Prediction failed: out of memory (E1001)',
  E6716: 'Timeout starting prediction (E6716)',
  E005: 'The input or output was flagged as sensitive. Please try again with different inputs. (E005)',
  NSFW: 'NSFW content detected. Try running it again, or try a different prompt.',
  FLUX_NSFW: 'All generated images contained NSFW content. Try running it again with a different prompt.',
  UNAVAILABLE: 'Service is temporarily unavailable. Please try again later.',
};

/** What a call looks like to the rules. */
export interface Call {
  endpoint: Endpoint;
  model?: string | undefined;
  prompt?: string | undefined;
}

interface LiveRule extends FaultRule {
  seen: number;
  applied: number;
  random: () => number;
}

/** The rules in force and how often each has acted. */
export class Faults {
  #rules: LiveRule[] = [];

  /** Replaces all rules. @param seed for rules with a probability. */
  set(rules: FaultRule[], seed: number): void {
    this.#rules = rules.map((rule, index) => ({
      ...rule,
      seen: 0,
      applied: 0,
      random: seededRandom(hashText(`${seed}/${index}`)),
    }));
  }

  /** The faults that act on this call, merged; counts the rules' applications. */
  next(call: Call): Fault {
    if (this.#rules.length === 0) return {};
    const acting = this.#rules.filter((rule) => acts(rule, call));
    return Object.assign({}, ...acting.reverse().map((rule) => rule.fault)) as Fault;
  }

  list(): { match: Match; fault: Fault; seen: number; applied: number }[] {
    return this.#rules.map(({ match = {}, fault, seen, applied }) => ({ match, fault, seen, applied }));
  }
}

function acts(rule: LiveRule, call: Call): boolean {
  const { endpoint = 'create', model, prompt, nth, times, probability } = rule.match ?? {};
  if (endpoint !== call.endpoint) return false;
  if (model !== undefined && model !== call.model) return false;
  if (prompt !== undefined && !call.prompt?.includes(prompt)) return false;
  rule.seen += 1;
  if (nth !== undefined && nth !== rule.seen) return false;
  if (times !== undefined && rule.applied >= times) return false;
  if (probability !== undefined && rule.random() >= probability) return false;
  rule.applied += 1;
  return true;
}
