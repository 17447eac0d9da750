import { spawn } from 'node:child_process';

/** Opens a page on a machine with a desktop. On any other it does nothing and cannot fail. */
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
