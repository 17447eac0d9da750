import { Component, type ReactNode } from 'react';

/** So long after the last movement the page stands still. Milliseconds. */
const SETTLED_MS = 120;
/** Below the header. CSS pixels. */
const TOP = 60;

interface Place {
  card: Element;
  y: number;
}

interface KeptPlaceProps {
  /** Another one: the cards have changed. */
  list: unknown;
  children: ReactNode;
}

/**
 * Keeps the card that one looks at where it is when others come in front of it. Browsers that do it themselves lose it
 * in several columns: each new one moves all of them on by one, and the card at the left end is then another one.
 */
export class KeptPlace extends Component<KeptPlaceProps> {
  #card: Element | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  readonly #later = () => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#note, SETTLED_MS);
  };

  /** At the top of the page what is new is what one wants to see. */
  readonly #note = () => {
    const cards = [...document.querySelectorAll('.feed .grid > li:not(.far) > .card')];
    const isSeen = (card: Element) => {
      const { top } = card.getBoundingClientRect();
      return top >= TOP && top < innerHeight;
    };
    const isPast = cards[0] && cards[0].getBoundingClientRect().bottom < TOP;
    this.#card = isPast ? cards.find(isSeen) : undefined;
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

  override getSnapshotBeforeUpdate(before: KeptPlaceProps): Place | null {
    const card = this.#card;
    if (before.list === this.props.list || !card?.isConnected) return null;
    return { card, y: card.getBoundingClientRect().y };
  }

  override componentDidUpdate(_props: KeptPlaceProps, _state: unknown, before: Place | null) {
    if (!before?.card.isConnected) return;
    const by = before.card.getBoundingClientRect().y - before.y;
    if (Math.abs(by) > 1) scrollBy({ top: by, behavior: 'instant' });
  }

  override render() {
    return this.props.children;
  }
}
