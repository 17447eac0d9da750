import { Button } from '../../../src/ui/Button.tsx';
import { useApi, useAsk } from '../api/api.ts';
import type { AlertReceiver, AlertRule, Alerts as Answer, Severity } from '../api/contract.ts';
import { runbook } from '../lib/runbook.ts';
import { briefly, number, or } from '../lib/words.ts';
import { useAct } from '../ui/actions.tsx';
import { Answered, Head, Panel } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { Age, At, Status, Tag } from '../ui/values.tsx';
import { changeRule, deleteReceiver, saveReceiver, testReceiver } from './alert-actions.tsx';

/** What is wrong now, when that is told, and whom. */
export function Alerts() {
  const { call } = useApi();
  const act = useAct();
  const alerts = useAsk('admin_alerts', {}, 5_000);
  return (
    <>
      <Head
        title="Alerts"
        lead="What is wrong now, when that is told, and whom. The cron compares once a minute."
      />
      <Answered polled={alerts}>
        {({ rules, receivers, notices }) => (
          <>
            <Panel
              title="Open"
              lead="What to do about each is in the page of the documentation that it names."
            >
              <Table
                caption="Open alerts"
                columns={OPEN}
                rows={rules.filter(({ state }) => state !== 'clear')}
                keyOf={({ name }) => name}
                empty="Nothing is wrong."
              />
            </Panel>
            <Panel
              title="Rules"
              lead="An alert is open once its value has been beyond the threshold for so long."
            >
              <Table
                caption="Rules"
                columns={rulesWith((rule) => act(changeRule(call, rule)))}
                rows={rules}
                keyOf={({ name }) => name}
                empty="There is none."
              />
            </Panel>
            <Panel
              title="Receivers"
              lead="Whom alerts are sent to. Of an address only the host is shown, and never a secret."
              tools={
                <Button icon="add" onClick={() => act(saveReceiver(call))}>
                  Add a receiver
                </Button>
              }
            >
              <Table
                caption="Receivers"
                columns={receiversWith({
                  test: (name) => act(testReceiver(call, name)),
                  change: (receiver) => act(saveReceiver(call, receiver)),
                  remove: (name) => act(deleteReceiver(call, name)),
                })}
                rows={receivers}
                keyOf={({ name }) => name}
                empty="Nobody is told: alerts are here and in the log alone."
              />
            </Panel>
            <Panel title="Notices" lead="The last 50 that were sent.">
              <Table
                caption="Notices"
                columns={NOTICES}
                rows={notices}
                keyOf={({ at, receiver, kind, rule }) => `${at} ${receiver} ${kind} ${rule}`}
                empty="None was sent."
              />
            </Panel>
          </>
        )}
      </Answered>
    </>
  );
}

const Grade = ({ of }: { of: Severity }) => <Tag tone={of === 'critical' ? 'bad' : 'warn'}>{of}</Tag>;

const WORDS = { over: 'over', at_least: 'at least', under: 'under' } as const;
/** `over 50`, `under 90`. */
const bound = ({ comparison, threshold }: AlertRule) => `${WORDS[comparison]} ${number(threshold)}`;

const titled: Column<AlertRule> = {
  title: 'Alert',
  head: true,
  cell: ({ name, title }) => (
    <span className="with-tag">
      <span>{title}</span>
      <code translate="no">{name}</code>
    </span>
  ),
};

const OPEN: Column<AlertRule>[] = [
  titled,
  { title: 'Severity', cell: ({ severity }) => <Grade of={severity} /> },
  {
    title: 'Since',
    cell: ({ state, opened_at: opened, pending_since: pending }) => (
      <span className="with-tag">
        <Age since={opened ?? pending} />
        {state === 'pending' && <Tag>not for long enough yet</Tag>}
      </span>
    ),
  },
  { title: 'Value', numeric: true, cell: ({ value }) => or(value, number) },
  { title: 'Alerts when', cell: bound },
  { title: 'It says', cell: ({ detail }) => <span translate="no">{detail ?? '–'}</span> },
  { title: 'What to do', cell: ({ name }) => <code translate="no">{runbook(name)}</code> },
];

const rulesWith = (change: (rule: AlertRule) => void): Column<AlertRule>[] => [
  titled,
  { title: 'State', cell: ({ state, is_on: isOn }) => (isOn ? <State of={state} /> : <Tag>off</Tag>) },
  { title: 'Severity', cell: ({ severity }) => <Grade of={severity} /> },
  { title: 'Alerts when', cell: bound },
  { title: 'Must hold', cell: ({ holds_seconds: holds }) => (holds === 0 ? '–' : briefly(holds)) },
  {
    title: 'Told again',
    cell: ({ repeats_seconds: repeats }) => (repeats === null ? 'never' : `every ${briefly(repeats)}`),
  },
  {
    title: 'Actions',
    hideTitle: true,
    cell: (rule) => (
      <Button kind="quiet" aria-label={`Change the rule ${rule.name}`} onClick={() => change(rule)}>
        Change
      </Button>
    ),
  },
];

const State = ({ of }: { of: AlertRule['state'] }) => (
  <Tag tone={of === 'open' ? 'bad' : of === 'pending' ? 'warn' : 'good'}>{of}</Tag>
);

interface ReceiverActs {
  test: (name: string) => void;
  change: (receiver: AlertReceiver) => void;
  remove: (name: string) => void;
}

const receiversWith = ({ test, change, remove }: ReceiverActs): Column<AlertReceiver>[] => [
  {
    title: 'Receiver',
    head: true,
    cell: ({ name, is_on: isOn }) => (
      <span className="with-tag" translate="no">
        <span>{name}</span>
        {!isOn && <Tag>off</Tag>}
      </span>
    ),
  },
  { title: 'Kind', cell: ({ kind }) => kind },
  { title: 'Host', cell: ({ host }) => <span translate="no">{host}</span> },
  { title: 'Gets', cell: ({ least_severity: least }) => (least === 'critical' ? 'critical ones' : 'all') },
  { title: 'Label', cell: ({ label }) => <span translate="no">{label ?? '–'}</span> },
  {
    title: 'Last notice',
    cell: ({ last_notice: last }) =>
      last ? (
        <span className="with-tag">
          <At time={last.at} />
          <Status of={last.status} />
          {typeof last.attempt?.status === 'number' && <span>{`answered ${last.attempt.status}`}</span>}
        </span>
      ) : (
        '–'
      ),
  },
  {
    title: 'Actions',
    hideTitle: true,
    cell: (receiver) => (
      <span className="cell-tools">
        <Button kind="quiet" aria-label={`Test ${receiver.name}`} onClick={() => test(receiver.name)}>
          Test
        </Button>
        <Button kind="quiet" aria-label={`Change ${receiver.name}`} onClick={() => change(receiver)}>
          Change
        </Button>
        <Button kind="quiet" aria-label={`Delete ${receiver.name}`} onClick={() => remove(receiver.name)}>
          Delete
        </Button>
      </span>
    ),
  },
];

const NOTICES: Column<Answer['notices'][number]>[] = [
  { title: 'When', head: true, cell: ({ at }) => <At time={at} /> },
  { title: 'What', cell: ({ kind }) => kind },
  { title: 'Rule', cell: ({ rule }) => <span translate="no">{rule ?? '–'}</span> },
  { title: 'Receiver', cell: ({ receiver }) => <span translate="no">{receiver}</span> },
  { title: 'Came', cell: ({ status }) => <Status of={status} /> },
];
