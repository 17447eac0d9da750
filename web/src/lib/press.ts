/** For so long a press at the same place is the second one of a double click. Milliseconds. */
const GESTURE_MS = 700;
/** How far a finger may have gone between two presses. CSS pixels. */
const NEAR = 24;

interface Place {
  x: number;
  y: number;
}

/** Where the pointer has been pressed, the latest first. */
let places: Place[] = [];
/** When something was pressed that moves the page. */
let acted = Number.NEGATIVE_INFINITY;

addEventListener(
  'pointerdown',
  ({ clientX: x, clientY: y }) => {
    places = [{ x, y }, ...places.slice(0, 1)];
  },
  { capture: true, passive: true },
);

/** Something has been started: the page is about to move. */
export function noteAct(): void {
  acted = Date.now();
}

/**
 * Whether a press is meant for what it lands on. What is started or deleted moves the page: the second press of a
 * double click lands on something else, such as the button of the next card, and would spend again.
 */
export function isMeant({ detail }: { detail: number }): boolean {
  const [now, before] = places;
  const isByKey = detail === 0;
  const isNear = now && before && Math.hypot(now.x - before.x, now.y - before.y) < NEAR;
  if (!isByKey && isNear && Date.now() - acted < GESTURE_MS) return false;
  noteAct();
  return true;
}
