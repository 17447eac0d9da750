import type { Generation } from 'picture-queue';
import { usePictureQueue } from 'picture-queue/react';
import { useEffect, useId, useState } from 'react';
import { Button } from '../ui/Button.tsx';
import { Thumbnail } from '../ui/Thumbnail.tsx';

const PAGE = 12;

interface LineageProps {
  one: Generation;
  /** The finished ones that the page shows: what has just been made is among them. */
  list: Generation[];
  /** Those that have been deleted here. */
  gone: ReadonlySet<string>;
  onOpen: (id: string) => void;
}

/** Where a picture came from, and what has come from it. */
export function Lineage({ one, list, gone, onOpen }: LineageProps) {
  const { found, more } = useChildren(one.id);
  const live = list.filter(({ parent_id }) => parent_id === one.id);
  const all = [...new Map([...live, ...found].map((each) => [each.id, each])).values()];
  const children = all.filter(({ id }) => !gone.has(id));
  const parent = useParent(one.parent_id);
  const heading = useId();
  return (
    <>
      {one.parent_id && (
        <Button kind="quiet" icon="back" onClick={() => onOpen(one.parent_id ?? '')}>
          {parent ? `From “${brief(parent.prompt)}”` : 'From an earlier picture'}
        </Button>
      )}
      {children.length > 0 && (
        <section aria-labelledby={heading}>
          <h3 id={heading}>Made from this</h3>
          <ul className="children">
            {children.map((child) => {
              const [image] = child.images;
              return (
                image && (
                  <li key={child.id}>
                    <button type="button" onClick={() => onOpen(child.id)}>
                      <Thumbnail image={image} alt={`Made from this: ${child.prompt}`} decoding="async" />
                    </button>
                  </li>
                )
              );
            })}
          </ul>
          {more && (
            <Button kind="quiet" onClick={more}>
              Show more of them
            </Button>
          )}
        </section>
      )}
    </>
  );
}

const LONGEST = 40;

const brief = (prompt: string) => (prompt.length > LONGEST ? `${prompt.slice(0, LONGEST)}…` : prompt);

/** undefined: there is none, or it is not known, or gone. */
function useParent(id: string | null): Generation | undefined {
  const client = usePictureQueue();
  const [parent, setParent] = useState<Generation>();
  useEffect(() => {
    if (!id) return;
    const controller = new AbortController();
    // Whether it has been deleted is said when it is opened.
    client.get(id, { signal: controller.signal }).then(setParent, () => {});
    return () => controller.abort();
  }, [client, id]);
  return parent?.id === id ? parent : undefined;
}

interface Children {
  of: string;
  found: Generation[];
  cursor: string | null;
}

/** The finished ones that came from a generation, the newest first, page by page. */
function useChildren(id: string): { found: Generation[]; more: (() => void) | undefined } {
  const client = usePictureQueue();
  const [known, setKnown] = useState<Children>();
  /** From where on they are asked for. */
  const [from, setFrom] = useState<{ of: string; cursor: string }>();
  const cursor = from?.of === id ? from.cursor : undefined;
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const params = { parent_id: id, status: 'completed', limit: PAGE } as const;
    const fetchPage = async () => {
      const list = client.list({ ...params, ...(cursor ? { cursor } : {}) }, { signal });
      const found: Generation[] = [];
      for await (const page of list.pages()) {
        found.push(...page.generations);
        // A page may be short: the server looks at so many of them at a time.
        if (page.next_cursor && found.length === 0) continue;
        const add = (before: Generation[]) => (cursor ? [...before, ...found] : found);
        return setKnown((now) => ({
          of: id,
          found: add(now?.of === id ? now.found : []),
          cursor: page.next_cursor,
        }));
      }
    };
    // They are there besides: the picture can be looked at without them.
    fetchPage().catch(() => {});
    return () => controller.abort();
  }, [client, id, cursor]);
  const next = known?.of === id ? known.cursor : undefined;
  return {
    found: known?.of === id ? known.found : [],
    more: next ? () => setFrom({ of: id, cursor: next }) : undefined,
  };
}
