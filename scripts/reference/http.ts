import fs from 'node:fs';
import { blocks, code, here, table } from './markdown.ts';
import { nameOf, type Schema, typeOf, typeSection } from './schema.ts';

const DOCUMENT = new URL('../../shared/src/http/openapi.json', import.meta.url);

const HEAD = `# HTTP interface

Written by \`npm run docs:reference\` from \`shared/src/http/openapi.json\`, which every installation answers at \`GET /openapi.json\`; do not edit.`;

const AROUND = `The Worker \`start-generation\` serves all of these paths. It accepts a prefix \`/functions/v1\` and ignores it. Other pages: the [live channel](live-updates.md) in detail, [health](../operations/operate.md#health) and [metrics](../operations/operate.md#metrics) of process-jobs, the [bounds](bounds.md) of each field, also for direct calls of the database, and the [codes of failed generations](../operations/operate.md#dead-letters).`;

/** What every path answers to a wrong method: the description gives it no answer of its own. */
const WRONG_METHOD = { code: 'method_not_allowed', status: 405, title: '', detail: '' };

const PROBLEMS = `A refusal is \`application/problem+json\` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), a ${here('Problem')}. Branch on \`code\`: it never changes. \`detail\` is a sentence for people, and \`error\` repeats it. The sentences below are examples.`;

interface Document {
  info: { description: string; version: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, Schema>;
    responses: Record<string, Answer>;
    headers: Record<string, { description: string }>;
    securitySchemes: Record<string, { description: string }>;
  };
}

interface Operation {
  summary: string;
  description?: string;
  tags: string[];
  parameters?: { name: string; in: string; description: string; required?: boolean; schema: Schema }[];
  requestBody?: { description?: string; content: Record<string, Media> };
  responses: Record<string, Answer>;
  callbacks?: Record<string, Record<string, { post: Operation }>>;
  security: Record<string, unknown>[];
}

interface Answer {
  $ref?: string;
  description: string;
  content?: Record<string, Media>;
  headers?: Record<string, { $ref: string }>;
}

interface Media {
  schema?: Schema;
  'x-item-schema'?: Schema;
  example?: unknown;
  examples?: Record<string, { summary?: string; value: unknown }>;
}

interface Problem {
  code: string;
  status: number;
  title: string;
  detail: string;
}

interface Call {
  method: string;
  path: string;
  operation: Operation;
}

/** The text of docs/reference/http.md. */
export function httpReference(): string {
  const document = JSON.parse(fs.readFileSync(DOCUMENT, 'utf8')) as Document;
  const calls: Call[] = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const tagged = document.tags.map(({ name, description }) => ({
    name,
    description,
    calls: calls.filter(({ operation }) => operation.tags.includes(name)).sort(simplestFirst),
  }));
  return blocks(
    HEAD,
    document.info.description,
    AROUND,
    table(
      ['call', '', 'token'],
      tagged.flatMap(({ calls }) => calls.map(summary)),
    ),
    `**Token**: ${document.components.securitySchemes.user?.description} Send it as \`Authorization: Bearer TOKEN\`. A WebSocket sends it as \`Sec-WebSocket-Protocol\`: ${document.components.securitySchemes.webSocket?.description} A server [sends the secret key](../guides/from-a-server.md).`,
    ...tagged.flatMap(({ name, description, calls }) => [
      `## ${name}`,
      description,
      ...calls.map((call) => callSection(call, document)),
    ]),
    '## Problems',
    PROBLEMS,
    table(['status', '`code`', 'when', 'for example'], problems(document)),
    '## Types',
    '**Required**: an answer always has this field, and a request must have it.',
    ...Object.entries(document.components.schemas).map(([name, schema]) => typeSection(name, schema)),
  );
}

/** Short paths before long ones, and what starts something before what reads it. */
function simplestFirst(one: Call, other: Call): number {
  const parts = ({ path }: Call) => path.split('/').length;
  return parts(one) - parts(other) || other.method.localeCompare(one.method);
}

/** As GitHub makes an anchor of the heading of a call. */
function anchor({ method, path }: Call): string {
  return `${method} ${path}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9 _-]/g, '')
    .replaceAll(' ', '-');
}

function summary(call: Call): string[] {
  const { method, path, operation } = call;
  return [`[\`${method} ${path}\`](#${anchor(call)})`, operation.summary, tokenOf(operation)];
}

function tokenOf({ security }: Operation): string {
  const kinds = security.flatMap(Object.keys);
  if (!kinds.includes('service')) return kinds.length > 0 ? 'yes' : 'no';
  return kinds.includes('user') ? 'yes, or the secret key' : 'the secret key';
}

function callSection({ method, path, operation }: Call, document: Document): string {
  return blocks(
    `### ${method} ${path}`,
    `${operation.summary}. ${operation.description ?? ''}`.trim(),
    ...request(operation),
    ...answers(operation.responses, document),
    ...Object.values(operation.callbacks ?? {}).flatMap((each) =>
      Object.entries(each).flatMap(([to, { post }]) => [
        `**Callback**, \`POST\` to \`${nameOf(to).replace('}', '')}\`: ${post.description}`,
        ...request(post),
      ]),
    ),
  );
}

function request({ parameters = [], requestBody }: Operation): string[] {
  const parts: string[] = [];
  if (parameters.length > 0) {
    const rows = parameters.map(({ name, in: where, schema, description }) => [
      `\`${name}\``,
      where,
      typeOf(schema),
      description,
    ]);
    parts.push(table(['parameter', 'in', 'type', ''], rows));
  }
  if (requestBody) {
    const [[type, media] = ['', {}]] = Object.entries(requestBody.content);
    const what = media.schema
      ? typeOf(media.schema)
      : Object.keys(requestBody.content).map(quoted).join(', ');
    const isJson = type === 'application/json';
    parts.push(`**Body**: ${what}. ${requestBody.description ?? ''}`.trim());
    if (isJson) parts.push(...examples(media));
  }
  return parts;
}

/** What is answered when it goes well, each with an example, and then the refusals in one line each. */
function answers(responses: Record<string, Answer>, document: Document): string[] {
  const own = Object.entries(responses).filter(([, answer]) => !answer.$ref);
  const refused = Object.entries(responses).filter(([status, { $ref }]) => $ref && status !== 'default');
  const parts = own.flatMap(([status, { description, content = {}, headers = {} }]) => {
    const media = Object.entries(content)[0];
    const schema = media?.[1].schema;
    const type = schema?.$ref ? ` ${typeOf(schema)}.` : media ? ` \`${media[0]}\`.` : '';
    const more = Object.entries(headers)
      .filter(([name]) => name !== 'x-request-id')
      .map(
        ([name, { $ref }]) => `Header \`${name}\`: ${document.components.headers[nameOf($ref)]?.description}`,
      );
    return [
      [`**${status}**:${type} ${description}`, ...more].join(' '),
      ...(media ? examples(media[1], media[0]) : []),
    ];
  });
  const codes = refused.map(([status, { $ref = '' }]) => {
    const named = examplesOf(document.components.responses[nameOf($ref)]).map((each) => quoted(each.code));
    return `${status} ${named.join(', ')}`;
  });
  if (codes.length > 0) parts.push(`**[Problems](#problems)**: ${codes.join('; ')}.`);
  return parts;
}

function examples(media: Media, type = 'application/json'): string[] {
  const language = type === 'application/json' ? 'json' : '';
  const shown = (value: unknown) =>
    code(language, typeof value === 'string' ? value : JSON.stringify(value, null, 2));
  if (media.example !== undefined) return [shown(media.example)];
  return Object.values(media.examples ?? {}).flatMap(({ summary, value }) => [
    ...(summary ? [`${summary}:`] : []),
    shown(value),
  ]);
}

function examplesOf(answer: Answer | undefined): Problem[] {
  const media = answer?.content?.['application/problem+json'];
  return Object.values(media?.examples ?? {}).map(({ value }) => value as Problem);
}

/** Each code once, with what it means and one example. */
function problems({ components }: Document): string[][] {
  const meanings = new Map(
    [...(components.schemas.ProblemCode?.description ?? '').matchAll(/^- `(\w+)`: (.*)$/gm)].map(
      ([, name = '', meaning = '']) => [name, meaning],
    ),
  );
  const given = [WRONG_METHOD, ...Object.values(components.responses).flatMap(examplesOf)];
  const shown = new Map(given.map((each) => [each.code, each]));
  const rows = (components.schemas.ProblemCode?.enum ?? []).map((name) => {
    const { status = '', detail = '', ...rest } = shown.get(name) ?? {};
    const more = Object.entries(rest)
      .filter(([member]) => ['field', 'limit', 'retry_after'].includes(member))
      .map(([member, value]) => `\`${member}\`: ${JSON.stringify(value)}`);
    return [`${status}`, quoted(name), meanings.get(name) ?? '', [detail, more.join(', ')].join(' ')];
  });
  return rows.sort(([a = ''], [b = '']) => a.localeCompare(b));
}

function quoted(text: string): string {
  return `\`${text}\``;
}
