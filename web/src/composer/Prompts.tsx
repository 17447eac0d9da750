import { useEffect, useId, useRef } from 'react';
import { Button, IconButton } from '../ui/Button.tsx';
import { Choices } from '../ui/fields.tsx';
import { type Draft, LONGEST_PROMPT, MOST_PICTURES } from './draft.ts';

interface PromptsProps {
  draft: Draft;
  change: (change: Partial<Draft>) => void;
}

/** From when on the length of a prompt is worth telling. */
const NEARLY_FULL = 3_500;

export function Prompts({ draft, change }: PromptsProps) {
  const several = draft.mode === 'several';
  const shown = several ? draft.prompts : draft.prompts.slice(0, 1);
  const added = useRef(false);
  const list = useRef<HTMLDivElement>(null);
  const amount = shown.length;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new prompt gets the focus once it is there.
  useEffect(() => {
    if (added.current) [...(list.current?.querySelectorAll('textarea') ?? [])].at(-1)?.focus();
    added.current = false;
  }, [amount]);

  const set = (index: number, text: string) =>
    change({ prompts: draft.prompts.map((prompt, at) => (at === index ? text : prompt)) });
  const remove = (index: number) => {
    change({ prompts: draft.prompts.filter((_, at) => at !== index) });
    list.current?.querySelector('textarea')?.focus();
  };

  return (
    <div className="prompts" ref={list}>
      <Choices
        label="What to make"
        hideLabel
        value={draft.mode}
        choices={[
          { value: 'one', label: 'One prompt' },
          { value: 'several', label: 'Several prompts' },
        ]}
        onChange={(mode) =>
          change({
            mode,
            ...(mode === 'several' && draft.prompts.length < 2 ? { prompts: [...draft.prompts, ''] } : {}),
          })
        }
      />
      {shown.map((prompt, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: prompts have no identity but their place.
        <div className="prompt" key={index}>
          <Prompt
            label={several ? `Prompt ${index + 1}` : 'Prompt'}
            hideLabel={!several}
            text={prompt}
            rows={several ? 2 : 4}
            onChange={(text) => set(index, text)}
          />
          {several && shown.length > 1 && (
            <IconButton icon="close" label={`Remove prompt ${index + 1}`} onClick={() => remove(index)} />
          )}
        </div>
      ))}
      {several && (
        <Button
          kind="quiet"
          icon="add"
          disabled={shown.length >= MOST_PICTURES}
          onClick={() => {
            added.current = true;
            change({ prompts: [...draft.prompts, ''] });
          }}
        >
          Add a prompt
        </Button>
      )}
    </div>
  );
}

interface PromptProps {
  label: string;
  hideLabel: boolean;
  text: string;
  rows: number;
  onChange: (text: string) => void;
}

function Prompt({ label, hideLabel, text, rows, onChange }: PromptProps) {
  const id = useId();
  const length = [...text].length;
  return (
    <div className="field">
      <label htmlFor={id} className={hideLabel ? 'hidden' : undefined}>
        {label}
      </label>
      <textarea
        id={id}
        rows={rows}
        value={text}
        placeholder="A lighthouse at dawn, soft mist over a quiet sea"
        aria-invalid={length > LONGEST_PROMPT || undefined}
        onChange={(event) => onChange(event.target.value)}
      />
      {length > NEARLY_FULL && (
        <p className={length > LONGEST_PROMPT ? 'error' : 'hint'} role="status">
          {`${length.toLocaleString('en')} of ${LONGEST_PROMPT.toLocaleString('en')} characters`}
        </p>
      )}
    </div>
  );
}
