import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { freePort } from '../../../dev/stack/ports.ts';
import type { WebKit } from '../../../scripts/engines.mjs';
import { until } from '../../e2e/support/until.ts';
import type { Engine } from './browser.ts';
import { webdriver } from './webdriver.ts';

/** For pages this is `prefers-reduced-motion`: a screen that a processor paints is slow to move. */
const CALM = '[Settings]\ngtk-enable-animations=0\n';

/** Where there is no graphics card, to act as if there were one costs three times as much. */
const ON_THE_PROCESSOR = { WEBKIT_SKIA_ENABLE_CPU_RENDERING: '1', WEBKIT_DISABLE_DMABUF_RENDERER: '1' };

/** WebKitGTK's small browser on a screen of its own, led by WebKit's driver. A session at a time is all that it has. */
export async function startWebKit({ driver, xvfb }: WebKit): Promise<Engine> {
  const config = await fs.mkdtemp(path.join(os.tmpdir(), 'webkit-'));
  const children: ChildProcess[] = [];
  const stop = async () => {
    for (const child of children.toReversed()) await end(child);
    await fs.rm(config, { recursive: true, force: true });
  };
  const start = (program: string, args: string[], env = process.env) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'pipe'], env });
    children.push(child);
    return child;
  };
  try {
    // -noreset: else it begins anew after the last window of a session, and the next one finds no screen.
    const screen = ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp', '-noreset'];
    const display = await written(start(xvfb, screen));
    const port = await freePort();
    await fs.mkdir(path.join(config, 'gtk-3.0'));
    await fs.writeFile(path.join(config, 'gtk-3.0/settings.ini'), CALM);
    const env = {
      ...process.env,
      ...ON_THE_PROCESSOR,
      DISPLAY: `:${display}`,
      GDK_BACKEND: 'x11',
      XDG_CONFIG_HOME: config,
    };
    const server = start(driver, [`--port=${port}`], env);
    const address = `http://127.0.0.1:${port}`;
    await until(`${driver} to answer`, async () => {
      if (hasEnded(server)) throw new Error(`${driver} has ended with ${server.exitCode}; see above`);
      return fetch(`${address}/status`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    return { visit: () => webdriver(address), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null;

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

/** The number of the screen, once it is there. */
async function written(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of (child.stdio[3] as Readable).setEncoding('utf8')) {
    text += chunk;
    if (text.endsWith('\n')) return text.trim();
  }
  throw new Error('Xvfb has opened no screen; see above');
}
