/** Milliseconds: a page that is not in sight has no frames. */
const AT_LATEST = 200;

/**
 * Does something heavy once the page has been painted: what a press changes at once is seen at once, and the rest a
 * frame later.
 */
export function afterPaint(act: () => void): void {
  let isDone = false;
  const once = () => {
    if (isDone) return;
    isDone = true;
    act();
  };
  requestAnimationFrame(() => setTimeout(once));
  setTimeout(once, AT_LATEST);
}
