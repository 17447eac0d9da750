import { Button } from '../../../src/ui/Button.tsx';
import { type Api, given, useApi, useAsk } from '../api/api.ts';
import type { User } from '../api/contract.ts';
import { address, useRoute } from '../lib/route.ts';
import { date, money, NONE, number } from '../lib/words.ts';
import { type Action, useAct } from '../ui/actions.tsx';
import { Pick } from '../ui/fields.tsx';
import { Pager, Select, TextFilter } from '../ui/filters.tsx';
import { Answered, Head } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { Age, brief, Tag } from '../ui/values.tsx';

const SORTS = [
  ['cost_month', 'Spend this month'],
  ['cost_today', 'Spend today'],
  ['images_month', 'Images this month'],
  ['images_today', 'Images today'],
  ['slots', 'Slots taken now'],
] as const;

/** Who uses it, how much, and what they may. */
export function Users() {
  const { query } = useRoute();
  const { call } = useApi();
  const act = useAct();
  const sort = SORTS.find(([name]) => name === query.get('sort'))?.[0] ?? 'cost_month';
  const search = query.get('search') ?? '';
  const args = { p_sort: sort, ...given({ p_search: search, p_cursor: query.get('cursor') ?? '' }) };
  const page = useAsk('admin_users', args, 10_000);
  const plans = useAsk('admin_plans', {}, 0);
  const names = plans.data?.plans.map(({ name }) => name) ?? ['default'];
  return (
    <>
      <Head
        title="Users"
        lead="By what of theirs has ended, in UTC days and months, or by what is under way now."
      >
        <a className="button plain" href={address('plans')}>
          Plans
        </a>
      </Head>
      <div className="filters">
        <Select label="Order" name="sort" choices={SORTS} />
        <TextFilter label="Id or whole email address" name="search" submit="Search" />
      </div>
      <Answered polled={page}>
        {({ users, next_cursor: next }) => (
          <>
            <Table
              caption="Users"
              columns={columns((user) => act(changePlan(call, user, names)))}
              rows={users}
              keyOf={({ id }) => id}
              empty={
                search
                  ? 'No such user. An email address has to be whole.'
                  : sort === 'slots'
                    ? 'Nothing of anybody is under way.'
                    : 'Nothing of anybody has ended in this time.'
              }
            />
            <Pager next={next} />
          </>
        )}
      </Answered>
    </>
  );
}

const of = (used: string, most: number | null, say: (most: number) => string) =>
  most === null ? used : `${used} of ${say(most)}`;

/** How long a job of the user's has been blocked; leads to all of them. */
const Blocked = ({ user }: { user: User }) =>
  user.blocked_since ? (
    <a className="number-link" href={address('jobs', undefined, { state: 'blocked', user: user.id })}>
      <Age since={user.blocked_since} />
    </a>
  ) : (
    NONE
  );

const columns = (change: (user: User) => void): Column<User>[] => [
  {
    title: 'User',
    head: true,
    cell: (user) => (
      <span className="user-cell">
        <a href={address('users', undefined, { search: user.id })} translate="no">
          {user.email ?? user.id}
        </a>
        <code title={user.id} translate="no">
          {brief(user.id)}
        </code>
        {user.is_admin && <Tag>admin</Tag>}
        {user.is_banned && <Tag tone="bad">banned</Tag>}
      </span>
    ),
  },
  { title: 'Since', cell: (user) => (user.created_at ? <span>{date(user.created_at)}</span> : NONE) },
  { title: 'Plan', cell: (user) => <span translate="no">{user.plan}</span> },
  {
    title: 'Asked for today',
    numeric: true,
    cell: (user) => of(number(user.images_today), user.images_per_day, number),
  },
  {
    title: 'Money today',
    numeric: true,
    cell: (user) => of(money(user.cost_today_usd), user.money_per_day, money),
  },
  { title: 'Slots', numeric: true, cell: (user) => of(number(user.slots_taken), user.running_jobs, number) },
  { title: 'Blocked for', numeric: true, cell: (user) => <Blocked user={user} /> },
  {
    title: 'Ended this month',
    numeric: true,
    cell: ({ this_month: month }) => (
      <span className="user-cell">
        <span>{`${number(month.completed)} completed`}</span>
        <span className="hint">{`${number(month.failed)} failed, ${number(month.cancelled)} cancelled`}</span>
      </span>
    ),
  },
  { title: 'Cost this month', numeric: true, cell: ({ this_month: month }) => money(month.cost_usd) },
  {
    title: 'Actions',
    hideTitle: true,
    cell: (user) => (
      <span className="cell-tools">
        <Button
          kind="quiet"
          aria-label={`Change plan: ${user.email ?? user.id}`}
          onClick={() => change(user)}
        >
          Change plan
        </Button>
        <a className="text-link" href={address('jobs', undefined, { user: user.id })}>
          Jobs
        </a>
        <a className="text-link" href={address('predictions', undefined, { search: user.id })}>
          Ledger
        </a>
      </span>
    ),
  },
];

const changePlan = (call: Api['call'], user: User, names: readonly string[]): Action => ({
  title: `Change the plan of ${user.email ?? user.id}?`,
  text: `It is “${user.plan}” now. The new one counts from the next request on.`,
  confirm: 'Change the plan',
  fields: (
    <Pick label="Plan" name="plan" value={user.plan} choices={names.map((name) => [name, name] as const)} />
  ),
  run: (reason, form) => {
    const plan = String(form.get('plan'));
    return call('admin_set_user_plan', {
      p_user_id: user.id,
      p_plan: plan === 'default' ? null : plan,
      p_reason: reason,
    });
  },
  done: () => 'The plan is changed.',
});
