import { useId } from 'react';
import type { Usage } from '../../../client/src/openapi.ts';
import { clock, count, money } from '../lib/format.ts';

/** What the user's plan allows, and what of it is used. */
export function PlanFacts({ usage }: { usage: Usage | undefined }) {
  const heading = useId();
  return (
    <section aria-labelledby={heading}>
      <h3 id={heading}>Plan and usage</h3>
      {usage ? (
        <dl className="plan">
          {factsOf(usage).map(([term, value]) => (
            <div key={term}>
              <dt>{term}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      ) : (
        <p className="hint">
          What you have used could not be read. It is asked for again with your next picture.
        </p>
      )}
    </section>
  );
}

function factsOf({ plan, images, money: spent, spent_usd, jobs }: Usage): [string, string][] {
  const most = plan.images_per_day;
  const allowed = spent.left === null ? '' : ` of ${money(spent.used + spent.left)}`;
  const underway = jobs.running + jobs.ready + jobs.blocked + jobs.scheduled;
  return [
    ['Plan', plan.name],
    ['Pictures today', most === null ? String(images.used) : `${images.used} of ${most}`],
    ['Spent today', `${money(spent.used)}${allowed}`],
    ['Spent this month', money(spent_usd.this_month)],
    ['At the same time', plan.running_jobs === null ? 'No limit' : count(plan.running_jobs, 'picture')],
    ['Under way', count(underway, 'picture')],
    ['Starts again', clock(new Date(images.resets_at ?? spent.resets_at))],
  ];
}
