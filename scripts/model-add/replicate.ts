/** Asks Replicate, or the simulator, about a model. */
import { UserError } from '../user-error.mjs';

const REPLICATE = 'https://api.replicate.com';
const PATIENCE_MS = 30_000;

/** What `GET /v1/models/{owner}/{name}` tells, as far as it is needed. */
export interface ProviderModel {
  id: string;
  description: string;
  /** 64 hex digits; undefined for an official model, which is called by its id. */
  version: string | undefined;
  /** Whether the answer said that it is official or not. */
  isSure: boolean;
  /** The OpenAPI document of its latest version. */
  schema: unknown;
}

interface Answer {
  description?: string | null;
  is_official?: boolean;
  latest_version?: { id?: string; openapi_schema?: unknown } | null;
}

/** @param env REPLICATE_API_TOKEN, and REPLICATE_API_URL where it is not the real one */
export async function fetchModel(id: string, env: NodeJS.ProcessEnv): Promise<ProviderModel> {
  const token = env.REPLICATE_API_TOKEN;
  if (!token) throw new UserError('Set REPLICATE_API_TOKEN, from https://replicate.com/account/api-tokens.');
  const origin = (env.REPLICATE_API_URL || REPLICATE).replace(/\/+(v1\/*)?$/, '');
  const answer = await fetch(`${origin}/v1/models/${id}`, {
    headers: { authorization: `Bearer ${token}` },
    redirect: 'error', // the token goes nowhere else
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch((error: Error) => {
    const cause = error.cause instanceof Error ? error.cause.message : error.message;
    throw new UserError(`${origin} cannot be reached (${cause}); check the network and REPLICATE_API_URL.`);
  });
  if (answer.status === 404) {
    throw new UserError(
      `Replicate has no model ${id}; its name is what stands behind replicate.com/ in its address.`,
    );
  }
  if (answer.status === 401 || answer.status === 403) {
    throw new UserError(`Replicate does not accept REPLICATE_API_TOKEN (${answer.status}).`);
  }
  if (!answer.ok) throw new UserError(`Replicate answered ${answer.status}; try again later.`);
  const model = (await answer.json().catch(() => undefined)) as Answer | undefined;
  const latest = model?.latest_version;
  if (!model || !latest?.openapi_schema) {
    throw new UserError(
      `Replicate tells no version of ${id} with a schema; its entry must be written by hand.`,
    );
  }
  const version = model.is_official === true ? undefined : latest.id;
  if (model.is_official !== true && !/^[0-9a-f]{64}$/.test(version ?? '')) {
    throw new UserError(`The version of ${id} is ${JSON.stringify(version)}, not 64 hex digits.`);
  }
  return {
    id,
    description: model.description ?? '',
    version,
    isSure: model.is_official !== undefined,
    schema: latest.openapi_schema,
  };
}
