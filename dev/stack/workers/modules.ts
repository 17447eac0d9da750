import fs from 'node:fs/promises';
import path from 'node:path';

export interface WorkerModule {
  /** Name that imports resolve to: the path relative to the entry's folder. */
  name: string;
  kind: 'esModule' | 'wasm';
  file: string;
}

/** The entry and everything it imports by a relative path, the entry first. */
export async function collectModules(entry: string): Promise<WorkerModule[]> {
  const root = path.dirname(entry);
  const modules = new Map<string, WorkerModule>();
  const waiting = [entry];
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    if (modules.has(file)) continue;
    const kind = file.endsWith('.wasm') ? 'wasm' : 'esModule';
    modules.set(file, { name: path.relative(root, file), kind, file });
    if (kind === 'wasm') continue;
    const source = await fs.readFile(file, 'utf8');
    for (const [, specifier] of source.matchAll(/\b(?:from|import)\s*\(?\s*["'](\.[^"']*)["']/g)) {
      const target = path.resolve(path.dirname(file), specifier ?? '');
      if (await exists(target)) waiting.push(target); // else text that only looks like an import
    }
  }
  return [...modules.values()];
}

const exists = (file: string) =>
  fs.access(file).then(
    () => true,
    () => false,
  );
