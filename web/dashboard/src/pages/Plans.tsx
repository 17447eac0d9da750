import { Button } from '../../../src/ui/Button.tsx';
import { type Api, useApi, useAsk } from '../api/api.ts';
import type { Budget, Plan } from '../api/contract.ts';
import { money, number } from '../lib/words.ts';
import { type Action, useAct } from '../ui/actions.tsx';
import { Field } from '../ui/fields.tsx';
import { Answered, Head, Panel } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { Facts, Meter } from '../ui/values.tsx';

/** What users may do, and what the whole installation may spend. */
export function Plans() {
  const { call } = useApi();
  const act = useAct();
  const plans = useAsk('admin_plans', {}, 15_000);
  return (
    <>
      <Head title="Plans and budget" lead="What each user may do, and what all together may spend.">
        <Button icon="add" onClick={() => act(savePlan(call))}>
          Add a plan
        </Button>
      </Head>
      <Answered polled={plans}>
        {(data) => (
          <>
            <BudgetPanel budget={data.budget} change={() => act(setBudget(call, data.budget))} />
            <Panel title="Plans" lead="Days are UTC days. A dash is no limit.">
              <Table
                caption="Plans"
                columns={columns(
                  (plan) => act(savePlan(call, plan)),
                  (plan) => act(deletePlan(call, plan)),
                )}
                rows={data.plans}
                keyOf={({ name }) => name}
                empty="There is none."
              />
            </Panel>
          </>
        )}
      </Answered>
    </>
  );
}

function BudgetPanel({ budget, change }: { budget: Budget; change: () => void }) {
  const spent = (amount: number, most: number | null) =>
    most === null ? `${money(amount)}, no budget` : `${money(amount)} of ${money(most)}`;
  const day = spent(budget.spent_today_usd, budget.per_day_usd);
  const month = spent(budget.spent_this_month_usd, budget.per_month_usd);
  return (
    <Panel
      title="Budget"
      lead="What the provider may be paid. Starts are refused once it is spent."
      tools={<Button onClick={change}>Change the budget</Button>}
    >
      <Facts
        facts={[
          ['Today', day],
          ['This month', month],
          ['Reserved', budget.reserved_usd === null ? null : money(budget.reserved_usd)],
        ]}
      />
      {budget.per_day_usd !== null && (
        <Meter label="Spent today" value={budget.spent_today_usd} most={budget.per_day_usd} says={day} />
      )}
      {budget.per_month_usd !== null && (
        <Meter
          label="Spent this month"
          value={budget.spent_this_month_usd}
          most={budget.per_month_usd}
          says={month}
        />
      )}
    </Panel>
  );
}

const limit = (value: number | null, say: (value: number) => string = number) =>
  value === null ? '–' : say(value);

const columns = (change: (plan: Plan) => void, remove: (plan: Plan) => void): Column<Plan>[] => [
  { title: 'Plan', head: true, cell: ({ name }) => <span translate="no">{name}</span> },
  { title: 'Requests a minute', numeric: true, cell: (plan) => limit(plan.requests_per_minute) },
  { title: 'Images a day', numeric: true, cell: (plan) => limit(plan.images_per_day) },
  { title: 'Money a day', numeric: true, cell: (plan) => limit(plan.money_per_day, money) },
  { title: 'Slots', numeric: true, cell: (plan) => limit(plan.running_jobs) },
  { title: 'Stored sources', numeric: true, cell: (plan) => limit(plan.stored_sources) },
  { title: 'Priorities', cell: (plan) => plan.priorities.join(', ') },
  { title: 'Users given it', numeric: true, cell: (plan) => number(plan.users) },
  {
    title: 'Actions',
    hideTitle: true,
    cell: (plan) => (
      <span className="cell-tools">
        <Button kind="quiet" aria-label={`Change the plan ${plan.name}`} onClick={() => change(plan)}>
          Change
        </Button>
        {plan.name !== 'default' && (
          <Button kind="quiet" aria-label={`Delete the plan ${plan.name}`} onClick={() => remove(plan)}>
            Delete
          </Button>
        )}
      </span>
    ),
  },
];

const PRIORITIES = ['low', 'normal', 'high'] as const;
const LIMITS = [
  ['requests_per_minute', 'Requests a minute', 1],
  ['images_per_day', 'Images a day', 1],
  ['money_per_day', 'US dollars a day', 'any'],
  ['running_jobs', 'Slots: jobs of one type at once', 1],
  ['stored_sources', 'Stored source images', 1],
] as const;

const amount = (form: FormData, name: string): number | null => {
  const text = String(form.get(name) ?? '').trim();
  return text === '' ? null : Number(text);
};

function savePlan(call: Api['call'], plan?: Plan): Action {
  return {
    title: plan ? `Change the plan ${plan.name}?` : 'Add a plan?',
    text: plan
      ? 'It counts from the next request of each of its users on. An empty field is no limit.'
      : 'Users are given it on the users page. An empty field is no limit.',
    confirm: plan ? 'Change the plan' : 'Add the plan',
    fields: (
      <>
        {!plan && <Field label="Name" name="name" value="" required />}
        {LIMITS.map(([name, label, step]) => (
          <Field
            key={name}
            label={label}
            name={name}
            type="number"
            min={0}
            step={step}
            value={plan ? String(plan[name] ?? '') : ''}
          />
        ))}
        <fieldset className="checks">
          <legend>Priorities</legend>
          {PRIORITIES.map((name) => (
            <label key={name}>
              <input
                type="checkbox"
                name="priorities"
                value={name}
                defaultChecked={plan ? plan.priorities.includes(name) : true}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
      </>
    ),
    run: (reason, form) =>
      call('admin_save_plan', {
        p_plan: {
          name: plan?.name ?? String(form.get('name')).trim(),
          requests_per_minute: amount(form, 'requests_per_minute'),
          images_per_day: amount(form, 'images_per_day'),
          money_per_day: amount(form, 'money_per_day'),
          running_jobs: amount(form, 'running_jobs'),
          stored_sources: amount(form, 'stored_sources'),
          priorities: PRIORITIES.filter((name) => form.getAll('priorities').includes(name)),
        },
        p_reason: reason,
      }),
    done: () => (plan ? 'The plan is changed.' : 'The plan is there.'),
  };
}

const deletePlan = (call: Api['call'], plan: Plan): Action => ({
  title: `Delete the plan ${plan.name}?`,
  text: 'Only a plan that no user has can be deleted.',
  confirm: 'Delete the plan',
  run: (reason) => call('admin_delete_plan', { p_name: plan.name, p_reason: reason }),
  done: () => 'The plan is deleted.',
});

const setBudget = (call: Api['call'], budget: Budget): Action => ({
  title: 'Change the budget?',
  text: 'What the provider may be paid, by UTC days and months. An empty field is no budget.',
  confirm: 'Change the budget',
  fields: (
    <>
      <Field
        label="US dollars a day"
        name="day"
        type="number"
        min={0}
        step="any"
        value={String(budget.per_day_usd ?? '')}
      />
      <Field
        label="US dollars a month"
        name="month"
        type="number"
        min={0}
        step="any"
        value={String(budget.per_month_usd ?? '')}
      />
    </>
  ),
  run: (reason, form) =>
    call('admin_set_budget', {
      p_per_day_usd: amount(form, 'day'),
      p_per_month_usd: amount(form, 'month'),
      p_reason: reason,
    }),
  done: () => 'The budget is changed.',
});
