import { Button } from '../../../src/ui/Button.tsx';
import { useApi, useAsk } from '../api/api.ts';
import type { Model } from '../api/contract.ts';
import { useRoute } from '../lib/route.ts';
import { duration, money, number, or, percent, time } from '../lib/words.ts';
import { useAct } from '../ui/actions.tsx';
import { Select, TextFilter } from '../ui/filters.tsx';
import { Answered, Head } from '../ui/Page.tsx';
import { type Column, Table } from '../ui/Table.tsx';
import { Tag } from '../ui/values.tsx';
import { pauseWhat, resumeWhat, switchModel } from './actions.ts';

/** How often each model is used, how well it does, and what it costs. */
export function Models() {
  const { query } = useRoute();
  const search = (query.get('search') ?? '').toLowerCase();
  const shown = query.get('show') ?? 'all';
  const models = useAsk('admin_models', {}, 10_000);
  const columns = useColumns();
  return (
    <>
      <Head title="Models" lead="Use and success by what has ended; today in UTC." />
      <div className="filters">
        <Select
          label="Show"
          name="show"
          choices={[
            ['all', 'All'],
            ['used', 'Used in 30 days'],
            ['on', 'On'],
            ['off', 'Off, paused or refused'],
          ]}
        />
        <TextFilter label="Name" name="search" submit="Search" />
      </div>
      <Answered polled={models}>
        {({ models: all }) => (
          <Table
            caption="Models"
            columns={columns}
            rows={all.filter(
              (one) =>
                `${one.model} ${one.display_name ?? ''}`.toLowerCase().includes(search) &&
                IS_SHOWN[shown]?.(one) !== false,
            )}
            keyOf={({ model }) => model}
            empty="No such model."
          />
        )}
      </Answered>
    </>
  );
}

const uses = ({ completed, failed, cancelled }: Model['today']) => completed + failed + cancelled;

const IS_SHOWN: Record<string, (model: Model) => boolean> = {
  used: (model) => uses(model.last_30_days) > 0,
  on: (model) => model.is_active,
  off: (model) => !model.is_active || model.is_held || model.refused !== null,
};

function useColumns(): Column<Model>[] {
  const { call } = useApi();
  const act = useAct();
  return [
    {
      title: 'Model',
      head: true,
      cell: (one) => (
        <span className="user-cell">
          <span translate="no">{one.display_name ?? one.model}</span>
          <code translate="no">{one.model}</code>
          <span className="with-tag">
            {one.is_default && <Tag>default</Tag>}
            {!one.is_active && <Tag tone="warn">off</Tag>}
            {one.is_held && <Tag tone="warn">paused</Tag>}
            {one.refused && <Tag tone="bad">{`refused until ${time(one.refused.until)}`}</Tag>}
          </span>
        </span>
      ),
    },
    { title: 'Today', numeric: true, cell: (one) => number(uses(one.today)) },
    { title: '30 days', numeric: true, cell: (one) => number(uses(one.last_30_days)) },
    { title: 'Success, 30 days', numeric: true, cell: (one) => or(one.last_30_days.success_rate, percent) },
    { title: 'Mean time', numeric: true, cell: (one) => or(one.last_30_days.mean_seconds, duration) },
    { title: 'Price', numeric: true, cell: (one) => or(one.usd_per_image, money) },
    { title: 'Cost today', numeric: true, cell: (one) => money(one.today.cost_usd) },
    { title: 'Cost, 30 days', numeric: true, cell: (one) => money(one.last_30_days.cost_usd) },
    {
      title: 'Actions',
      hideTitle: true,
      cell: ({ model, is_active: isActive, is_held: isHeld, refused }) => {
        const what = { p_what: 'model', p_name: model } as const;
        return (
          <span className="cell-tools">
            <Button
              kind="quiet"
              aria-label={`Switch ${isActive ? 'off' : 'on'}: ${model}`}
              onClick={() => act(switchModel(call, model, !isActive))}
            >
              {isActive ? 'Switch off' : 'Switch on'}
            </Button>
            {isHeld || refused ? (
              <Button kind="quiet" aria-label={`Resume ${model}`} onClick={() => act(resumeWhat(call, what))}>
                Resume
              </Button>
            ) : (
              <Button kind="quiet" aria-label={`Pause ${model}`} onClick={() => act(pauseWhat(call, what))}>
                Pause
              </Button>
            )}
          </span>
        );
      },
    },
  ];
}
