import { ensurePythonPackage } from './python.mjs';

/**
 * sqlfluff, the SQL formatter's check. Undefined where there is no Python to install it with.
 * @returns the environment in which `python3 -m sqlfluff` runs
 */
export function ensureSqlfluff() {
  return ensurePythonPackage('sqlfluff', '4.5.0');
}
