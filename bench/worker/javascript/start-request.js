/** The body of `POST /start-generation`, and a job's payload: each field checked once. */
import { invalid } from './frame.js';

const UUID = /^(\{|urn:uuid:)?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?$/i;
const TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const PRIVATE =
  /(^|\.)(localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa|test|invalid|onion)$/;
const OPERATIONS = ['generate', 'variation', 'edit', 'upscale', 'remove_background'];
const PRIORITIES = ['low', 'normal', 'high'];
const MAX_SEED = 2 ** 32 - 1;

/** UTF-16 units are no fewer than characters. */
const isLonger = (text, max) => text.length > max && [...text].length > max;

function field(body, name) {
  const value = body[name];
  return value === null ? undefined : value;
}

function text(body, name, max) {
  const value = field(body, name);
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw invalid(name, `${name} must be a string.`);
  if (isLonger(value, max)) throw invalid(name, `${name} must be at most ${max} characters long.`);
  if (value.includes('\0')) throw invalid(name, `${name} must not contain a NUL character.`);
  return value;
}

function number(body, name, min, max, whole) {
  const value = field(body, name);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value)))
    return value;
  throw invalid(name, `${name} must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}.`);
}

function word(body, name, words) {
  const value = field(body, name);
  if (value === undefined || words.includes(value)) return value;
  throw invalid(name, `${name} must be one of: ${words.join(', ')}.`);
}

function id(body, name, what) {
  const value = text(body, name, 100);
  if (value === undefined || UUID.test(value)) return value;
  throw invalid(name, `${name} must be the id of ${what}.`);
}

function time(body, name) {
  const value = text(body, name, 40);
  if (value === undefined || (TIME.test(value) && !Number.isNaN(Date.parse(value)))) return value;
  throw invalid(name, `${name} must be a time such as 2027-01-31T12:00:00Z.`);
}

function publicUrl(body, name, allowed = []) {
  const value = text(body, name, Number.POSITIVE_INFINITY);
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  const isPublic =
    url?.protocol === 'https:' &&
    url.port === '' &&
    url.hostname.includes('.') &&
    !/^\[|^[\d.]+$|\.$/.test(url.hostname) &&
    !PRIVATE.test(url.hostname);
  const fits = url && value.length <= 2048 && url.username === '' && url.password === '';
  if (fits && (isPublic || allowed.includes(url.origin))) return url.href;
  throw invalid(name, `${name} must be a public https URL.`);
}

function prompt(value, name) {
  if (typeof value !== 'string') throw invalid(name, `${name} is required and must be text.`);
  if (value.trim() === '') throw invalid(name, 'A prompt must not be empty, nor only white space.');
  if (isLonger(value, 4000)) {
    const length = [...value].length;
    throw invalid(name, `A prompt must have 1 to 4000 characters; this one has ${length}.`);
  }
  if (value.includes('\0')) throw invalid(name, 'A prompt must not contain a NUL character.');
  return value;
}

/** What one image needs. */
export function parseParams(body, first = prompt(field(body, 'prompt'), 'prompt')) {
  const params = {
    model_id: text(body, 'model_id', 200),
    model_version: text(body, 'model_version', 200),
    prompt: first,
    negative_prompt: text(body, 'negative_prompt', 4000) || undefined,
    width: number(body, 'width', 16, 8192, true),
    height: number(body, 'height', 16, 8192, true),
    num_inference_steps: number(body, 'num_inference_steps', 1, 500, true),
    guidance_scale: number(body, 'guidance_scale', 0, 100, false),
    seed: number(body, 'seed', 0, MAX_SEED, true),
    source_image_url: publicUrl(body, 'source_image_url'),
    source_generation_id: id(body, 'source_generation_id', 'a generation'),
    source_id: id(body, 'source_id', 'an upload'),
    strength: number(body, 'strength', 0, 1, false),
    style: text(body, 'style', 200) || undefined,
    operation: word(body, 'operation', OPERATIONS),
  };
  if (!params.model_id) throw invalid('model_id', 'model_id is required: GET /models lists the models.');
  const given = ['source_image_url', 'source_generation_id', 'source_id'].filter((name) => params[name]);
  if (given.length > 1) throw invalid(given.at(-1), `Give only one of ${given.join(' and ')}.`);
  if (params.strength !== undefined && given.length === 0)
    throw invalid('strength', 'strength needs a source_image_url, a source_generation_id or a source_id.');
  return params;
}

function prompts(body) {
  const list = field(body, 'prompts');
  if (list === undefined) return [prompt(field(body, 'prompt'), 'prompt')];
  if (field(body, 'prompt') !== undefined)
    throw invalid('prompts', 'Give either prompt or prompts, not both.');
  if (!Array.isArray(list) || list.length < 1 || list.length > 10)
    throw invalid('prompts', 'prompts must be a list of 1 to 10 prompts.');
  return list.map((one) => prompt(one, 'prompts'));
}

function spread(all, seed, count) {
  if (all.length > 1 && count > 1) throw invalid('num_images', 'num_images works with a single prompt only.');
  if (all.length > 1) return all.map((one) => ({ prompt: one, seed: seed ?? null }));
  const next = (n) => (seed === undefined ? null : (seed + n) % (MAX_SEED + 1));
  return Array.from({ length: count }, (_, n) => ({ prompt: all[0], seed: next(n) }));
}

const FIELDS = new Set(
  [
    'prompt prompts num_images model_id model_version negative_prompt width height num_inference_steps',
    'guidance_scale seed source_image_url source_generation_id source_id strength style operation priority',
    'scheduled_at expires_in webhook_url',
  ].flatMap((names) => names.split(' ')),
);

/** @returns `{ params, items, more }`, ready to be mapped */
export function parseStart(body, allowedOrigins) {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalid('body', 'The body must be a JSON object.');
  const unknown = Object.keys(body).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw invalid(unknown, `${unknown} is not a field of this request.`);
  const all = prompts(body);
  const params = parseParams(body, all[0]);
  const items = spread(all, params.seed, number(body, 'num_images', 1, 10, true) ?? 1);
  const more = {
    priority: word(body, 'priority', PRIORITIES),
    scheduled_at: time(body, 'scheduled_at'),
    expires_in: number(body, 'expires_in', 1, 2_592_000, true),
    webhook_url: publicUrl(body, 'webhook_url', allowedOrigins),
  };
  return { params, items, more };
}

/** The request as `start_generation` takes it. */
export function toRpc({ params, items, more }, { operation, adjustments, output }) {
  const { prompt: _, seed: __, ...common } = params;
  const [width, height] = output;
  return { ...common, operation, items, adjustments, output: { width, height }, ...more };
}
