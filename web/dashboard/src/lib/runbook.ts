const FOLDER = 'docs/operations';

/** The page of the documentation that says what to do about an alert, by the rule's name. */
const PAGES: Record<string, string> = {
  budget_near: 'runbook/budget.md',
  budget_used_up: 'runbook/budget.md',
  cron_stopped: 'runbook/cron-stopped.md',
  model_refused: 'runbook/model-refused.md',
  outputs_at_risk: 'runbook/outputs-at-risk.md',
  provider_down: 'runbook/provider-outage.md',
  provider_refuses: 'runbook/provider-refuses.md',
  queue_depth: 'runbook/queue-depth.md',
  realtime_unread: 'runbook/realtime-unread.md',
  stuck_jobs: 'runbook/stuck-jobs.md',
  success_rate: 'runbook/success-rate.md',
  webhooks_failing: 'runbook/webhooks-failing.md',
};

/** From the root of the repository: the page has no address of its own on an installation. */
export const runbook = (rule: string): string => `${FOLDER}/${PAGES[rule] ?? 'alerts.md'}`;
