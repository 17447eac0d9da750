import os from 'node:os';
import { HANDSHAKE_TRIPS } from './distance.ts';
import type { Cell } from './measure.ts';
import type { Options } from './options.ts';
import { ORIGINAL_TRIPS } from './original.ts';

/** Which way each distance is like, with the database in Frankfurt: for the reader's eye, not measured. */
const LIKE: Record<number, string> = { 20: 'Western Europe', 80: 'US East', 200: 'Tokyo, São Paulo' };

export interface Run {
  options: Options;
  cells: Cell[];
  /** Load average before the run. */
  load: number;
  date: Date;
}

export function section({ options, cells, load, date }: Run): string {
  const near = cells.filter(({ placement }) => placement === 'near the database');
  const rows = near.map((cell) =>
    row(
      cell,
      cells.find((other) => isUnplaced(other, cell)),
    ),
  );
  return [
    'Written by `npm run bench:regions`; do not edit. The whole stack on one machine, with ways of a set length between its parts.',
    '',
    `${date.toISOString().slice(0, 10)}, ${os.availableParallelism()} cores. Load average before the run: ${load.toFixed(2)}.${options.note ? ` ${options.note}` : ''} ${options.images} images one after another; milliseconds of the faster quarter, with a model that takes no time.`,
    '',
    '| edge to database | user to edge | start | model begins | live event | whole image | whole, not placed | the original’s start |',
    '|---|---:|---:|---:|---:|---:|---:|---:|',
    ...rows,
    '',
    `Between edge and database, in all of it: ${sum(near)} new connections of placed Workers, ${sum(cells) - sum(near)} of the others; each costs ${HANDSHAKE_TRIPS} round trips more, which these numbers do not show.`,
  ].join('\n');
}

function row(cell: Cell, unplaced: Cell | undefined): string {
  const like = LIKE[cell.database];
  const numbers = [
    cell.user,
    cell.start,
    cell.pickUp,
    cell.live,
    cell.whole,
    unplaced?.whole ?? Number.NaN,
    cell.original,
  ];
  return `| ${cell.database} ms${like ? `, as from ${like}` : ''} | ${numbers.map((ms) => Math.round(ms)).join(' | ')} |`;
}

const isUnplaced = (other: Cell, cell: Cell) =>
  other.placement !== cell.placement && other.database === cell.database && other.user === cell.user;

const sum = (cells: Cell[]) => cells.reduce((all, { opened }) => all + opened, 0);

/** The least that distance alone allows, beside which a test sets what was measured. */
export const leastStart = ({ user, database }: Cell) => user + database;
export const leastOriginal = ({ user, database }: Cell) => user + ORIGINAL_TRIPS * database;
