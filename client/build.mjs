// Builds dist: each module once as ESM and once as CommonJS, with types for either.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const DIST = path.join(HERE, 'dist');
const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
const TSC = path.join(path.dirname(manifest), 'bin/tsc');

fs.rmSync(DIST, { recursive: true, force: true });
emit('esm', 'module', ['--module', 'nodenext']);
emit('cjs', 'commonjs', [
  '--module',
  'commonjs',
  '--moduleResolution',
  'bundler',
  '--verbatimModuleSyntax',
  'false',
]);

function emit(folder, type, options) {
  const out = path.join(DIST, folder);
  const args = [TSC, '-p', HERE, '--noEmit', 'false', '--declaration', '--outDir', out, ...options];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  // Node and TypeScript take it from here what kind of modules these are.
  fs.writeFileSync(path.join(out, 'package.json'), `${JSON.stringify({ type, sideEffects: false })}\n`);
}
