/** Runs wrangler and the Supabase CLI. Secrets reach them by the environment or a private file, never as arguments. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { environment, ROOT, TOOLS } from '../run.mjs';
import { UserError } from '../user-error.mjs';
import type { Values } from './env-file.ts';
import { isSecret } from './settings.ts';

const LAST_LINES = 12;
/** Names of ours that the tools read too: what they get is said at each call. */
const OURS = /^(SUPABASE|REPLICATE)_/;

export interface Answer {
  code: number;
  stdout: string;
  stderr: string;
}

/** A tool that did not do what it should, with its last lines. */
export class ToolFailure extends UserError {
  readonly answer: Answer;

  constructor(command: string, answer: Answer) {
    // CI=1 and pipes make them plain; what colours are left would hide words.
    const lines = `${answer.stdout}\n${answer.stderr}`.split('\n').map((line) => line.trimEnd());
    const said = lines.filter((line) => line.trim() !== '').slice(-LAST_LINES);
    super(`${command} failed:${said.map((line) => `\n    ${line}`).join('')}`);
    this.answer = answer;
  }
}

export interface Call {
  /** Beside the settings that the tools read. */
  env?: Values;
  /** Whether its end other than by 0 is an answer as well. */
  mayFail?: boolean;
}

export class Tools {
  readonly #values: Values;

  /** @param values the installation's settings: their secrets are struck out of all that is shown */
  constructor(values: Values) {
    this.#values = values;
  }

  wrangler(args: string[], call: Call = {}): Promise<Answer> {
    const env: Values = {
      CI: '1',
      // wrangler is 15 MB of JavaScript, and is started some ten times.
      NODE_COMPILE_CACHE: path.join(TOOLS, 'compile-cache'),
      ...this.#pick(/^CLOUDFLARE_/),
      ...call.env,
    };
    return this.#run('wrangler', args, { ...call, env });
  }

  supabase(args: string[], call: Call = {}): Promise<Answer> {
    const env = {
      SUPABASE_TELEMETRY_DISABLED: '1',
      SUPABASE_NO_UPDATE_NOTIFIER: '1',
      ...this.#pick(/^SUPABASE_(ACCESS_TOKEN|DB_PASSWORD)$/),
      ...call.env,
    };
    return this.#run('supabase', [...args, '--workdir', ROOT], { ...call, env });
  }

  /** Strikes the secrets out. */
  clean(text: string): string {
    const secrets = Object.entries(this.#values).flatMap(([name, value]) =>
      isSecret(name) && value.length > 5
        ? [value, ...value.split(/[\s,]+/).filter((one) => one.length > 5)]
        : [],
    );
    return secrets
      .toSorted((a, b) => b.length - a.length)
      .reduce((all, one) => all.replaceAll(one, '[hidden]'), text);
  }

  #pick(pattern: RegExp): Values {
    return Object.fromEntries(Object.entries(this.#values).filter(([name]) => pattern.test(name)));
  }

  async #run(command: string, args: string[], { env, mayFail }: Call): Promise<Answer> {
    const answer = await answerOf(command, args, childEnvironment(env ?? {}));
    answer.stderr = this.clean(answer.stderr);
    if (answer.code === 0 || mayFail) return answer;
    throw new ToolFailure(shown(command, args), { ...answer, stdout: this.clean(answer.stdout) });
  }
}

/** A command as a person would type it. */
export function shown(command: string, args: string[]): string {
  const words = args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg}'`));
  return ['npx', command, ...words].join(' ');
}

function childEnvironment(more: Values): NodeJS.ProcessEnv {
  const all = environment(more) as NodeJS.ProcessEnv;
  const kept = Object.entries(all).filter(
    ([name]) => name in more || !OURS.test(name) || TOOLS_OWN.has(name),
  );
  return Object.fromEntries(kept);
}

/** What operators set for the Supabase CLI itself. */
const TOOLS_OWN = new Set([
  'SUPABASE_PROFILE',
  'SUPABASE_HOME',
  'SUPABASE_NO_KEYRING',
  'SUPABASE_API_MAX_RETRIES',
]);

function answerOf(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const answer: Answer = { code: 1, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      answer.stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      answer.stderr += chunk;
    });
    child.on('error', (error) => reject(new UserError(`${command} could not be started: ${error.message}`)));
    child.on('close', (code) => resolve({ ...answer, code: code ?? 1 }));
  });
}

/** JSON that a tool has printed, whatever it said before. @throws UserError where there is none */
export function jsonOf<T>(what: string, { stdout }: Answer): T {
  const start = stdout.search(/^[[{]/m);
  try {
    return JSON.parse(stdout.slice(Math.max(start, 0))) as T;
  } catch {
    // Not what it said: keys may be in it.
    throw new UserError(`${what} answered something that is no JSON. Run it yourself to see what.`);
  }
}
