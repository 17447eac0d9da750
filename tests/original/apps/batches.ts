import { type Call, FUNCTIONS, inList, MODELS, QUIET, REST, type Story } from '../call.ts';

/** The mobile app's batches. */

const BATCH = {
  id: 'uuid',
  name: 'text?',
  total_count: 'number',
  completed_count: 'number',
  failed_count: 'number',
  status: 'text',
  created_at: 'time',
} as const;

const BATCH_PROGRESS: Call = {
  to: 'see how far it is',
  method: 'GET',
  path: `${REST}/batch_progress?select=*&id=eq.{batch}`,
  single: true,
  reads: { ...BATCH, processing_count: 'number', pending_count: 'number', items: 'list' },
};

export const BATCHES: Story[] = [
  {
    name: 'mobile: a batch',
    scene: 'nothing',
    calls: [
      MODELS,
      {
        to: 'start a batch',
        method: 'POST',
        path: `${FUNCTIONS}/batch-generate`,
        body: {
          prompts: [
            { text: 'A fox', negative_prompt: 'blur', seed: 1, tags: ['animals'] },
            { text: 'A hare' },
          ],
          shared_settings: {
            model_id: '{model.id}',
            model_version: '',
            width: 1024,
            height: 1024,
            steps: 4,
            guidance_scale: 7.5,
          },
          batch_name: 'Animals',
        },
        reads: {
          'batch.id': 'uuid',
          'batch.name': 'text',
          'batch.total_count': 'number',
          'batch.generations': 'list',
        },
        keeps: { batch: 'batch.id' },
        after: 'the batch completes',
      },
      BATCH_PROGRESS,
    ],
  },
  {
    name: 'mobile: the list of batches',
    scene: 'a completed batch',
    calls: [
      {
        to: 'see them',
        method: 'GET',
        path: `${REST}/batch_generations?select=*&user_id=eq.{user}&order=created_at.desc&limit=20`,
        reads: inList({ ...BATCH, completed_at: 'time?' }),
      },
      BATCH_PROGRESS,
      {
        to: 'delete one',
        method: 'DELETE',
        path: `${REST}/batch_generations?id=eq.{batch}`,
        prefer: QUIET,
        after: 'the batch is gone',
      },
    ],
  },
  {
    name: 'mobile: retry what failed of a batch',
    scene: 'a batch of which one has failed',
    calls: [
      {
        to: 'have the failed ones made again',
        method: 'PATCH',
        path: `${REST}/image_generations?batch_id=eq.{batch}&status=eq.failed`,
        prefer: QUIET,
        body: { status: 'pending', error_message: null, retry_count: 0 },
        after: 'nothing of the batch has failed',
      },
      {
        to: 'say that the batch goes on',
        method: 'PATCH',
        path: `${REST}/batch_generations?id=eq.{batch}`,
        prefer: QUIET,
        body: { status: 'processing', failed_count: 0 },
        after: 'the batch goes on',
      },
      {
        to: 'wake the queue',
        method: 'POST',
        path: `${FUNCTIONS}/process-queue`,
        after: 'the batch completes',
      },
    ],
  },
  {
    name: 'mobile: cancel a batch',
    scene: 'a batch of which one waits',
    calls: [
      {
        to: 'cancel what waits',
        method: 'PATCH',
        path: `${REST}/image_generations?batch_id=eq.{batch}&status=in.(pending)`,
        prefer: QUIET,
        body: { status: 'failed', error_message: 'Cancelled by user' },
        // What runs is not pending: the next call cancels it.
        after: 'what waited of the batch is cancelled',
      },
      {
        to: 'end the batch',
        method: 'PATCH',
        path: `${REST}/batch_generations?id=eq.{batch}`,
        prefer: QUIET,
        body: { status: 'failed', completed_at: '2025-11-01T00:00:00.000Z' },
        after: 'the batch is cancelled',
      },
    ],
  },
];
