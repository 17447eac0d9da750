import type { Api } from '../api/api.ts';
import type { PauseArgs } from '../api/contract.ts';
import type { Action } from '../ui/actions.tsx';

/** The actions that are offered in several places, in words. */

type Call = Api['call'];

export const cancelJob = (call: Call, id: string): Action => ({
  title: 'Cancel this job?',
  text: 'It ends now. If it makes an image, its generation is cancelled as its user would cancel it, and a running prediction is stopped at the provider. This cannot be undone.',
  confirm: 'Cancel the job',
  run: (reason) => call('admin_cancel_job', { p_job_id: id, p_reason: reason }),
  done: () => 'The job is cancelled.',
});

export const cancelGeneration = (call: Call, id: string): Action => ({
  title: 'Cancel this generation?',
  text: 'It ends as if its user had cancelled it, and a running prediction is stopped at the provider. This cannot be undone.',
  confirm: 'Cancel the generation',
  run: (reason) => call('admin_cancel_generation', { p_generation_id: id, p_reason: reason }),
  done: () => 'The generation is cancelled.',
});

export const requeueJob = (call: Call, id: string): Action => ({
  title: 'Requeue this job?',
  text: 'It is tried again with all its attempts, and its generation with it. What its next runs cost is paid.',
  confirm: 'Requeue the job',
  run: (reason) => call('admin_requeue_job', { p_job_id: id, p_reason: reason }),
  done: () => 'The job is in the queue again.',
});

type Pausable = PauseArgs extends infer P ? (P extends unknown ? Omit<P, 'p_reason'> : never) : never;

/** `the queue`, `generate-image jobs`, `the model owner/name`. */
const named = (what: Pausable): string => {
  if (what.p_what === 'queue') return 'the queue';
  const { p_what: kind, p_name: name } = what as { p_what: 'job_type' | 'model'; p_name: string };
  return kind === 'model' ? `the model ${name}` : `${name} jobs`;
};
const first = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export const pauseWhat = (call: Call, what: Pausable): Action => ({
  title: `Pause ${named(what)}?`,
  text: 'Starts are still accepted and wait; what runs goes on to its end. It stays so until somebody resumes it.',
  confirm: 'Pause',
  run: (reason) => call('admin_pause', { ...what, p_reason: reason } as PauseArgs),
  done: () => `${first(named(what))} ${what.p_what === 'job_type' ? 'are' : 'is'} paused.`,
});

export const resumeWhat = (call: Call, what: Pausable): Action => ({
  title: `Resume ${named(what)}?`,
  text:
    what.p_what === 'model'
      ? 'What waits for it is claimed again. If the provider refuses this model, that is forgotten, and the next start tries.'
      : 'What waits is claimed again.',
  confirm: 'Resume',
  run: (reason) => call('admin_resume', { ...what, p_reason: reason } as PauseArgs),
  done: () => `${first(named(what))} ${what.p_what === 'job_type' ? 'go' : 'goes'} on.`,
});

export const resumeProvider = (call: Call): Action => ({
  title: 'Try the provider now?',
  text: 'Its pause ends at once, and one job tries for all. If the provider still refuses, it is paused again.',
  confirm: 'Try now',
  run: (reason) => call('admin_resume', { p_what: 'provider', p_reason: reason }),
  done: () => 'The pause is over. One job tries.',
});

export const switchModel = (call: Call, model: string, isActive: boolean): Action => ({
  title: isActive ? `Switch ${model} on?` : `Switch ${model} off?`,
  text: isActive
    ? 'It is offered again, and new starts may use it.'
    : 'It is no longer offered, and new starts with it are refused. What is started already goes on.',
  confirm: isActive ? 'Switch on' : 'Switch off',
  run: (reason) => call('admin_switch_model', { p_model: model, p_is_active: isActive, p_reason: reason }),
  done: () => `${model} is ${isActive ? 'on' : 'off'}.`,
});
