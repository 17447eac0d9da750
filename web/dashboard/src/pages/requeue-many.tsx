import type { Api } from '../api/api.ts';
import { given } from '../api/api.ts';
import type { RequeueArgs } from '../api/contract.ts';
import { count } from '../lib/words.ts';
import type { Action } from '../ui/actions.tsx';
import { Field } from '../ui/fields.tsx';

interface Filters {
  p_job_type: string;
  p_user_id: string;
  p_error_code: string;
}

/** Brings back failed jobs that match, in steps of a hundred. */
export function requeueMany(call: Api['call'], filters: Filters): Action {
  return {
    title: 'Requeue many dead letters?',
    text: 'The newest that match come back with all their attempts, and their generations with them: up to 200 at a time. What their next runs cost is paid.',
    confirm: 'Requeue them',
    fields: (
      <>
        <Field label="Queue" name="type" value={filters.p_job_type} hint="Empty: all." />
        <Field
          label="Error code"
          name="code"
          value={filters.p_error_code}
          hint="Of the last error. Empty: any."
        />
        <Field label="Model" name="model" value="" hint="owner/name. Empty: any." />
        <Field label="User’s id" name="user" value={filters.p_user_id} hint="Empty: of all." />
        <Field label="At most" name="limit" type="number" value="100" min={1} max={200} required />
      </>
    ),
    run: (reason, form) => {
      const text = (name: string) => String(form.get(name) ?? '').trim();
      const args: RequeueArgs = {
        p_reason: reason,
        ...given({
          p_job_type: text('type'),
          p_error_code: text('code'),
          p_model: text('model'),
          p_user_id: text('user'),
        }),
        p_limit: Number(text('limit')),
      };
      return call('admin_requeue_jobs', args);
    },
    done: (done) => {
      const { requeued, skipped, left } = done as Awaited<ReturnType<typeof call<'admin_requeue_jobs'>>>;
      const rest = left > 0 ? ` ${count(left, 'more')} match: ask again.`.replace('mores', 'more') : '';
      const over = skipped > 0 ? ` ${skipped} could not come back.` : '';
      return `${count(requeued, 'job')} in the queue again.${over}${rest}`;
    },
  };
}
