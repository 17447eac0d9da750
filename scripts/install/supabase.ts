/** The Supabase project, through its CLI. */
import { UserError } from '../user-error.mjs';
import type { Values } from './env-file.ts';
import { jsonOf, type Tools } from './tools.ts';

export interface Project {
  ref: string;
  name: string;
  region: string;
}

const PENDING = /\b(\d{14}_\w+\.sql)\b/g;

export class Supabase {
  readonly #tools: Tools;
  readonly #values: Values;

  constructor(tools: Tools, values: Values) {
    this.#tools = tools;
    this.#values = values;
  }

  /** @returns the projects of the account; undefined: nobody is logged in */
  async projects(): Promise<Project[] | undefined> {
    const answer = await this.#tools.supabase(['projects', 'list', '--output-format', 'json'], {
      mayFail: true,
    });
    if (answer.code !== 0) {
      if (/access token|login/i.test(answer.stdout + answer.stderr)) return undefined;
      throw new UserError(`npx supabase projects list failed: ${(answer.stderr || answer.stdout).trim()}`);
    }
    return jsonOf<{ projects: Project[] }>('npx supabase projects list', answer).projects;
  }

  /** The project's own keys, those of today first. */
  async keys(ref: string): Promise<{ publishable?: string; secret?: string }> {
    const args = ['projects', 'api-keys', `--remote=${ref}`, '--reveal', '--output-format', 'json'];
    type Key = { api_key?: string | null; type?: string | null; name?: string };
    const { keys } = jsonOf<{ keys: Key[] }>(
      'npx supabase projects api-keys',
      await this.#tools.supabase(args),
    );
    const one = (type: string, legacy: string) =>
      keys.find((each) => each.type === type && each.api_key)?.api_key ??
      keys.find((each) => each.name === legacy && each.api_key)?.api_key;
    const [publishable, secret] = [one('publishable', 'anon'), one('secret', 'service_role')];
    return { ...(publishable ? { publishable } : {}), ...(secret ? { secret } : {}) };
  }

  /** The migrations that the database does not have, in order. */
  async pending(): Promise<string[]> {
    const { args, env } = this.#push('--dry-run');
    const { stdout, stderr } = await this.#tools.supabase(args, { env });
    return [...new Set([...`${stdout}\n${stderr}`.matchAll(PENDING)].map(([, file = '']) => file))];
  }

  async push(): Promise<void> {
    const { args, env } = this.#push();
    await this.#tools.supabase(args, { env });
  }

  /** A project is named each time, never linked: production and staging share this folder. */
  #push(...more: string[]): { args: string[]; env: Values } {
    const { SUPABASE_DB_URL: address, SUPABASE_PROJECT_REF: ref } = this.#values;
    if (!address) return { args: ['db', 'push', `--remote=${ref ?? 'REF'}`, '--yes', ...more], env: {} };
    const url = new URL(address);
    const password = decodeURIComponent(url.password);
    url.password = '';
    return {
      args: ['db', 'push', `--remote=${url.href}`, '--yes', ...more],
      env: password ? { PGPASSWORD: password } : {},
    };
  }
}
