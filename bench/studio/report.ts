import type { Memory } from './interactions.ts';

export interface Measured {
  /** Milliseconds, each time: the thread's work at full speed, and on the slow processor until the next paint. */
  acts: Record<string, { work: number[]; paint: number[] }>;
  memory: Memory[];
}

/** Milliseconds: what each of them should keep within. */
const GOAL = 100;

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
    return `| ${name} | ${whole(slow)} | ${slow <= GOAL ? 'yes' : '**no**'} | ${whole(middle(paint))} | ${whole(Math.max(...paint))} |`;
  });
  const held = memory.map(
    ({ cards: shown, heapBytes, nodes, listeners }) =>
      `| ${whole(shown)} | ${(heapBytes / 1e6).toFixed(1)} | ${whole(nodes)} | ${whole(listeners)} |`,
  );
  return `Written by \`npm run bench:studio\`; do not edit. ${date.toISOString().slice(0, 10)}, Chromium, load average before the run: ${load.toFixed(2)}.

With ${whole(cards)} cards on the page, each ${times} times, in milliseconds. *Work*: the page’s thread on a processor ${slower} times slower, with all that comes after the paint; other programs count in that they take its caches. *Until the next paint*: on the clock, with the thread slowed down ${slower} times; whatever else the machine does is in it, and so is the drawing, which has no graphics card here. Of that the browser tells nothing shorter than 16, and of frames nothing shorter than 50.

| | work | within ${GOAL} | until the next paint, median | longest |
|---|---:|---|---:|---:|
${rows.join('\n')}

What the page holds after a garbage collection:

| cards | JavaScript heap, MB | DOM nodes | listeners |
|---:|---:|---:|---:|
${held.join('\n')}
`;
}
