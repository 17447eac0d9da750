import { Component, type ReactNode } from 'react';

/** So long after the last movement the page stands still. Milliseconds. */
const SETTLED_MS = 120;
/** Below the header. CSS pixels. */
const TOP = 60;

interface Place {
  card: Element;
  y: number;
}

/**
 * Keeps the card that one looks at where it is when others come or go in front of it, or turn out to be higher than
 * their places. Browsers that do it themselves lose it in several columns: each new one moves all of them on by one,
 * and the card at the left end is then another one.
 */
export class KeptPlace extends Component<{ children: ReactNode }> {
  /** What one looks at since the page has stood still: several may come, and move it on to the next row. */
  #card: Element | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  readonly #later = () => {
    this.#card = undefined;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#card = looked();
    }, SETTLED_MS);
  };

  override componentDidMount() {
    addEventListener('scroll', this.#later, { passive: true });
    addEventListener('resize', this.#later);
  }

  override componentWillUnmount() {
    removeEventListener('scroll', this.#later);
    removeEventListener('resize', this.#later);
    clearTimeout(this.#timer);
  }

  override getSnapshotBeforeUpdate(): Place | null {
    const card = this.#card?.isConnected ? this.#card : looked();
    return card ? { card, y: card.getBoundingClientRect().y } : null;
  }

  override componentDidUpdate(_props: unknown, _state: unknown, before: Place | null) {
    if (!before?.card.isConnected) return;
    const by = before.card.getBoundingClientRect().y - before.y;
    if (Math.abs(by) > 1) scrollBy({ top: by, behavior: 'instant' });
  }

  override render() {
    return this.props.children;
  }
}

/** undefined: at the top of the page what is new is what one wants to see. */
function looked(): Element | undefined {
  const cards = [...document.querySelectorAll('.feed .grid > li > .card:not(.skeleton)')];
  const [first] = cards;
  if (!first || (!first.closest('.space ~ li') && first.getBoundingClientRect().bottom >= TOP))
    return undefined;
  return cards.find((card) => {
    const { top } = card.getBoundingClientRect();
    return top >= TOP && top < innerHeight;
  });
}
