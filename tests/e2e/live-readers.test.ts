import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensurePythonPackage } from '../../scripts/python.mjs';
import type { LiveMessage } from './support/live.ts';
import { TestStack } from './support/stack.ts';
import { TestUser } from './support/user.ts';

/** Event streams as readers take them that are not ours. Skipped where PyPI's packages cannot be had. */

const READER = fileURLToPath(new URL('support/httpx_reader.py', import.meta.url));

const packages = await Promise.all([
  ensurePythonPackage('httpx', '0.28.1'),
  ensurePythonPackage('httpx-sse', '0.4.3'),
]).catch(() => []);
const folders = packages.flatMap((environment) => environment?.PYTHONPATH ?? []);
const canRead = folders.length === 2;

let stack: TestStack;
let user: TestUser;
beforeAll(async () => {
  if (!canRead) return;
  stack = await TestStack.start();
  user = await TestUser.signUp(stack);
});
afterAll(() => stack?.stop());

/** A line of the reader: an event as httpx-sse hands it on, or that a comment went by. */
interface Line {
  comment?: true;
  event?: string;
  data?: string;
  id?: string;
  retry?: number | null;
}

function read(path: string, headers: Record<string, string> = {}) {
  const { startGenerationUrl } = stack.addresses;
  const child = spawn('python3', [READER, `${startGenerationUrl}${path}`], {
    env: {
      ...process.env,
      PYTHONPATH: folders.join(':'),
      HEADERS: JSON.stringify({ authorization: `Bearer ${user.token}`, ...headers }),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { lines, ended, stop: () => child.kill() };
}

const messageOf = ({ data = '' }: Line) => JSON.parse(data) as LiveMessage;

test.runIf(canRead)(
  'httpx-sse hands on messages and nothing else, over a silence as well',
  async () => {
    const all = read('/events');
    try {
      await stack.until('ready', async () => all.lines.length > 0);
      await stack.until('a sign of life', async () => all.lines.some(({ comment }) => comment));
      const { generation_id } = await user.start({ prompt: 'read by Python' });
      const events = await stack.until('the image', async () => {
        const found = all.lines.filter(({ comment }) => !comment);
        return found.some((line) => messageOf(line).status === 'completed') && found;
      });
      expect(events.map(messageOf).map(({ type, status }) => status ?? type)).toEqual(
        expect.arrayContaining(['ready', 'completed']),
      );
      for (const event of events) expect(event.id).toBe(String(messageOf(event).seq));
      expect(events.map(({ retry }) => retry)).toEqual([2000, ...events.slice(1).map(() => null)]);

      const one = read(`/generations/${generation_id}/events?since=1`, { 'last-event-id': '' });
      expect(await one.ended).toBe(0);
      expect(one.lines.map(messageOf).map(({ type, status }) => status ?? type)).toEqual([
        'completed',
        'ready',
      ]);
    } finally {
      all.stop();
      await all.ended;
    }
  },
  60_000,
);
