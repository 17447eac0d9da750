import type { Memory } from './interactions.ts';

export interface Measured {
  /** Milliseconds, each time: the thread's work at full speed, and on the slow processor until the next paint. */
  acts: Record<string, { work: number[]; paint: number[] }>;
  memory: Memory[];
}

/** Milliseconds: what each of them should keep within. */
const GOAL = 100;

/** Percent: by so much the heap differs from one measure of the same to the next. */
const NOISE = 5;

interface Report extends Measured {
  cards: number;
  slower: number;
  times: number;
  /** Before the run. */
  load: number;
  date: Date;
}

const middle = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const whole = (value: number) => Math.round(value).toLocaleString('en');

/** The section of docs/operations/benchmarks.md. */
export function section({ acts, memory, cards, slower, times, load, date }: Report): string {
  const rows = Object.entries(acts).map(([name, { work, paint }]) => {
    const slow = middle(work) * slower;
    const until = middle(paint);
    return `| ${name} | ${whole(until)} | ${until <= GOAL ? 'yes' : '**no**'} | ${whole(Math.max(...paint))} | ${whole(slow)} |`;
  });
  const held = memory.map(
    ({ cards: shown, heapBytes, nodes, listeners }) =>
      `| ${whole(shown)} | ${(heapBytes / 1e6).toFixed(1)} | ${whole(nodes)} | ${whole(listeners)} |`,
  );
  const [first, last] = [memory[0]?.heapBytes ?? 0, memory.at(-1)?.heapBytes ?? 0];
  const more = first > 0 ? ((last - first) / first) * 100 : 0;
  return `Written by \`npm run bench:studio\`; do not edit. ${date.toISOString().slice(0, 10)}, Chromium, load average before the run: ${load.toFixed(2)}.

With ${whole(cards)} cards on the page, each ${times} times, in milliseconds. *Until the next paint*: on the clock, with the thread slowed down ${slower} times; whatever else the machine does is in it, and so is the drawing, which has no graphics card here. Of that the browser tells nothing shorter than 16, and of frames nothing shorter than 50. *Work*: ${slower} times what the page’s thread computes at full speed, with all that comes after the paint.

| | until the next paint, median | within ${GOAL} | longest | work |
|---|---:|---|---:|---:|
${rows.join('\n')}

What the page holds after a garbage collection:

| cards | JavaScript heap, MB | DOM nodes | listeners |
|---:|---:|---:|---:|
${held.join('\n')}

From the first to the last the heap grows by ${more.toFixed(1)} %: ${Math.abs(more) <= NOISE ? 'flat' : '**not flat**'}, within ${NOISE} %.
`;
}
