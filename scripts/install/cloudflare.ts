/** The three Workers at Cloudflare, through wrangler. */
import fs from 'node:fs';
import path from 'node:path';
import { UserError } from '../user-error.mjs';
import { writePrivately } from './env-file.ts';
import { jsonOf, ToolFailure, type Tools } from './tools.ts';
import { type Named, type Prepared, secretsFileOf } from './workers.ts';

/** Who is logged in, and the accounts that the login reaches. */
export interface Who {
  email?: string;
  accounts: { id: string; name: string }[];
}

/** What is brought together, and goes back together. */
export interface Release {
  /** Digits: a later one is the greater text. */
  name: string;
  /** How many Workers it changes. */
  of: number;
}

/** A version, and what we noted with it when it was uploaded. */
export interface Version {
  versionId: string;
  createdOn: string;
  /** Which release of ours brought it; absent: it is not of ours. */
  release?: string;
  fingerprint?: string;
  /** How many Workers that release changes. */
  of?: number;
  /** The version that it replaced; absent for the first one. */
  replaced?: string;
  /** The one from before its release, which replaced it or a version that the same release had brought earlier. */
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
  metadata?: { created_on?: string };
}

/** What wrangler appends to WRANGLER_OUTPUT_FILE_PATH, as far as it is read here. */
interface OutputLine {
  type: string;
  version_id?: string | null;
  targets?: string[];
}

/** At most 25 bytes, as Cloudflare takes them. */
const TAG = /^(\d{12})-([0-9a-f]{12})$/;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
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
  async whoami(): Promise<Who | undefined> {
    const answer = await this.#tools.wrangler(['whoami', '--json'], { mayFail: true });
    const { loggedIn, ...who } = jsonOf<{
      loggedIn: boolean;
      email?: string;
      accounts?: { id: string; name: string }[];
    }>('npx wrangler whoami --json', answer);
    return loggedIn ? { ...who, accounts: who.accounts ?? [] } : undefined;
  }

  /** @returns undefined while the Worker is not there */
  async deployed({ config }: Named): Promise<Deployed | undefined> {
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
    const incoming = versions.find(({ replaced }) => isIn(replaced));
    // Of two that share the requests by hand, the one that is not of ours: whoever asks has to hear of it.
    const current =
      versions.find(({ versionId }) => versionId === incoming?.replaced) ??
      versions.find(({ release }) => !release) ??
      versions[0];
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
    const { annotations, metadata } = jsonOf<Annotated>('npx wrangler versions view --json', answer);
    const createdOn = metadata?.created_on ?? '';
    const [, release, fingerprint] = TAG.exec(annotations?.['workers/tag'] ?? '') ?? [];
    if (!release || !fingerprint) return { versionId, createdOn };
    return {
      versionId,
      createdOn,
      release,
      fingerprint,
      ...readNote(annotations?.['workers/message'] ?? ''),
    };
  }

  /** Uploads and gives all requests to it at once. @returns the addresses under which it answers */
  async deploy(prepared: Prepared, release: Release, before: Deployed | undefined): Promise<string[]> {
    // A version is there before its routes and cron triggers are.
    const mark = this.#mark(prepared);
    writePrivately(mark, `${release.name}\n`);
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
  async upload(prepared: Prepared, release: Release, before: Deployed): Promise<string | undefined> {
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
  async share({ config }: Named, shares: [versionId: string, percent: number][], why: string): Promise<void> {
    const versions = shares.map(([version, percent]) => `${version}@${percent}%`);
    const args = ['versions', 'deploy', ...versions, '--config', config, '--yes', '--message', why];
    await this.#tools.wrangler(args);
  }

  /** Routes and cron triggers do not come with a version. */
  async triggers(prepared: Prepared): Promise<void> {
    await this.#tools.wrangler(['triggers', 'deploy', '--config', prepared.config]);
    fs.rmSync(this.#mark(prepared), { force: true });
  }

  /** Bundles and checks, uploads nothing; needs no account. */
  async tryBundle({ config, worker }: Prepared): Promise<void> {
    const out = path.join(this.#folder, 'bundle', worker);
    await this.#tools.wrangler(['deploy', '--dry-run', '--config', config, '--outdir', out]);
  }

  async #send(
    command: string[],
    { worker, config, secrets, fingerprint }: Prepared,
    release: Release,
    before: Deployed | undefined,
  ): Promise<OutputLine> {
    // The same secrets stand in .env.NAME. A file, because arguments are everybody's to read.
    const secretsFile = secretsFileOf(this.#folder, worker);
    const outputFile = path.join(this.#folder, `${worker}.output.ndjson`);
    fs.rmSync(outputFile, { force: true });
    writePrivately(secretsFile, JSON.stringify(secrets));
    try {
      const annotations = ['--tag', `${release.name}-${fingerprint}`, '--message', noteOf(release, before)];
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

/** The message of a version, of 100 bytes at most: what `--rollback` and the next run have to know. */
export function noteOf({ name, of }: Release, replaced: Deployed | undefined): string {
  if (!replaced) return `Release ${name} of ${of}, the first`;
  if (replaced.release !== name) return `Release ${name} of ${of}, replaces ${replaced.versionId}`;
  // The second version within the release: back means to before the first.
  return `Of ${of}, replaces ${replaced.versionId}, ${replaced.before ? `undo to ${replaced.before}` : 'the first'}`;
}

export function readNote(message: string): Pick<Version, 'of' | 'replaced' | 'before'> {
  const of = Number(/\bof (\d)\b/i.exec(message)?.[1] ?? 0);
  const [replaced, undo = replaced] = message.match(UUID) ?? [];
  const before = message.endsWith('the first') ? undefined : undo;
  return { of, ...(replaced ? { replaced } : {}), ...(before ? { before } : {}) };
}

/** The message of the deployment that takes a release back. */
export const whyBack = (release: string, versionId: string) => `Rolled back ${release} (${versionId})`;

/** UTC, to the second. @param seen the greatest name so far: a clock may be behind another one */
export function newRelease(now = new Date(), seen = ''): string {
  const name = now.toISOString().replaceAll(/\D/g, '').slice(2, 14);
  return name > seen ? name : String(Number(seen) + 1).padStart(12, '0');
}
