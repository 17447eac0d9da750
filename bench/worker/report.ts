import os from 'node:os';
import { type Invocation, LISTENERS } from './invocations.ts';
import { MB, SEVERAL_MB } from './load.ts';
import { IDLE_FLOOR } from './measure.ts';
import { PARTS, type Profile } from './profile.ts';
import type { Row } from './rows.ts';
import { MOST_JOBS } from './sides.ts';

export interface Run {
  rounds: number;
  note: string;
  /** Load average before the run; none of it is ours. */
  load: number;
  isRelease: boolean;
  date: Date;
}

/** From here on the milliseconds mean little by themselves. */
const BUSY = 1.5;

const ms = (value: number) => value.toFixed(value < 10 ? 2 : 1);

function head({ rounds, note, load, isRelease, date }: Run, how?: string): string {
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const build = isRelease ? 'Release builds.' : '**Builds for development: slower than what is deployed.**';
  return `${date.toISOString().slice(0, 10)}, ${os.availableParallelism()} cores, ${memory} GB RAM, ${how ?? `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`}. Load average before the run: ${load.toFixed(2)}. ${build}${note ? ` ${note}` : ''}`;
}

/** By how much the machine was slower than two idle cores. */
const slowness = (floor: number) => Math.max(floor / IDLE_FLOOR, 1);

/** What the same would have taken there. */
export function onIdleCores(found: Invocation[], floor: number): Invocation[] {
  return found.map((one) => ({ ...one, ms: one.ms / slowness(floor) }));
}

/** How fast the machine was. */
function yardstick(floor: number): string {
  const times = slowness(floor);
  const busy = times > BUSY ? `, ${times.toFixed(1)} times as long as on two idle cores` : '';
  return `A request to an empty Worker took ${floor.toFixed(3)} ms${busy}.`;
}

/**
 * @param others what stands beside ours
 * @param floor milliseconds of a request to a Worker that does nothing
 */
export function comparison(run: Run, rows: Row[], others: string, floor: number): string {
  const target = ({ target: wanted, met }: Row) => {
    if (!wanted) return '| | |';
    const unit = wanted.of === 'ratio' ? '' : ' ms';
    return `| ≤ ${wanted.most}${unit} | ${met ? 'yes' : '**no**'} |`;
  };
  return [
    `Written by \`npm run bench:worker\`; do not edit. ${head(run)} ${yardstick(floor)}`,
    '',
    `| ms of processor time | ours | ${others} | ratio | target | met |`,
    '|---|---:|---:|---:|---:|---|',
    ...rows.map(
      (row) => `| ${row.name} | ${ms(row.ours)} | ${ms(row.others)} | ${row.ratio.toFixed(2)} ${target(row)}`,
    ),
  ].join('\n');
}

export function profiles(run: Run, found: Profile[]): string {
  const us = (value: number) => value.toFixed(0);
  return [
    `Written by \`npm run bench:worker -- --profile\`; do not edit. ${head(run, 'so many requests of each as the table says')}`,
    '',
    `| microseconds a request | sampled | side | ${PARTS.join(' | ')} | the costliest functions of workerd |`,
    `|---|---:|---|${PARTS.map(() => '---:|').join('')}---|`,
    ...found.map(({ request, requests, side, parts, functions }) => {
      const costly = functions.filter(({ part, name }) => part === "workerd's own" && !name.startsWith('('));
      const names = costly.slice(0, 3).map(({ name, us: cost }) => `${name} ${us(cost)}`);
      return `| \`${request}\` | ${requests} | ${side} | ${PARTS.map((part) => us(parts[part])).join(' | ')} | ${names.join(', ')} |`;
    }),
  ].join('\n');
}

/** The limits of Cloudflare's plans, https://developers.cloudflare.com/workers/platform/limits/#cpu-time */
const FREE_MS = 10;
const PAID_MS = 30_000;
/** Subrequests leave room for so many jobs on the paid plan. */
const PAID_JOBS = 2_000;

export function invocations(run: Run, found: Invocation[], floor: number): string {
  const times = slowness(floor);
  const idle = onIdleCores(found, floor);
  const slower = times > BUSY ? `, divided by the ${times.toFixed(1)} by which this machine was slower` : '';
  return [
    `Written by \`npm run bench:worker -- --table\`; do not edit. ${head(run)} ${yardstick(floor)} The last two columns and what follows from the table are by the measured times${slower}.`,
    '',
    `| invocation | Worker | ms as measured | ms on two idle cores | within the ${FREE_MS} ms of the free plan |`,
    '|---|---|---:|---:|---|',
    ...found.map(({ name, worker, ms: cost }) => {
      const undisturbed = cost / times;
      return `| ${name} | ${worker} | ${ms(cost)} | ${ms(undisturbed)} | ${undisturbed <= FREE_MS ? 'yes' : '**no**'} |`;
    }),
    '',
    ...consequences(found, idle),
  ].join('\n');
}

/** What a fixed part and so much for each of something add up to. */
function line(found: Invocation[], [few, a]: [number, string], [many, b]: [number, string]) {
  const cost = (name: string) => found.find((one) => one.name === name)?.ms ?? Number.NaN;
  const each = (cost(b) - cost(a)) / (many - few);
  return { each, fixed: cost(a) - few * each };
}

export function limits(found: Invocation[]) {
  const jobs = line(found, [1, 'sweep with 1 job'], [MOST_JOBS, `sweep with ${MOST_JOBS} jobs`]);
  const file = line(found, [1, 'webhook with 1 MB'], [SEVERAL_MB, `webhook with ${SEVERAL_MB} MB`]);
  const images = Math.max(Math.floor((FREE_MS - jobs.fixed) / jobs.each), 0);
  // A sixth of the budget is kept for webhooks.
  let freeJobs = images;
  while (freeJobs + 1 - Math.floor((freeJobs + 1) / 6) <= images) freeJobs += 1;
  return {
    job: jobs.each,
    mb: file.each,
    freeJobs,
    freeBytes: Math.max((FREE_MS - file.fixed) / file.each, 0) * MB,
    paidSeconds: (PAID_JOBS * jobs.each) / 1000,
    paidMb: (PAID_MS - file.fixed) / file.each,
  };
}

function consequences(found: Invocation[], idle: Invocation[]): string[] {
  const { job, mb } = limits(found);
  const { freeJobs, freeBytes, paidSeconds, paidMb } = limits(idle);
  const subrequests = "20 by the plan's 50 subrequests, the default";
  const free =
    freeJobs > 0
      ? `\`MAX_JOBS_PER_INVOCATION\` = ${Math.min(freeJobs, 20)} (${freeJobs} by the time, ${subrequests})`
      : '`MAX_JOBS_PER_INVOCATION` = 1';
  return [
    `Each job of an invocation takes ${ms(job)} ms, each MB of an image ${ms(mb)} ms. From that follows:`,
    '',
    `- **Free plan, ${FREE_MS} ms an invocation:** ${free}, and images of up to ${(freeBytes / MB).toFixed(1)} MB.`,
    `- **Paid plan, ${PAID_MS / 1000} s an invocation:** ${PAID_JOBS.toLocaleString('en')} jobs take ${paidSeconds.toFixed(1)} s, so its subrequests are the limit and \`MAX_JOBS_PER_INVOCATION\` = ${PAID_JOBS.toLocaleString('en')} is right; the time would do for images of ${Math.round(paidMb).toLocaleString('en')} MB, so the largest one is the store's own limit of 50 MB.`,
    '',
    `The rows of the wake-up and of the live channel hold what calls them, about 0.1 ms. A user has ${LISTENERS} listeners at most.`,
  ];
}
