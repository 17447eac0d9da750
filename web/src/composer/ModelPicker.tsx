import type { Model, Operation } from 'picture-queue';
import { type KeyboardEvent, useId, useState } from 'react';
import { count, duration, money } from '../lib/format.ts';
import { Dialog } from '../ui/Dialog.tsx';
import { Choices } from '../ui/fields.tsx';
import { Icon } from '../ui/Icon.tsx';

interface ModelPickerProps {
  models: Model[];
  current: string;
  onPick: (id: string) => void;
  onClose: () => void;
}

const GROUPS: [Operation, string][] = [
  ['generate', 'From a prompt'],
  ['edit', 'Edit a picture'],
  ['variation', 'Variations of a picture'],
  ['upscale', 'Upscale a picture'],
  ['remove_background', 'Remove a background'],
];

type Order = 'usual' | 'price' | 'speed';

/** What is not known comes last. */
const ORDERS: Record<Order, (model: Model) => number> = {
  usual: () => 0,
  price: ({ price }) => price?.usd_per_image ?? Number.POSITIVE_INFINITY,
  speed: ({ estimated_seconds }) => estimated_seconds,
};

export function ModelPicker({ models, current, onPick, onClose }: ModelPickerProps) {
  const [search, setSearch] = useState('');
  const [order, setOrder] = useState<Order>('usual');
  const id = useId();
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = models.filter((model) => {
    const text = [model.id, model.name, model.description, ...abilities(model)].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const rank = ORDERS[order];
  // Where both are not known, Infinity less Infinity is no number.
  const sorted = order === 'usual' ? found : found.toSorted((a, b) => rank(a) - rank(b) || 0);
  return (
    <Dialog title="Choose a model" size="large" onClose={onClose}>
      <div className="search">
        <Icon name="search" />
        <input
          id={id}
          type="search"
          aria-label="Search models"
          placeholder="Name, maker or what it can do"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      </div>
      <div className="sort">
        <span className="label" aria-hidden="true">
          Sort by
        </span>
        <Choices
          label="Sort by"
          hideLabel
          value={order}
          choices={[
            { value: 'usual', label: 'Family' },
            { value: 'price', label: 'Price' },
            { value: 'speed', label: 'Speed' },
          ]}
          onChange={setOrder}
        />
      </div>
      <p className="hidden" role="status">
        {count(found.length, 'model')}
      </p>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrows move between the buttons in it. */}
      <div className="models" onKeyDown={moveFocus}>
        {GROUPS.map(([operation, title]) => {
          const group = sorted.filter((model) => model.operation === operation);
          if (group.length === 0) return null;
          return (
            <section key={operation} aria-label={title}>
              <h3>{title}</h3>
              <ul>
                {group.map((model) => (
                  <ModelCard key={model.id} model={model} isCurrent={model.id === current} onPick={onPick} />
                ))}
              </ul>
            </section>
          );
        })}
        {found.length === 0 && <p className="nothing">{`No model matches “${search}”.`}</p>}
      </div>
    </Dialog>
  );
}

interface ModelCardProps {
  model: Model;
  isCurrent: boolean;
  onPick: (id: string) => void;
}

function ModelCard({ model, isCurrent, onPick }: ModelCardProps) {
  const id = useId();
  return (
    <li className="model-card" data-current={isCurrent || undefined}>
      {/* Its area is the whole card's: see .model-card button. */}
      <button
        type="button"
        aria-current={isCurrent || undefined}
        aria-describedby={id}
        onClick={() => onPick(model.id)}
        translate="no"
      >
        {model.name}
      </button>
      {isCurrent && <Icon name="check" />}
      <div className="model-card-more" id={id}>
        <p>{`${model.description}.`}</p>
        <p className="facts">
          {`${model.is_available ? '' : 'Not available right now · '}${model.price ? `${money(model.price.usd_per_image)} a picture` : 'Price not known'} · about ${duration(model.estimated_seconds)}`}
        </p>
        <p className="tags">
          {abilities(model).map((ability) => (
            <span key={ability} className="tag">
              {`${ability} `}
            </span>
          ))}
        </p>
      </div>
    </li>
  );
}

/** What a model supports, in words. */
function abilities({ supports, limits }: Model): string[] {
  const list: [unknown, string][] = [
    [supports.source_image_required, 'starts from a picture'],
    [supports.source_image && !supports.source_image_required, 'can start from a picture'],
    [supports.max_source_images > 1, `up to ${supports.max_source_images} pictures`],
    [supports.mask, 'mask'],
    [supports.scale, supports.scale ? `enlarges up to ${supports.scale.max}×` : ''],
    [supports.strength, 'strength'],
    [supports.steps, 'steps'],
    [supports.guidance, 'guidance'],
    [supports.seed, 'seed'],
    [supports.negative_prompt, 'negative prompt'],
    [supports.styles.length > 0, `${supports.styles.length} styles`],
    [supports.aspect_ratios.length > 0, `${supports.aspect_ratios.length} aspect ratios`],
    [limits.width?.multiple_of && limits.height?.multiple_of, 'any size'],
  ];
  return list.flatMap(([is, word]) => (is ? [word] : []));
}

function moveFocus(event: KeyboardEvent<HTMLElement>) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  const buttons: (Element | null)[] = [...event.currentTarget.querySelectorAll('button')];
  const next = buttons[buttons.indexOf(document.activeElement) + by];
  if (next instanceof HTMLElement) {
    event.preventDefault();
    next.focus();
  }
}
