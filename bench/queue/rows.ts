import { jobsAt, type Options } from './options.ts';

/** A row of the table. */
export interface RowSpec {
  id: string;
  /** Jobs a second: what each has cost Postgres stands beside it. */
  isRate: boolean;
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
  const isRate = /^(fair )?(enqueue|drain)|^steady/.test(id);
  rows.push({ id, isRate, title: typeof title === 'string' ? () => title : title, better, digits, why });
}

const ENQUEUE_WORK =
  'A job of ours counts one of its user’s slots (a row rewritten under a lock), looks at the head of its ready queue and at whose it is, is a row in three or four indexes, and a row of the counts; pgmq appends to a table with two indexes and knows no users.';
const KEPT =
  'Ours moves the row twice, to the running jobs and to the finished ones, which it keeps with lease, times and result, counts both moves, and gives the slot of the user on; pgmq and graphile-worker delete it, which is one row version and its index entries less.';
const STATEMENTS =
  'Claim and completion of one job are some 18 statements and 2.1 million instructions in a backend (callgrind, 2026-11-28, two jobs in three blocked before): 41 % of these start the statements’ plans, 12 % look rows up. Fewer or narrower statements are the only way; pinned settings cost 1 %, calls of now() another.';
const LIMIT =
  'With the default plan, five jobs of a user at a time, each completion also makes a blocked job ready: a third move.';
const CLAIM_WORK =
  'A claim of ours looks first for expired, due and lost jobs, then picks from the heads of the ready queues, then moves what it picked: three statements, or five for a single job, where a peer has one.';

row(
  'enqueue 1',
  'enqueue singly, jobs/s',
  'more',
  0,
  `${ENQUEUE_WORK} It would take the counts of slots and of jobs to be written later, by the cron.`,
);
row(
  'enqueue 10',
  'enqueue in tens, jobs/s',
  'more',
  0,
  `${ENQUEUE_WORK} enqueue_jobs does it for all with a statement for each table; what is left is paid for each row. It would take fewer indexes.`,
);
row('enqueue 100', 'enqueue in hundreds, best settings, jobs/s', 'more', 0, 'As in tens.');
row(
  'drain 1',
  (o) => `drain ${n(jobsAt(1, o.jobs))} singly, jobs/s`,
  'more',
  0,
  `${CLAIM_WORK} ${KEPT} ${LIMIT} ${STATEMENTS} It would take completion of one job together with the claim of the next, one commit for two.`,
);
row('drain 10', (o) => `drain ${n(o.jobs)} in tens, jobs/s`, 'more', 0, `${KEPT} ${LIMIT}`);
row(
  'drain 100',
  (o) => `drain ${n(o.jobs)} in hundreds, best settings, jobs/s`,
  'more',
  0,
  `${KEPT} It would take fewer indexes.`,
);
row(
  'steady 100',
  (o) => `through a queue of ${n(o.jobs)} in hundreds, best settings, jobs/s`,
  'more',
  0,
  `${ENQUEUE_WORK} ${KEPT}`,
);
const FAIR = 'with settings for fairness, jobs/s';
row('fair enqueue 1', `enqueue singly ${FAIR}`, 'more', 0, ENQUEUE_WORK);
row('fair enqueue 10', `enqueue in tens ${FAIR}`, 'more', 0, ENQUEUE_WORK);
row('fair enqueue 100', `enqueue in hundreds ${FAIR}`, 'more', 0, ENQUEUE_WORK);
row(
  'fair drain 1',
  (o) => `drain ${n(jobsAt(1, o.fairJobs))} singly ${FAIR}`,
  'more',
  0,
  `${CLAIM_WORK} ${LIMIT}`,
);
row('fair drain 10', (o) => `drain ${n(o.fairJobs)} in tens ${FAIR}`, 'more', 0, LIMIT);
row('fair drain 100', (o) => `drain ${n(o.fairJobs)} in hundreds ${FAIR}`, 'more', 0, LIMIT);
row(
  'latency p50',
  'enqueue to claim, p50, ms',
  'less',
  2,
  `Two commits, the same for all, and the work of both calls. ${ENQUEUE_WORK} ${CLAIM_WORK}`,
);
row('latency p99', 'enqueue to claim, p99, ms', 'less', 2, 'Mostly two commits to the disk; see the median.');
row('claim small', 'claim of 10, 1,000 waiting, ms', 'less', 2, CLAIM_WORK);
row(
  'claim big',
  (o) => `claim of 10, ${n(o.waiting)} waiting + ${n(o.tomorrow)} tomorrow, ms`,
  'less',
  2,
  CLAIM_WORK,
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
  'Most of them are index entries written for ten changed rows; it would take fewer indexes.',
);
row('buffers big', (o) => `buffers touched, ${n(o.waiting)} waiting`, 'less', 0, 'As with 1,000 waiting.');
row('buffers ratio', 'ratio of the two', 'less', 2, 'Flat is the most there is to have.');
row(
  'turn plain',
  (o) => `jobs before another user's first, ${n(o.fairness)} ahead of it, as it comes`,
  'less',
  0,
  'Turns between users are on by default.',
);
row(
  'turn set',
  'the same with settings for fairness',
  'less',
  0,
  'The peers pay for it: graphile-worker runs one job of a user at a time, pg-boss caps them (so idle workers wait), pgmq groups its whole table in every claim.',
);
row(
  'turn set ms',
  'a claim of 10 with those settings, ms',
  'less',
  2,
  `${CLAIM_WORK} graphile-worker's claim returns one job here, not ten, and the original has no such settings.`,
);

export const ROWS: readonly RowSpec[] = rows;
