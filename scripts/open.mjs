import { spawn } from 'node:child_process';

/** Opens a page where somebody sits in front of a desktop. Elsewhere nothing happens, and nothing can fail. */
export function openBrowser(url) {
  const command = opener(process.platform, process.env, process.stdout.isTTY);
  if (!command) return;
  const child = spawn(command, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => {}); // the URL has been printed
  child.unref();
}

/** The program that opens a URL, or undefined where there is no desktop. */
export function opener(platform, env, isTerminal) {
  if (!isTerminal || env.CI || env.SSH_CONNECTION) return undefined;
  if (platform === 'darwin') return 'open';
  return env.WAYLAND_DISPLAY || env.DISPLAY ? 'xdg-open' : undefined;
}
