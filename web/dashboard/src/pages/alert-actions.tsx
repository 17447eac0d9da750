import { useState } from 'react';
import type { Api } from '../api/api.ts';
import type { AlertReceiver, AlertRule, ReceiverKind, Severity } from '../api/contract.ts';
import type { Action } from '../ui/actions.tsx';
import { Field, Pick } from '../ui/fields.tsx';

/** What is done with rules of alerts and with those who are told, in words. */

type Call = Api['call'];

const SWITCH = [
  ['on', 'On'],
  ['off', 'Off'],
] as const;

const textOf = (form: FormData, name: string) => String(form.get(name) ?? '').trim();

export const changeRule = (call: Call, rule: AlertRule): Action => ({
  title: `Change the rule ${rule.name}?`,
  text: 'It counts from the next run of the cron on. A rule that is switched off resolves its alert.',
  confirm: 'Change the rule',
  fields: (
    <>
      <Field
        label="Threshold"
        name="threshold"
        type="number"
        step="any"
        required
        value={String(rule.threshold)}
      />
      <Field
        label="Must hold, seconds"
        name="holds"
        type="number"
        min={0}
        max={86_400}
        step={1}
        required
        value={String(rule.holds_seconds)}
      />
      <Field
        label="Told again every so many seconds"
        name="repeats"
        type="number"
        min={0}
        max={2_592_000}
        step={1}
        required
        hint="From 300 on. 0: never again while it is open."
        value={String(rule.repeats_seconds ?? 0)}
      />
      <Pick
        label="Severity"
        name="severity"
        value={rule.severity}
        choices={[
          ['warning', 'Warning'],
          ['critical', 'Critical'],
        ]}
      />
      <Pick label="The rule is" name="on" value={rule.is_on ? 'on' : 'off'} choices={SWITCH} />
    </>
  ),
  run: (reason, form) =>
    call('admin_set_alert_rule', {
      p_name: rule.name,
      p_reason: reason,
      p_threshold: Number(form.get('threshold')),
      p_holds_seconds: Number(form.get('holds')),
      p_repeats_seconds: Number(form.get('repeats')),
      p_severity: form.get('severity') as Severity,
      p_is_on: form.get('on') === 'on',
    }),
  done: () => 'The rule is changed.',
});

const KINDS: readonly (readonly [ReceiverKind, string])[] = [
  ['slack', 'Slack'],
  ['discord', 'Discord'],
  ['json', 'A server: signed JSON'],
  ['email', 'E-mail, by a mailer'],
];

export function saveReceiver(call: Call, receiver?: AlertReceiver): Action {
  return {
    title: receiver ? `Change the receiver ${receiver.name}?` : 'Add a receiver?',
    text: receiver
      ? 'An empty address, secret or body stays as it is: they are never shown.'
      : 'The address, the secret and the body are never shown again.',
    confirm: receiver ? 'Change the receiver' : 'Add the receiver',
    fields: <ReceiverFields receiver={receiver} />,
    run: async (reason, form) => {
      const given = (name: string) => textOf(form, name) || undefined;
      const [url, secret] = [given('url'), given('secret')];
      const [header, template] = [given('header'), given('template')];
      return call('admin_set_alert_receiver', {
        p_name: receiver?.name ?? textOf(form, 'name'),
        p_reason: reason,
        p_kind: form.get('kind') as ReceiverKind,
        ...(url && { p_url: url }),
        ...(secret && { p_secret: secret }),
        ...(header && { p_header: header }),
        ...(template && { p_template: readTemplate(template) }),
        p_label: textOf(form, 'label'),
        p_least_severity: form.get('least') as Severity,
        p_is_on: form.get('on') === 'on',
      });
    },
    done: () => (receiver ? 'The receiver is changed.' : 'The receiver is added. Test it.'),
  };
}

/** What is asked depends on the kind: only a server and a mailer have a secret. */
function ReceiverFields({ receiver }: { receiver: AlertReceiver | undefined }) {
  const [kind, choose] = useState<string>(receiver?.kind ?? 'slack');
  return (
    <>
      {!receiver && (
        <Field
          label="Name"
          name="name"
          value=""
          hint="a to z, 0 to 9, _ and -, such as ops-slack."
          required
        />
      )}
      <Pick label="Kind" name="kind" value={receiver?.kind ?? 'slack'} choices={KINDS} onChoose={choose} />
      <Field
        label="Address"
        name="url"
        value=""
        hint={
          kind === 'email'
            ? 'The mailer’s, such as https://api.resend.com/emails.'
            : 'A public https address.'
        }
        required={!receiver}
      />
      {(kind === 'json' || kind === 'email') && (
        <Field
          label={kind === 'json' ? 'Secret' : 'Token'}
          name="secret"
          type="password"
          value=""
          hint={
            kind === 'json'
              ? 'Signs what is sent: whsec_ and 24 to 64 bytes in base64.'
              : 'The mailer’s, which is sent with each e-mail.'
          }
        />
      )}
      {kind === 'email' && (
        <>
          <Field
            label="Header of the token"
            name="header"
            value=""
            hint="Where it is not authorization, such as x-postmark-server-token."
          />
          <Field
            label="Body"
            name="template"
            value=""
            hint="The mailer’s JSON, with {subject} and {text} in its texts."
          />
        </>
      )}
      <Field
        label="Label"
        name="label"
        value={receiver?.label ?? ''}
        hint="What its notices begin with, such as staging."
      />
      <Pick
        label="Gets"
        name="least"
        value={receiver?.least_severity ?? 'warning'}
        choices={[
          ['warning', 'All alerts'],
          ['critical', 'Critical ones'],
        ]}
      />
      <Pick
        label="The receiver is"
        name="on"
        value={receiver?.is_on === false ? 'off' : 'on'}
        choices={SWITCH}
      />
    </>
  );
}

function readTemplate(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('The body must be JSON, such as {"to": "ops@example.com", "text": "{text}"}.');
  }
}

export const testReceiver = (call: Call, name: string): Action => ({
  title: `Test ${name}?`,
  text: 'It is sent a notice that says so. What comes of it is in the list within two minutes.',
  confirm: 'Send a test',
  run: (reason) => call('admin_test_alert_receiver', { p_name: name, p_reason: reason }),
  done: () => 'The test is on its way.',
});

export const deleteReceiver = (call: Call, name: string): Action => ({
  title: `Delete the receiver ${name}?`,
  text: 'It is sent nothing more, and the list of its notices goes with it. This cannot be undone.',
  confirm: 'Delete the receiver',
  run: (reason) => call('admin_delete_alert_receiver', { p_name: name, p_reason: reason }),
  done: () => 'The receiver is deleted.',
});
