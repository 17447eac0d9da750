import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ensurePythonPackage } from '../../../scripts/python.mjs';

/** Schemathesis, which asks what a description of an interface allows and forbids, and holds the answers against it. */

const VERSION = '4.32.5';

/** Where Python finds it; undefined where it cannot be had. */
export const schemathesis = await ensurePythonPackage('schemathesis', VERSION).catch(() => undefined);

/** An operation's own settings. */
export interface Operation {
  operationId: string | string[];
  /** Values for its parameters, by name: each is taken from such a list more often than made up. */
  values?: Record<string, string[]>;
  /** Settings of checks, as TOML has them. */
  checks?: Record<string, object>;
}

export interface Asked {
  /** Of the running system. */
  url: string;
  /** Which of the description's ways in is taken: the operations that have it are asked. */
  scheme: string;
  /** By which that one lets in. */
  header: [name: string, value: string];
  /** What is asked: the description's examples, each field at its bounds and beyond, and whatever comes to mind. */
  phases: ('examples' | 'coverage' | 'fuzzing')[];
  /** How many requests come to mind for an operation, that are allowed, and as many that are not. */
  maxExamples: number;
  leftOut: string[];
  operations: Operation[];
}

interface Described {
  operationId: string;
  security: Record<string, unknown>[];
}
type Description = { paths: Record<string, Record<string, Described>> };

/** The description as it is for one way in. Beside another one, to leave it out would be to come by the other. */
async function described({ url, scheme, leftOut }: Asked): Promise<Description> {
  const description = (await (await fetch(`${url}/openapi.json`)).json()) as Description;
  for (const methods of Object.values(description.paths)) {
    for (const [method, { operationId, security }] of Object.entries(methods)) {
      const own = security.filter((one) => scheme in one);
      const isAsked = own.length > 0 && !leftOut.includes(operationId);
      if (isAsked) Object.assign(methods[method] as Described, { security: own });
      else delete methods[method];
    }
  }
  return description;
}

/** Runs it, and gives what it says; `passed` where it has found nothing. */
export async function ask(asked: Asked): Promise<{ passed: boolean; report: string }> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'schemathesis-'));
  try {
    await fs.writeFile(path.join(folder, 'schemathesis.toml'), configOf(asked.operations));
    await fs.writeFile(path.join(folder, 'openapi.json'), JSON.stringify(await described(asked)));
    const args = ['-m', 'schemathesis.cli', 'run', 'openapi.json', '--url', asked.url];
    // One worker: in several threads CPython 3.11's parser fails now and then, which Hypothesis calls.
    args.push('--no-color', '--workers', '1', '--warnings', 'off', '--request-timeout', '60');
    // How fast requests come to mind depends on the machine.
    args.push('--suppress-health-check', 'all');
    // The same requests in each run.
    args.push('--generation-deterministic', '--max-examples', `${asked.maxExamples}`);
    args.push('--phases', asked.phases.join(','));
    args.push('--continue-on-failure', '--no-shrink', '--output-sanitize', 'false');
    args.push('-H', asked.header.join(': '));
    const child = spawn('python3', args, {
      cwd: folder,
      env: { ...process.env, ...schemathesis, PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let report = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (report += data));
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { passed: code === 0, report };
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

function configOf(operations: Operation[]): string {
  const dictionaries: string[] = [];
  const sections = operations.map(({ operationId, values = {}, checks = {} }, at) => {
    const lines = ['[[operations]]', `include-operation-id = ${JSON.stringify([operationId].flat())}`];
    for (const [check, settings] of Object.entries(checks)) {
      const all = Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
      lines.push(`checks.${check} = { ${all.join(', ')} }`);
    }
    if (lines.length === 2 && Object.keys(values).length === 0) return '';
    Object.entries(values).forEach(([name, list], nth) => {
      const dictionary = `of-${at}-${nth}`;
      dictionaries.push(`[dictionaries.${dictionary}]`, `values = ${JSON.stringify(list)}`);
      lines.push(`parameters.${JSON.stringify(name)} = { dictionary = "${dictionary}", probability = 0.8 }`);
    });
    return lines.join('\n');
  });
  return ['[checks]', 'enabled = true', ...dictionaries, ...sections].join('\n');
}
