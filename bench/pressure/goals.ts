import type { CellName } from './cells.ts';
import { type Cell, type Failed, GOALS } from './results.ts';

/** What ours is to reach in a cell, and what it reached. */
export interface GoalResult {
  cell: CellName;
  goal: string;
  /** Null where it could not be measured. */
  value: number | null;
  limit: number;
  met: boolean | null;
}

export const cpuFactor = ({ stress, baseline }: Cell): number | null =>
  stress.cpuMs === null || !baseline.cpuMs ? null : stress.cpuMs / baseline.cpuMs;

export const p99Factor = ({ stress, baseline }: Cell): number => stress.p99 / baseline.p99;

/** The goals for our queue, cell by cell. */
export function goalResults(cells: (Cell | Failed)[], ours: string): GoalResult[] {
  return cells
    .filter((cell) => cell.queue === ours)
    .flatMap((cell): GoalResult[] => {
      if ('failed' in cell)
        return [{ cell: cell.cell, goal: 'runs to its end', value: null, limit: 0, met: false }];
      const at = (goal: string, value: number | null, limit: number, met: boolean | null): GoalResult => ({
        cell: cell.cell,
        goal,
        value,
        limit,
        met,
      });
      const most = (goal: string, value: number | null, limit: number) =>
        at(goal, value, limit, value === null ? null : value <= limit);
      const { backAfterSeconds: back, stress } = cell;
      return [
        at('share of the load kept', stress.kept, GOALS.kept, stress.kept >= GOALS.kept),
        most('CPU a job, times its baseline', cpuFactor(cell), GOALS.cpu),
        most('p99, times its baseline', p99Factor(cell), GOALS.p99),
        most('dead rows a job', cell.deadPerJob, GOALS.dead),
        // Not back at all is a miss, not a thing unknown.
        at('seconds until it is back', back, GOALS.back, back !== null && back <= GOALS.back),
        most('dead rows that vacuum does not return', cell.deadAfterVacuum, 0),
        most('jobs lost or handed out twice', cell.lost + cell.twice, 0),
      ];
    });
}
