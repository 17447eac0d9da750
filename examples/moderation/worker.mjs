// A judge of prompts that asks a model at Replicate, for MODERATION_URL of start-generation
// (docs/operations/runbook/moderation.md). To deploy it:
//
//   npx wrangler deploy examples/moderation/worker.mjs --name judge --compatibility-date 2026-11-01
//   npx wrangler secret put MODERATION_SECRET --name judge      (the same as start-generation's)
//   npx wrangler secret put REPLICATE_API_TOKEN --name judge
//
// Each judgement is a prediction, which costs money and counts towards the account's limit of creates. A model that is
// not warm takes longer than any start may: give it a deployment that is always on, or MODERATION_ON_FAILURE=allow.

const MODEL = 'meta/meta-llama-guard-2-8b';
/** Seconds; less than MODERATION_TIMEOUT_MS. */
const WAIT = 5;
const MAX_PROMPTS = 10;

export default {
  /** @param {Request} request @param {Record<string, string>} env */
  async fetch(request, env) {
    if (request.method !== 'POST') return new Response('POST only', { status: 405 });
    if (!env.MODERATION_SECRET) return new Response('MODERATION_SECRET is not set', { status: 503 });
    if (!(await isSame(request.headers.get('authorization') ?? '', `Bearer ${env.MODERATION_SECRET}`))) {
      return new Response('unknown caller', { status: 401 });
    }
    const { prompts } = await request.json();
    if (!Array.isArray(prompts) || prompts.length > MAX_PROMPTS)
      return new Response('no prompts', { status: 400 });
    const answers = await Promise.all([...new Set(prompts)].map((prompt) => ask(prompt, env)));
    // No answer in time is no judgement: the caller's policy decides.
    if (answers.includes(undefined)) return new Response('the model did not answer', { status: 503 });
    return answers.every((safe) => safe)
      ? Response.json({ allow: true })
      : Response.json({ allow: false, reason: 'This prompt asks for something that is not made here.' });
  },
};

/** Whether the model calls a prompt safe; undefined: it has not answered. */
async function ask(prompt, { REPLICATE_API_TOKEN, REPLICATE_API_URL = 'https://api.replicate.com' }) {
  const answer = await fetch(`${REPLICATE_API_URL}/v1/models/${MODEL}/predictions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${REPLICATE_API_TOKEN}`,
      'content-type': 'application/json',
      prefer: `wait=${WAIT}`,
      'cancel-after': `${WAIT}s`,
    },
    body: JSON.stringify({ input: { prompt } }),
  });
  if (!answer.ok) return undefined;
  const { status, output } = await answer.json();
  if (status !== 'succeeded') return undefined;
  const said = [output].flat().join('').trim().toLowerCase();
  return said.startsWith('safe') ? true : said.startsWith('unsafe') ? false : undefined;
}

/** Takes the same time wherever they differ. */
async function isSame(one, other) {
  const digest = async (text) =>
    new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  const [a, b] = await Promise.all([digest(one), digest(other)]);
  return a.reduce((difference, byte, index) => difference | (byte ^ b[index]), 0) === 0;
}
