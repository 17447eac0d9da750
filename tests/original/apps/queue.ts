import { inList, QUIET, REST, type Story } from '../call.ts';

/** The library's jobs, and what the apps subscribe to. */

export const QUEUE: Story[] = [
  {
    name: 'the library: jobs',
    scene: 'a completed generation',
    calls: [
      {
        to: 'enqueue one',
        method: 'POST',
        path: `${REST}/rpc/enqueue_job`,
        body: {
          p_job_type: 'generate-image',
          p_payload: { prompt: 'A beautiful sunset', model_id: 'black-forest-labs/flux-schnell' },
          p_priority: 0,
          p_scheduled_at: '2025-11-01T00:00:00.000Z',
          p_max_attempts: 3,
        },
        reads: { '': 'uuid' },
        keeps: { job: '' },
      },
      {
        to: 'look at it',
        method: 'GET',
        path: `${REST}/job_queue?select=*&id=eq.{job}`,
        single: true,
        reads: { id: 'uuid', job_type: 'text', payload: 'object', status: 'text', created_by: 'uuid' },
      },
      {
        to: 'see all of them',
        method: 'GET',
        path: `${REST}/job_queue?select=*&order=created_at.desc&status=eq.completed`,
        reads: inList({ id: 'uuid', attempts: 'number', priority: 'number', completed_at: 'time' }),
      },
      {
        to: 'see how many there are',
        method: 'GET',
        path: `${REST}/queue_health?select=*`,
        reads: inList({ job_type: 'text', status: 'text', count: 'number', avg_duration_seconds: 'number?' }),
      },
      {
        to: 'see what failed',
        method: 'GET',
        path: `${REST}/failed_jobs_recent?select=*`,
        reads: { '': 'list' },
      },
      {
        to: 'cancel what waits',
        method: 'PATCH',
        path: `${REST}/job_queue?id=eq.{job}&status=eq.pending`,
        prefer: QUIET,
        body: { status: 'cancelled', updated_at: '2025-11-01T00:00:00.000Z' },
        after: 'the job is cancelled',
      },
    ],
  },
];

/** What the apps subscribe to by Realtime (`postgres_changes`), with their own token. */
export interface Watched {
  by: string;
  table: string;
  event: 'INSERT' | 'UPDATE' | '*';
  filter?: string;
  exception?: string;
}

export const SUBSCRIPTIONS: Watched[] = [
  {
    by: 'both apps: a generation',
    table: 'image_generations',
    event: 'UPDATE',
    filter: 'id=eq.{generation}',
  },
  { by: 'mobile: the history', table: 'image_generations', event: 'INSERT' },
  { by: 'mobile: the history', table: 'image_generations', event: 'UPDATE' },
  { by: 'mobile: a batch’s items', table: 'image_generations', event: '*', filter: 'batch_id=eq.{batch}' },
  {
    by: 'mobile: a batch',
    table: 'batch_generations',
    event: '*',
    filter: 'id=eq.{batch}',
  },
  {
    by: 'the library: a job',
    table: 'job_queue',
    event: 'UPDATE',
    filter: 'id=eq.{job}',
    exception: 'jobs-by-realtime',
  },
  {
    by: 'the library: a user’s jobs',
    table: 'job_queue',
    event: '*',
    filter: 'created_by=eq.{user}',
    exception: 'jobs-by-realtime',
  },
];
