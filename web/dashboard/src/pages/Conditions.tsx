import { useEffect } from 'react';
import { Button } from '../../../src/ui/Button.tsx';
import { Icon } from '../../../src/ui/Icon.tsx';
import { useMessages } from '../../../src/ui/messages.tsx';
import { type Api, useApi } from '../api/api.ts';
import type { Overview } from '../api/contract.ts';
import { address } from '../lib/route.ts';
import { count, duration, time } from '../lib/words.ts';
import { type Action, useAct } from '../ui/actions.tsx';
import { resumeProvider, resumeWhat } from './actions.ts';

interface Condition {
  key: string;
  tone: 'warn' | 'bad';
  title: string;
  text: string;
  /** What can be done about it here. */
  act?: { label: string; action: Action };
  /** Where more of it is. */
  to?: { label: string; address: string };
}

const REASONS = {
  throttled: 'It asks for fewer requests (429).',
  account: 'It refuses this account: look at its token, its bill and its limits.',
  outage: 'It does not answer, or with errors of its own.',
};

/**
 * What is not as it should be, and what can be done about it. That something is new is read out once; the ages in the
 * sentences change all the time and are not.
 */
export function Conditions({ overview }: { overview: Overview }) {
  const { call } = useApi();
  const { announce } = useMessages();
  const act = useAct();
  const all = conditionsOf(overview, call);
  const titles = all.map(({ title }) => title).join('. ');
  useEffect(() => {
    if (titles) announce(titles);
  }, [titles, announce]);
  if (all.length === 0) return null;
  return (
    <ul className="conditions" aria-label="What needs attention">
      {all.map(({ key, tone, title, text, act: offer, to }) => (
        <li key={key} className={`banner ${tone}`}>
          <Icon name="alert" />
          <div className="banner-text">
            <strong>{title}</strong>
            <p>{text}</p>
          </div>
          {to && (
            <a className="button plain" href={to.address}>
              {to.label}
            </a>
          )}
          {offer && <Button onClick={() => act(offer.action)}>{offer.label}</Button>}
        </li>
      ))}
    </ul>
  );
}

/** The most urgent first. */
export function conditionsOf(overview: Overview, call: Api['call']): Condition[] {
  const { provider, holds, cron, outputs, budget, refused_models: refused, totals } = overview;
  const all: Condition[] = [];
  if (cron.lag_seconds === null || cron.lag_seconds > 180)
    all.push({
      key: 'cron',
      tone: 'bad',
      title: 'The cron does not run',
      text:
        cron.lag_seconds === null
          ? 'It has never run: lost leases are not taken over and due jobs are claimed late. See whether process-jobs is deployed with its trigger.'
          : `Its last run was ${duration(cron.lag_seconds)} ago, and it runs each minute. See the logs of process-jobs.`,
      to: { label: 'Cron', address: address('cron') },
    });
  if (provider.paused_until || provider.is_probing)
    all.push({
      key: 'provider',
      tone: 'bad',
      title: provider.is_probing ? 'The provider is being tried again' : 'Nothing is created at the provider',
      text: `${provider.reason ? REASONS[provider.reason] : ''}${provider.paused_since ? ` Since ${time(provider.paused_since)}` : ''}${provider.paused_until ? `, until ${time(provider.paused_until)}` : ''}${provider.code ? ` (status ${provider.code})` : ''}.`,
      act: { label: 'Try now', action: resumeProvider(call) },
    });
  if (holds.queue)
    all.push({
      key: 'queue',
      tone: 'warn',
      title: 'The queue is paused',
      text: 'Starts are accepted and wait.',
      act: { label: 'Resume the queue', action: resumeWhat(call, { p_what: 'queue' }) },
    });
  for (const name of holds.job_types)
    all.push({
      key: `type ${name}`,
      tone: 'warn',
      title: `${name} jobs are paused`,
      text: 'They wait until somebody resumes them.',
      act: { label: 'Resume', action: resumeWhat(call, { p_what: 'job_type', p_name: name }) },
    });
  for (const name of holds.models)
    all.push({
      key: `model ${name}`,
      tone: 'warn',
      title: `The model ${name} is paused`,
      text: 'Its generations wait until somebody resumes it.',
      act: { label: 'Resume', action: resumeWhat(call, { p_what: 'model', p_name: name }) },
    });
  for (const { model, status, since, until, refusals } of refused)
    all.push({
      key: `refused ${model}`,
      tone: 'warn',
      title: `The provider refuses ${model}`,
      text: `With status ${status}, ${count(refusals, 'time')} since ${time(since)}. Starts with it are refused until ${time(until)}.`,
      act: { label: 'Try again', action: resumeWhat(call, { p_what: 'model', p_name: model }) },
    });
  if (outputs.at_risk > 0)
    all.push({
      key: 'outputs',
      tone: 'bad',
      title: `${count(outputs.at_risk, 'image')} made and not stored`,
      text: `The provider deletes the oldest in ${duration(outputs.seconds_left ?? 0)}. See whether Storage answers.`,
      to: {
        label: 'Downloads',
        address: address('jobs', undefined, { state: 'scheduled', type: 'download-image' }),
      },
    });
  if (budget.state === 'near' || budget.state === 'exhausted')
    all.push({
      key: 'budget',
      tone: budget.state === 'near' ? 'warn' : 'bad',
      title: budget.state === 'near' ? 'The budget is nearly spent' : 'The budget is spent',
      text:
        budget.state === 'near'
          ? 'Over 80 % of a day or a month. Starts are refused once it is spent.'
          : 'Starts are refused until the next day or month, or until it is raised.',
      to: { label: 'Budget', address: address('plans') },
    });
  if (totals.stuck > 0)
    all.push({
      key: 'stuck',
      tone: 'warn',
      title: `${count(totals.stuck, 'job')} running for over ten minutes`,
      text: 'A slow model, or a webhook that does not come.',
      to: { label: 'Stuck jobs', address: address('jobs', undefined, { state: 'stuck' }) },
    });
  return all;
}
