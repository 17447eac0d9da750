import { Button } from '../../../src/ui/Button.tsx';
import { type Api, given, useApi, useAsk } from '../api/api.ts';
import type { AuditAction, AuditEntry } from '../api/contract.ts';
import { useRoute } from '../lib/route.ts';
import { type Action, useAct } from '../ui/actions.tsx';
import { Pager, Select, TextFilter } from '../ui/filters.tsx';
import { Answered, Head } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { At, Id, Tag } from '../ui/values.tsx';

const ACTIONS: Record<AuditAction, string> = {
  cancel_job: 'Cancelled a job',
  cancel_generation: 'Cancelled a generation',
  requeue_job: 'Requeued a job',
  requeue_jobs: 'Requeued many jobs',
  pause: 'Paused',
  resume: 'Resumed',
  switch_model: 'Switched a model',
  set_user_plan: 'Changed a user’s plan',
  save_plan: 'Saved a plan',
  delete_plan: 'Deleted a plan',
  set_budget: 'Changed the budget',
  set_alert_rule: 'Changed a rule of alerts',
  set_alert_receiver: 'Saved a receiver of alerts',
  delete_alert_receiver: 'Deleted a receiver of alerts',
  test_alert_receiver: 'Tested a receiver of alerts',
};

const isAction = (name: string | null): name is AuditAction => name !== null && Object.hasOwn(ACTIONS, name);

/** Who did what, when and why; and the way back. */
export function Audit() {
  const { query } = useRoute();
  const { call } = useApi();
  const act = useAct();
  const action = query.get('action');
  const args = given({
    p_action: isAction(action) ? action : undefined,
    p_actor: query.get('actor') ?? '',
    p_target: query.get('target') ?? '',
    p_cursor: query.get('cursor') ?? '',
  }) as { p_action?: AuditAction; p_actor?: string; p_target?: string; p_cursor?: string };
  const page = useAsk('admin_audit', args, 5_000);
  return (
    <>
      <Head
        title="Audit"
        lead="Who did what with the queue, when and why. What can be undone can be undone here."
      />
      <div className="filters">
        <Select label="Action" name="action" choices={[['', 'All'], ...Object.entries(ACTIONS)]} />
        <TextFilter label="Who: user’s id" name="actor" />
        <TextFilter label="What: job, generation, user, model, plan" name="target" />
      </div>
      <Answered polled={page}>
        {({ entries, next_cursor: next }) => (
          <>
            <Table
              caption="Actions"
              columns={columns((entry) => act(undo(call, entry)))}
              rows={entries}
              keyOf={({ id }) => String(id)}
              empty="Nobody has done anything yet."
            />
            <Pager next={next} />
          </>
        )}
      </Answered>
    </>
  );
}

const columns = (takeBack: (entry: AuditEntry) => void): Column<AuditEntry>[] => [
  { title: 'No.', head: true, numeric: true, cell: ({ id }) => String(id) },
  { title: 'When', cell: ({ at }) => <At time={at} /> },
  {
    title: 'Who',
    cell: ({ actor, actor_email: email, role }) => (
      <span translate="no">
        {email ?? actor ?? (role === 'service_role' ? 'a server' : `SQL, as ${role}`)}
      </span>
    ),
  },
  {
    title: 'What',
    cell: ({ action, undoes }) => (
      <span className="with-tag">
        <span>{ACTIONS[action] ?? action}</span>
        {undoes !== null && <Tag>{`undoes no. ${undoes}`}</Tag>}
      </span>
    ),
  },
  { title: 'Of', cell: ({ action, target }) => <Target action={action} target={target} /> },
  { title: 'Reason', cell: ({ reason }) => <span translate="no">{reason}</span> },
  { title: 'Changed', cell: ({ before, after }) => <Changes before={before} after={after} /> },
  {
    title: 'Way back',
    cell: (entry) => {
      if (entry.undone_by !== null) return <Tag>{`undone by no. ${entry.undone_by}`}</Tag>;
      if (!entry.is_undoable) return '–';
      return (
        <Button kind="quiet" aria-label={`Undo no. ${entry.id}`} onClick={() => takeBack(entry)}>
          Undo
        </Button>
      );
    },
  },
];

/** What it was done to; a pause of everything and the budget have no name. */
function Target({ action, target }: Pick<AuditEntry, 'action' | 'target'>) {
  if (!target) return action === 'pause' || action === 'resume' ? 'the queue' : '–';
  if (action === 'cancel_job' || action === 'requeue_job') return <Id kind="job" id={target} />;
  if (action === 'cancel_generation') return <Id kind="generation" id={target} />;
  if (action === 'set_user_plan') return <Id kind="user" id={target} />;
  return <span translate="no">{target}</span>;
}

type Values = Record<string, unknown> | null;

/** What an action has changed, value by value. */
function Changes({ before, after }: { before: Values; after: Values }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const changed = names.filter((name) => JSON.stringify(before?.[name]) !== JSON.stringify(after?.[name]));
  if (changed.length === 0) return <span>–</span>;
  return (
    <ul className="changes" translate="no">
      {changed.map((name) => (
        <li key={name}>{`${name}: ${shown(before?.[name])} → ${shown(after?.[name])}`}</li>
      ))}
    </ul>
  );
}

const shown = (value: unknown): string =>
  value === undefined || value === null ? '–' : typeof value === 'string' ? value : JSON.stringify(value);

const undo = (call: Api['call'], { id, action }: AuditEntry): Action => ({
  title: `Undo no. ${id}?`,
  text: `${ACTIONS[action] ?? action}: what it changed becomes what it was. It is refused if that has changed since.`,
  confirm: 'Undo it',
  run: (reason) => call('admin_undo', { p_audit_id: id, p_reason: reason }),
  done: () => 'It is as it was before.',
});
