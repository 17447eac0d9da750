import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Readable } from 'node:stream';

/**
 * Serves one module as a Worker until `use` is through with its URL.
 *
 * @param variables texts of its environment
 */
export async function inWorkerd<T>(
  dir: string,
  code: Uint8Array,
  use: (url: string) => Promise<T>,
  variables: Record<string, string> = {},
): Promise<T> {
  await fs.writeFile(path.join(dir, 'worker.bundle.js'), code);
  const config = path.join(dir, 'worker.capnp');
  const bindings = Object.entries(variables).map(
    ([name, text]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(text)})`,
  );
  await fs.writeFile(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "worker.bundle.js")],
      bindings = [${bindings.join(', ')}],
      compatibilityDate = "2026-01-01")),
    (name = "internet", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]);
`,
  );
  const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string };
  const child = spawn(workerd, ['serve', config, '--control-fd=3'], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  });
  const ended = once(child, 'exit');
  try {
    const port = await Promise.race([
      listening(child.stdio[3] as Readable),
      ended.then(([code]) => Promise.reject(new Error(`workerd ended with ${code}; see above`))),
    ]);
    return await use(`http://127.0.0.1:${port}/`);
  } finally {
    child.kill();
    await ended;
  }
}

/** The port that workerd has chosen. */
async function listening(control: Readable): Promise<number> {
  let text = '';
  for await (const chunk of control.setEncoding('utf8')) {
    text += chunk;
    const port = /"port":\s*(\d+)/.exec(text)?.[1];
    if (port) return Number(port);
  }
  throw new Error(`workerd named no port: ${text}`);
}
