import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Document, Judge, type Media, type Operation, type Schema, walk } from './support/openapi.ts';

/** The description of the interface as such; whether it is true is in openapi.test.ts. */

const file = new URL('../../shared/src/http/openapi.json', import.meta.url);
const document = JSON.parse(fs.readFileSync(file, 'utf8')) as Document;
const judge = new Judge(document);

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(
    ([method, operation]) => [`${method.toUpperCase()} ${path}`, path, operation] as const,
  ),
);
const callbacks = operations.flatMap(([, , { callbacks = {} }]) =>
  Object.values(callbacks).flatMap((urls) => Object.values(urls).flatMap((one) => Object.values(one))),
);

test('every schema is a JSON schema, and every reference leads somewhere', () => {
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    expect(() => judge.faults({ $ref: `#/components/schemas/${name}` }, null), name).not.toThrow();
    expect(schema.description, `the description of ${name}`).toMatch(/\.$|`$/);
    for (const [member, { description, $ref }] of Object.entries((schema.properties ?? {}) as Schema) as [
      string,
      Schema,
    ][]) {
      expect(description ?? $ref, `the description of ${name}.${member}`).toMatch(/\w/);
    }
  }
  for (const [at, { $ref }] of walk(document)) {
    if (typeof $ref === 'string') expect(() => judge.resolve({ $ref }), at).not.toThrow();
  }
});

test('a member, a word or a status that is not described is seen', () => {
  const generation = { $ref: '#/components/schemas/Generation' };
  const responses = document.paths['/generations/{id}']?.get?.responses ?? {};
  const sample = responses[200]?.content?.['application/json']?.example as Schema;
  expect(judge.faults(generation, sample)).toEqual([]);
  const [image] = sample.images as Schema[];
  for (const wrong of [
    { extra: 1 },
    { status: 'done' },
    { images: [{ ...image, extra: 1 }] },
    { seed: '7' },
  ]) {
    expect(judge.faults(generation, { ...sample, ...wrong }), JSON.stringify(wrong)).not.toEqual([]);
  }
  const { images: _, ...without } = sample;
  expect(judge.faults(generation, without)).not.toEqual([]);
  const headers = new Headers();
  expect(judge.judge('GET', '/generations/{id}', { status: 418, headers, body: sample })).not.toEqual([]);
});

describe('bodies', () => {
  const [start, inserted, batch] = ['/start-generation', '/generate-image', '/batch-generate'].map(
    (path) => document.paths[path]?.post?.requestBody?.content['application/json']?.schema ?? {},
  ) as [Schema, Schema, Schema];
  const one = { prompt: 'a fox', model_id: 'a/b' };
  const many = { prompts: [{ text: 'a fox' }], shared_settings: { model_id: 'a/b' } };

  test.each<[string, Schema, object]>([
    ['null for what is left out', start, { ...one, style: null, operation: null, prompts: null }],
    ['several prompts', start, { prompts: ['a', 'b'], prompt: null, model_id: 'a/b' }],
    ['neither, of a model that takes none', start, { ...one, prompt: null }],
    ['a row alone', inserted, { generation_id: '0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11' }],
    ['a row with a start', inserted, { generation_id: '0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11', ...one }],
    ['a batch of the original’s', batch, { ...many, batch_name: null }],
    ['steps, which a batch calls so', batch, { ...many, shared_settings: { model_id: 'a/b', steps: 4 } }],
  ])('%s', (_, schema, body) => expect(judge.faults(schema, body)).toEqual([]));

  test.each<[string, Schema, object]>([
    ['an unknown field', start, { ...one, steps: 4 }],
    ['one that is null', start, { ...one, steps: null }],
    ['no model', start, { ...one, model_id: null }],
    ['both forms', start, { ...one, prompts: ['a'] }],
    [
      'an unknown field beside a row',
      inserted,
      { generation_id: '0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11', id: 1 },
    ],
    ['an unknown field of a batch', batch, { ...many, name: 'x' }],
    ['of its settings', batch, { ...many, shared_settings: { model_id: 'a/b', prompt: 'x' } }],
    ['of a prompt', batch, { ...many, prompts: [{ text: 'a fox', steps: 4 }] }],
  ])('not %s', (_, schema, body) => expect(judge.faults(schema, body)).not.toEqual([]));
});

test('every component is used', () => {
  const used = new Set([...walk(document)].map(([, { $ref }]) => $ref));
  const unused = Object.entries(document.components)
    .filter(([kind]) => kind !== 'securitySchemes')
    .flatMap(([kind, all]) => Object.keys(all).map((name) => `#/components/${kind}/${name}`))
    .filter((name) => !used.has(name));
  expect(unused).toEqual([]);
});

test('operations have names of their own', () => {
  const names = [...operations.map(([, , one]) => one), ...callbacks].map(({ operationId }) => operationId);
  expect(names.length).toBeGreaterThan(10);
  expect(new Set(names).size, names.join()).toBe(names.length);
});

describe.each(operations)('%s', (_, path, operation) => {
  test('its parameters are those of its path', () => {
    const inPath = (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => name);
    expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
  });

  test('it has an answer that is hoped for, and problems', () => {
    const statuses = Object.keys(operation.responses);
    expect(statuses.some((status) => status.startsWith('2'))).toBe(true);
    const problems = statuses.filter((status) => status === 'default' || status >= '400');
    expect(problems).toContain('default');
    for (const status of problems) {
      const response = judge.resolve(operation.responses[status] ?? {});
      expect(Object.keys(response.content ?? {}), status).toEqual(['application/problem+json']);
    }
  });

  test('its examples are what it says', () => expectExamples(operation));
});

test('the examples of callbacks are what they say', () => {
  expect(callbacks.length).toBe(1);
  for (const callback of callbacks) expectExamples(callback);
});

function expectExamples({ requestBody, responses }: Operation): void {
  const bodies = [requestBody, ...Object.values(responses).map((one) => judge.resolve(one))];
  for (const body of bodies) {
    for (const { schema = {}, example, examples = {} } of Object.values<Media>(body?.content ?? {})) {
      const values = [
        ...(example === undefined ? [] : [example]),
        ...Object.values(examples).map((e) => e.value),
      ];
      for (const value of values) expect(judge.faults(schema, value), JSON.stringify(value)).toEqual([]);
    }
  }
}
