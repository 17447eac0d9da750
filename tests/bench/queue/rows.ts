import type { Options } from './options.ts';

/** A row of the table. */
export interface RowSpec {
  id: string;
  title: (options: Options) => string;
  better: 'more' | 'less';
  digits: number;
  /** Said when ours is not ahead: the reason, and what it would take. */
  why: string;
}

const rows: RowSpec[] = [];
const n = (value: number) => value.toLocaleString('en');

function row(
  id: string,
  title: string | ((options: Options) => string),
  better: RowSpec['better'],
  digits: number,
  why: string,
): void {
  rows.push({ id, title: typeof title === 'string' ? () => title : title, better, digits, why });
}

const ENQUEUE_WORK =
  'A job of ours costs two look-ups for its fair turn, two for whose it is, and a row in five of ten indexes with two foreign keys; pgmq appends to a table with two indexes.';
const FENCED =
  'Ours rewrites the row at claim and at completion and keeps it, with lease, times and result; pgmq and graphile-worker delete it, which is one row version and its index entries less.';
const LEVEL_ROW =
  'A claim of ours asks first for expired, due and lost jobs and for aged priorities, then picks, updates and sorts: six small statements where a peer has one.';

row('enqueue 1', 'enqueue singly, jobs/s', 'more', 0, `${ENQUEUE_WORK} It would take fewer indexes.`);
row(
  'enqueue 10',
  'enqueue in tens, jobs/s',
  'more',
  0,
  `There is no function of ours for many jobs: ten are ten calls in one statement, each with an INSERT of its own. It would take an enqueue_jobs that inserts all in one INSERT: in one statement the same rows with all indexes take about 20 to 30 µs a job instead of 90.`,
);
row(
  'enqueue 100',
  'enqueue, best settings, jobs/s',
  'more',
  0,
  'As in tens: one INSERT for many jobs is missing.',
);
row(
  'drain 1',
  (o) => `drain ${n(o.jobs)} singly, jobs/s`,
  'more',
  0,
  `${LEVEL_ROW} ${FENCED} It would take one look that skips the rest when nothing is expired, due, lost or aged, and completion of one job together with the claim of the next, one commit for two.`,
);
row(
  'drain 10',
  (o) => `drain ${n(o.jobs)} in tens, jobs/s`,
  'more',
  0,
  `${FENCED} Completion is a call per job, too. It would take a complete_jobs for many leases in one UPDATE, and fewer indexes that a change of status touches.`,
);
row(
  'drain 100',
  (o) => `drain ${n(o.jobs)}, best settings, jobs/s`,
  'more',
  0,
  `${FENCED} It would take a complete_jobs for many leases in one UPDATE, and fewer indexes that a change of status touches.`,
);
row(
  'latency p50',
  'enqueue to claim, p50, ms',
  'less',
  2,
  `Two commits, the same for all, and the work of both calls. ${ENQUEUE_WORK} ${LEVEL_ROW}`,
);
row('latency p99', 'enqueue to claim, p99, ms', 'less', 2, 'Mostly two commits to the disk; see the median.');
row(
  'claim small',
  'claim of 10, 1,000 waiting, ms',
  'less',
  2,
  `${LEVEL_ROW} It would take one statement for the usual case.`,
);
row(
  'claim big',
  (o) => `claim of 10, ${n(o.waiting)} waiting + ${n(o.tomorrow)} tomorrow, ms`,
  'less',
  2,
  `${LEVEL_ROW} It would take one statement for the usual case.`,
);
row(
  'claim ratio',
  'ratio of the two',
  'less',
  2,
  'The bar is 1.2; the buffers say whether more is read, the time of a fraction of a millisecond is noisy.',
);
row(
  'buffers small',
  'buffers touched, 1,000 waiting',
  'less',
  0,
  'Most of them are index entries written for ten changed rows; it would take fewer indexes that a change of status touches.',
);
row('buffers big', (o) => `buffers touched, ${n(o.waiting)} waiting`, 'less', 0, 'As with 1,000 waiting.');
row('buffers ratio', 'ratio of the two', 'less', 2, 'Flat is the most there is to have.');
row(
  'fair plain',
  (o) => `jobs before another user's first, ${n(o.fairness)} ahead of it, as it comes`,
  'less',
  0,
  'Turns between users are on by default.',
);
row(
  'fair set',
  'the same with settings for fairness',
  'less',
  0,
  'The peers pay for it: graphile-worker runs one job of a user at a time, pg-boss caps them (so idle workers wait), pgmq groups its whole table in every claim.',
);
row(
  'fair set ms',
  'a claim of 10 with those settings, ms',
  'less',
  2,
  `${LEVEL_ROW} graphile-worker's claim returns one job here, not ten, and the original has no such settings.`,
);

export const ROWS: readonly RowSpec[] = rows;
