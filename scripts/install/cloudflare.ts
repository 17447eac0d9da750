/** The three Workers at Cloudflare, through wrangler. */
import fs from 'node:fs';
import path from 'node:path';
import { UserError } from '../user-error.mjs';
import { writePrivately } from './env-file.ts';
import { jsonOf, ToolFailure, type Tools } from './tools.ts';
import { type Prepared, secretsFileOf } from './workers.ts';

/** A version, and what we noted with it when it was uploaded. */
export interface Version {
  versionId: string;
  /** Which deployment of ours brought it; absent: it is not of ours. */
  release?: string;
  fingerprint?: string;
  /** The version that it replaced; absent for the first one. */
  before?: string;
}

/** What is deployed of a Worker now. */
export interface Deployed extends Version {
  /** The release that was taken back to come to this one. */
  rolledBackFrom?: string;
  /** A newer version that has a share of the requests: a deployment is under way, or was cut. */
  incoming?: Version;
}

interface Annotated {
  annotations?: Record<string, string>;
}

/** What wrangler appends to WRANGLER_OUTPUT_FILE_PATH, as far as it is read here. */
interface OutputLine {
  type: string;
  version_id?: string | null;
  targets?: string[];
}

/** At most 25 bytes, as Cloudflare takes them. */
const TAG = /^(\d{12})-([0-9a-f]{12})$/;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
/** Cloudflare's code for a Worker that is not there, and wrangler's sentence for one without deployments. */
const NOT_THERE = /code: 10007\b|code: 10090\b|does not exist|has no deployments/i;
const PENDING_MIGRATION = /pending Durable Object migration/;

export class Cloudflare {
  readonly #tools: Tools;
  readonly #folder: string;

  /** @param folder for files that live as long as one call */
  constructor(tools: Tools, folder: string) {
    this.#tools = tools;
    this.#folder = folder;
  }

  /** @returns who is logged in, and into which accounts; undefined: nobody is */
  async whoami(): Promise<{ email?: string; accounts: { id: string; name: string }[] } | undefined> {
    const answer = await this.#tools.wrangler(['whoami', '--json'], { mayFail: true });
    const { loggedIn, ...who } = jsonOf<{
      loggedIn: boolean;
      email?: string;
      accounts?: { id: string; name: string }[];
    }>('npx wrangler whoami --json', answer);
    return loggedIn ? { ...who, accounts: who.accounts ?? [] } : undefined;
  }

  /** @returns undefined while the Worker is not there */
  async deployed({ config }: Prepared): Promise<Deployed | undefined> {
    const args = ['deployments', 'status', '--config', config, '--json'];
    const answer = await this.#tools.wrangler(args, { mayFail: true });
    if (answer.code !== 0) {
      if (NOT_THERE.test(`${answer.stdout}${answer.stderr}`)) return undefined;
      throw new ToolFailure(`npx wrangler ${args.join(' ')}`, answer);
    }
    const deployment = jsonOf<Annotated & { versions: { version_id: string }[] }>(
      'npx wrangler deployments status --json',
      answer,
    );
    const versions = await Promise.all(
      deployment.versions.map(({ version_id }) => this.#version(version_id, config)),
    );
    const isIn = (id: string | undefined) => versions.some(({ versionId }) => versionId === id);
    const incoming = versions.find(({ before }) => isIn(before));
    const current = versions.find(({ versionId }) => versionId === incoming?.before) ?? versions[0];
    if (!current) return undefined;
    const message = deployment.annotations?.['workers/message'] ?? '';
    const rolledBackFrom = /^Rolled back (\d+)/.exec(message)?.[1];
    return {
      ...current,
      ...(rolledBackFrom ? { rolledBackFrom } : {}),
      ...(incoming ? { incoming } : {}),
    };
  }

  async #version(versionId: string, config: string): Promise<Version> {
    const answer = await this.#tools.wrangler(['versions', 'view', versionId, '--config', config, '--json']);
    const { annotations } = jsonOf<Annotated>('npx wrangler versions view --json', answer);
    const [, release, fingerprint] = TAG.exec(annotations?.['workers/tag'] ?? '') ?? [];
    const before = UUID.exec(annotations?.['workers/message'] ?? '')?.[0];
    return {
      versionId,
      ...(release && fingerprint ? { release, fingerprint } : {}),
      ...(before ? { before } : {}),
    };
  }

  /** Uploads and gives all requests to it at once. @returns the addresses under which it answers */
  async deploy(prepared: Prepared, release: string, before: Deployed | undefined): Promise<string[]> {
    // A version is there before its routes and cron triggers are.
    const mark = this.#mark(prepared);
    writePrivately(mark, `${release}\n`);
    const { targets } = await this.#send(['deploy'], prepared, release, before);
    fs.rmSync(mark);
    return targets ?? [];
  }

  /** Whether the last deployment from here did not come to its end. */
  wasCut(prepared: Prepared): boolean {
    return fs.existsSync(this.#mark(prepared));
  }

  #mark = ({ worker }: Prepared) => path.join(this.#folder, `${worker}.under-way`);

  /** Uploads only. @returns the new version; undefined: it cannot be given requests step by step */
  async upload(prepared: Prepared, release: string, before: Deployed): Promise<string | undefined> {
    try {
      const { version_id } = await this.#send(['versions', 'upload'], prepared, release, before);
      if (!version_id)
        throw new UserError(`wrangler did not say which version of ${prepared.name} it uploaded.`);
      return version_id;
    } catch (error) {
      if (error instanceof ToolFailure && PENDING_MIGRATION.test(error.answer.stderr + error.answer.stdout))
        return undefined;
      throw error;
    }
  }

  /** Shares the requests out. @param shares percent by version */
  async share(
    { config }: Prepared,
    shares: [versionId: string, percent: number][],
    why: string,
  ): Promise<void> {
    const versions = shares.map(([version, percent]) => `${version}@${percent}`);
    const args = ['versions', 'deploy', ...versions, '--config', config, '--yes', '--message', why];
    await this.#tools.wrangler(args);
  }

  /** Routes and cron triggers do not come with a version. */
  async triggers({ config }: Prepared): Promise<void> {
    await this.#tools.wrangler(['triggers', 'deploy', '--config', config]);
  }

  /** Bundles and checks, uploads nothing; needs no account. */
  async tryBundle({ config, worker }: Prepared): Promise<void> {
    const out = path.join(this.#folder, 'bundle', worker);
    await this.#tools.wrangler(['deploy', '--dry-run', '--config', config, '--outdir', out]);
  }

  async #send(
    command: string[],
    { worker, config, secrets, fingerprint }: Prepared,
    release: string,
    before: Deployed | undefined,
  ): Promise<OutputLine> {
    // The same secrets stand in .env.NAME. A file, because arguments are everybody's to read.
    const secretsFile = secretsFileOf(this.#folder, worker);
    const outputFile = path.join(this.#folder, `${worker}.output.ndjson`);
    fs.rmSync(outputFile, { force: true });
    writePrivately(secretsFile, JSON.stringify(secrets));
    try {
      const annotations = [
        '--tag',
        `${release}-${fingerprint}`,
        '--message',
        before ? `Release ${release}, replaces ${before.versionId}` : `Release ${release}, the first`,
      ];
      const args = [...command, '--config', config, '--secrets-file', secretsFile, ...annotations];
      await this.#tools.wrangler(args, { env: { WRANGLER_OUTPUT_FILE_PATH: outputFile } });
      const lines = fs.readFileSync(outputFile, 'utf8').trim().split('\n');
      const entries = lines.map((line) => JSON.parse(line) as OutputLine);
      const wanted = entries.find(({ type }) => type === 'deploy' || type === 'version-upload');
      if (!wanted) throw new UserError(`wrangler did not say what became of ${worker}.`);
      return wanted;
    } finally {
      fs.rmSync(secretsFile, { force: true });
      fs.rmSync(outputFile, { force: true });
    }
  }
}

/** Names a deployment: UTC, to the second, so that a later one is the greater text. */
export const newRelease = (now = new Date()): string => now.toISOString().replaceAll(/\D/g, '').slice(2, 14);
