/** Models and their versions, the account, and the webhook secret. */
import { findModel, type ModelFacts, models, versionId } from './facts.ts';
import { type Request, type Route, route } from './http.ts';
import { openapiSchema } from './openapi.ts';
import { notFound } from './problems.ts';
import { rateHeaders } from './ratelimit.ts';
import type { Simulation } from './simulation.ts';

const publishedAt = '2025-06-01T12:00:00.000000Z';

export function modelRoutes(simulation: Simulation): Route[] {
  const headers = rateHeaders(2999);
  const one = (request: Request): ModelFacts => {
    const model = findModel(request.params.slice(0, 2).join('/'));
    if (model === undefined) throw notFound();
    return model;
  };
  const page = (results: unknown[]): { previous: null; next: null; results: unknown[] } => ({
    previous: null,
    next: null,
    results,
  });
  return [
    route('GET', '/v1/models', () => ({ status: 200, body: page(models.map(describe)), headers }), 'model'),
    route(
      'GET',
      '/v1/models/:owner/:name',
      (request) => {
        return { status: 200, body: describe(one(request)), headers };
      },
      'model',
    ),
    route(
      'GET',
      '/v1/models/:owner/:name/versions',
      (request) => {
        return { status: 200, body: page([version(one(request))]), headers };
      },
      'model',
    ),
    route(
      'GET',
      '/v1/models/:owner/:name/versions/:id',
      (request) => {
        const model = one(request);
        if (request.params[2] !== versionId(model)) throw notFound();
        return { status: 200, body: version(model), headers };
      },
      'model',
    ),
    route(
      'GET',
      '/v1/webhooks/default/secret',
      () => {
        return { status: 200, body: { key: simulation.webhookSecret }, headers };
      },
      'secret',
    ),
    route(
      'GET',
      '/v1/account',
      () => {
        const body = {
          type: 'organization',
          username: 'simulator',
          name: 'Replicate simulator',
          github_url: null,
        };
        return { status: 200, body, headers };
      },
      'account',
    ),
  ];
}

function describe(model: ModelFacts): Record<string, unknown> {
  const [owner, name] = model.id.split('/');
  return {
    url: `https://replicate.com/${model.id}`,
    owner,
    name,
    description: model.description,
    visibility: 'public',
    is_official: model.kind === 'official',
    github_url: null,
    paper_url: null,
    license_url: null,
    run_count: 1,
    cover_image_url: null,
    default_example: null,
    latest_version: version(model),
  };
}

function version(model: ModelFacts): Record<string, unknown> {
  return {
    id: versionId(model),
    created_at: publishedAt,
    cog_version: '0.16.1',
    openapi_schema: openapiSchema(model),
  };
}
