import { type Call, type Effect, FUNCTIONS, MODELS, PICTURE, QUIET, REST, ROW, type Story } from '../call.ts';

/** How pictures are started, watched, cancelled and tried again; and how users sign up. */

const WATCH: Call[] = [
  {
    to: 'watch it end',
    method: 'GET',
    path: `${REST}/image_generations?select=*&id=eq.{generation}`,
    single: true,
    reads: { id: 'uuid', status: 'text', error_message: 'text?' },
    after: 'the generation completes',
  },
  {
    to: 'show its picture',
    method: 'GET',
    path: `${REST}/images?select=*&generation_id=eq.{generation}`,
    single: true,
    reads: PICTURE,
  },
];

const start = (model: string, more: object): Call => ({
  to: 'start a picture',
  method: 'POST',
  path: `${FUNCTIONS}/start-generation`,
  body: { prompt: 'A beautiful sunset', model_id: model, ...more },
  reads: { success: 'boolean', generation_id: 'uuid', job_id: 'uuid', status: 'text' },
  keeps: { generation: 'generation_id', job: 'job_id' },
});

/** A row of one's own in `image_generations`, and then the function with its id. */
const insertAndInvoke = (more: object = {}): Call[] => [
  {
    to: 'write down what is wanted',
    method: 'POST',
    path: `${REST}/image_generations?select=*`,
    prefer: ROW,
    single: true,
    body: {
      user_id: '{user}',
      prompt: 'A beautiful sunset',
      model: '{model.name}',
      width: 1024,
      height: 1024,
      steps: 4,
      guidance_scale: 7.5,
      status: 'pending',
      ...more,
    },
    reads: { id: 'uuid', status: 'text' },
    keeps: { generation: 'id' },
  },
  {
    to: 'have it made',
    method: 'POST',
    path: `${FUNCTIONS}/generate-image`,
    body: {
      generation_id: '{generation}',
      prompt: 'A beautiful sunset',
      model_id: '{model.id}',
      width: 1024,
      height: 1024,
      num_inference_steps: 4,
      guidance_scale: 7.5,
    },
    reads: { success: 'boolean' },
  },
  ...WATCH,
];

const cancelRow = (filter: string, after: Effect): Call => ({
  to: 'cancel it',
  method: 'PATCH',
  path: `${REST}/image_generations?id=eq.{generation}${filter}`,
  prefer: QUIET,
  body: { status: 'failed', error_message: 'Cancelled by user' },
  after,
});

export const ACCOUNT: Story[] = [
  {
    name: 'both apps: sign up',
    scene: 'nothing',
    calls: [
      {
        to: 'sign up under a name',
        method: 'POST',
        path: '/auth/v1/signup',
        body: { email: '{email}', password: 'a-long-password', data: { username: 'ada', avatar_url: null } },
        reads: { access_token: 'text', 'user.id': 'uuid' },
        keeps: { user: 'user.id', token: 'access_token' },
      },
      {
        to: 'see the profile',
        method: 'GET',
        path: `${REST}/profiles?select=*&id=eq.{user}`,
        single: true,
        reads: { id: 'uuid', email: 'text?', avatar_url: 'url?' },
      },
      {
        to: 'see the name',
        method: 'GET',
        path: `${REST}/profiles?select=username&id=eq.{user}`,
        single: true,
        reads: { username: 'text' },
      },
      {
        to: 'take another name',
        method: 'PATCH',
        path: `${REST}/profiles?id=eq.{user}`,
        prefer: QUIET,
        body: { username: 'grace' },
        after: 'the profile has the name',
      },
    ],
  },
];

export const STARTS: Story[] = [
  {
    name: 'the library: a name at the provider',
    scene: 'nothing',
    calls: [start('black-forest-labs/flux-schnell', {}), ...WATCH],
  },
  {
    name: 'web: the form',
    scene: 'nothing',
    calls: [MODELS, start('{model.id}', {}), ...WATCH],
  },
  {
    name: 'web: the quick bar',
    scene: 'nothing',
    calls: [
      MODELS,
      start('{model.id}', { width: 1024, height: 1024, num_inference_steps: 4, guidance_scale: 7.5 }),
      ...WATCH,
    ],
  },
  {
    name: 'the library: a short name of the catalogue',
    scene: 'nothing',
    calls: [start('flux-schnell', {}), ...WATCH],
  },
  {
    name: 'mobile: generate',
    scene: 'nothing',
    calls: [MODELS, ...insertAndInvoke()],
  },
  {
    name: 'mobile: remix',
    scene: 'a completed generation',
    calls: [
      {
        ...MODELS,
        to: 'pick a model that begins with a picture',
        path: `${REST}/models?select=*&is_active=eq.true&supports_img2img=eq.true&order=sort_order.asc`,
      },
      ...insertAndInvoke({ source_image_url: '{image.url}', generation_strength: 0.7 }),
    ],
  },
];

export const CANCELS: Story[] = [
  {
    name: 'mobile: the hook cancels',
    scene: 'a running generation',
    calls: [cancelRow('', 'the generation is cancelled')],
  },
  {
    name: 'web: cancel what waits',
    scene: 'a waiting generation',
    calls: [cancelRow('&status=eq.pending', 'the generation is cancelled')],
  },
  {
    name: 'web: cancel what was inserted only',
    scene: 'an inserted generation',
    calls: [cancelRow('&status=eq.pending', 'the generation has failed')],
  },
  {
    name: 'mobile: retry',
    scene: 'a failed generation',
    calls: [
      {
        to: 'try it again',
        method: 'PATCH',
        path: `${REST}/image_generations?id=eq.{generation}`,
        prefer: QUIET,
        body: { status: 'pending', error_message: null, retry_count: 0 },
        after: 'the generation completes',
      },
    ],
  },
];
