import type { Fault, FaultRule } from '../../dev/replicate/faults.ts';

/** One way in which a generation can go wrong. */
export interface FaultKind {
  name: string;
  /** What happens to the generation's creates. */
  fault: Fault;
  /** Only to so many of them; without it to all, retries too. */
  times?: number;
  /** What happens when its prediction is read. */
  get?: Fault;
  /** Met by so many generations in a row, which are asked for at about the same time. */
  burst?: number;
  /** There can be no image in the end. */
  deadly?: true;
}

/**
 * The kinds of faults, each dealt before any is dealt again.
 *
 * @param clock milliseconds of the queue's clock as real ones: what lies between events of the queue must
 *   keep its order when the queue's waits are shortened
 */
export function faultKinds(clock: (ms: number) => number): FaultKind[] {
  const afterTheSweep = clock(200_000);
  const once = { times: 1 };
  return [
    { name: 'webhook lost', fault: { webhook: { lost: true } } },
    { name: 'webhook repeated', fault: { webhook: { repeat: 3 } } },
    { name: 'webhook late', fault: { webhook: { delay_ms: clock(60_000) } } },
    { name: 'webhook after the sweep, twice', fault: { webhook: { delay_ms: afterTheSweep, repeat: 2 } } },
    {
      name: 'failure told after the retry began',
      fault: { error: 'PA', webhook: { delay_ms: afterTheSweep, repeat: 2 } },
      ...once,
    },
    { name: 'webhook before the create’s answer', fault: { delay_ms: 1_000 } },
    { name: 'webhook badly signed', fault: { webhook: { signature: 'bad' } } },
    {
      name: 'webhook lost, prediction not readable',
      fault: { webhook: { lost: true } },
      get: { status: 503 },
      ...once,
    },
    { name: '429', fault: { status: 429, retry_after: 2 }, ...once, burst: 5 },
    { name: '5xx before the prediction', fault: { status: 502 }, ...once },
    { name: '5xx after the prediction', fault: { status_after: 500 }, ...once },
    {
      name: '5xx after the prediction, webhook lost',
      fault: { status_after: 503, webhook: { lost: true } },
      ...once,
    },
    { name: 'connection dropped before the prediction', fault: { drop: 'before' }, ...once },
    { name: 'connection dropped after the prediction', fault: { drop: 'after' }, ...once },
    {
      name: 'connection dropped after the prediction, webhook lost',
      fault: { drop: 'after', webhook: { lost: true } },
      ...once,
    },
    { name: 'prediction failed (PA)', fault: { error: 'PA' }, ...once },
    { name: 'prediction failed (E9828), 5xx', fault: { error: 'E9828', status_after: 500 }, ...once },
    { name: 'prediction failed, webhook lost', fault: { error: 'E6716', webhook: { lost: true } }, ...once },
    { name: 'prediction failed each time', fault: { error: 'UNAVAILABLE' }, deadly: true },
    { name: 'prediction flagged', fault: { error: 'NSFW' }, deadly: true },
    // Paid for, and nothing can be had for it: it is not made again.
    { name: 'output null', fault: { output: 'null' }, ...once, deadly: true },
    { name: 'output empty', fault: { output: 'empty' }, ...once, deadly: true },
    { name: 'output already removed', fault: { data_removed: true }, ...once, deadly: true },
    { name: 'prediction aborted', fault: { ends: 'aborted' }, ...once },
    // As somebody does in the provider's dashboard.
    { name: 'prediction canceled at the provider', fault: { ends: 'canceled' }, ...once, deadly: true },
    { name: 'file: 500 once', fault: { file: 'server_error', file_times: 1 } },
    { name: 'file: truncated once', fault: { file: 'truncated', file_times: 1 } },
    // Gone for good only once Replicate has removed it, after an hour.
    { name: 'file: 404 twice', fault: { file: 'not_found', file_times: 2 } },
    { name: 'file: not an image', fault: { file: 'not_image' }, deadly: true },
  ];
}

/** The rules for one generation, known by a part of its prompt. */
export function rulesFor(kind: FaultKind, prompt: string): FaultRule[] {
  const times = kind.times === undefined ? {} : { times: kind.times };
  const create: FaultRule = { match: { prompt, ...times }, fault: kind.fault };
  return kind.get === undefined
    ? [create]
    : [create, { match: { endpoint: 'get', prompt, ...times }, fault: kind.get }];
}
