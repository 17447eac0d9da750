import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { hasProc } from '../../bench/processes.ts';
import { commandOf } from '../../dev/stack/processes.ts';

const GUARDIAN = new URL('../../dev/stack/guardian.ts', import.meta.url).href;
/** A program with a child and a folder, which says the child's id; on a line from outside it says goodbye. */
const PROGRAM = `
  import { spawn } from 'node:child_process';
  import { once } from 'node:events';
  import { Guardian } from ${JSON.stringify(GUARDIAN)};
  const guardian = new Guardian();
  guardian.owns(process.argv[1]);
  const child = spawn('sleep', ['600']);
  guardian.watch(child.pid, once(child, 'exit'));
  console.log(child.pid);
  process.stdin.once('data', async () => {
    child.kill();
    await once(child, 'exit');
    guardian.dismiss();
    process.exit();
  });
`;

describe('a process with a guardian', () => {
  let folder: string;
  let program: ChildProcess;
  let pid: number;

  beforeEach(async () => {
    folder = await fs.mkdtemp(path.join(os.tmpdir(), 'guardian test-'));
    await fs.writeFile(path.join(folder, 'data'), 'x');
    program = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (!program.stdout) throw new Error('the program has no stdout');
    const [line] = await once(createInterface({ input: program.stdout }), 'line');
    pid = Number(line);
  });

  afterEach(async () => {
    program.kill('SIGKILL');
    await fs.rm(folder, { recursive: true, force: true });
  });

  test('leaves neither child nor folder when it is killed', async () => {
    expect(await commandOf(pid)).toContain('sleep');
    program.kill('SIGKILL');
    await vi.waitFor(() => expect(fs.access(folder)).rejects.toThrow(), { timeout: 20_000, interval: 100 });
    expect(await commandOf(pid), 'the child goes before the folder does').not.toContain('sleep');
  });

  test.skipIf(!hasProc)('keeps its folder when it says goodbye', async () => {
    const children = await fs.readFile(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8');
    const guardian = Number(children.split(' ').find((one) => one !== '' && Number(one) !== pid));
    expect(await commandOf(guardian)).toContain('sh');
    program.stdin?.write('\n');
    await vi.waitFor(async () => expect(await commandOf(guardian)).not.toContain('sh'), { timeout: 20_000 });
    expect(await fs.readFile(path.join(folder, 'data'), 'utf8')).toBe('x');
  });
});
