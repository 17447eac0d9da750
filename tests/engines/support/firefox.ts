import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { bidi } from './bidi.ts';
import type { Engine } from './browser.ts';

const LISTENS = /WebDriver BiDi listening on (ws:\/\/\S+)/;

/** As the stories in Chromium have it; and nothing is asked of Mozilla's servers that can be left. */
const PREFERENCES = `
user_pref("ui.prefersReducedMotion", 1);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.server", "");
`;

/** Firefox without a screen, led by the protocol that it speaks itself. */
export async function startFirefox(program: string): Promise<Engine> {
  const profile = await fs.mkdtemp(path.join(os.tmpdir(), 'firefox-'));
  await fs.writeFile(path.join(profile, 'user.js'), PREFERENCES);
  const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  const stop = async (engine?: Engine) => {
    await engine?.stop();
    if (!engine) child.kill();
    await ended;
    await fs.rm(profile, { recursive: true, force: true });
  };
  try {
    const engine = await bidi(`${await listening(child.stderr)}/session`);
    return { ...engine, stop: () => stop(engine) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The address that it says once it listens; what it says later is let go. */
function listening(said: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    said.setEncoding('utf8').on('data', (chunk) => {
      text = (text + chunk).slice(-10_000);
      const address = LISTENS.exec(text)?.[1];
      if (address) resolve(address);
    });
    said.on('end', () => reject(new Error(`Firefox has ended before it listened: ${text}`)));
  });
}
