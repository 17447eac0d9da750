import type { Point } from './zoom.ts';

/** A finger that goes so far to the side turns the page. CSS pixels. */
const SWIPE = 48;
/** A finger that stays within so much has tapped. CSS pixels. */
const TAP = 12;
/** Two taps within so long are one double tap. Milliseconds. */
const DOUBLE_MS = 300;

export interface Gestures {
  isZoomed: () => boolean;
  /** Fingers have moved: by so much, and apart by so much (1: not at all), around a point of the screen. */
  move: (by: Point, factor: number, at: Point) => void;
  swipe: (by: -1 | 1) => void;
  doubleTap: (at: Point) => void;
}

const place = ({ clientX: x, clientY: y }: Touch): Point => ({ x, y });
const distance = (a: Point, b: Point) => Math.hypot(a.x - b.x, a.y - b.y);

/** The middle of the fingers, and how far two of them are apart. */
interface Grip {
  at: Point;
  apart: number;
}

function grip(touches: TouchList): Grip {
  const [first, second] = [...touches].map(place);
  if (!first) return { at: { x: 0, y: 0 }, apart: 0 };
  if (!second) return { at: first, apart: 0 };
  return { at: { x: (first.x + second.x) / 2, y: (first.y + second.y) / 2 }, apart: distance(first, second) };
}

/**
 * What fingers do on a picture: two pinch it, one moves it where it is larger than its frame, and else turns the page.
 * Up and down one finger is the browser's, as long as all of the picture is in sight.
 *
 * @returns what ends it
 */
export function listen(element: HTMLElement, gestures: Gestures): () => void {
  let from: Point | undefined;
  let last: Grip = { at: { x: 0, y: 0 }, apart: 0 };
  let tapped: { at: Point; time: number } | undefined;
  /** One finger all the time, and nothing was moved by it. */
  let isSingle = false;

  const start = (event: TouchEvent) => {
    last = grip(event.touches);
    isSingle = event.touches.length === 1;
    from = last.at;
    // Else the browser takes it for a pinch of the page.
    if (!isSingle) event.preventDefault();
  };
  const move = (event: TouchEvent) => {
    const isPinch = event.touches.length > 1;
    if (!isPinch && !gestures.isZoomed()) return;
    event.preventDefault();
    const now = grip(event.touches);
    const factor = isPinch && last.apart > 0 ? now.apart / last.apart : 1;
    gestures.move({ x: now.at.x - last.at.x, y: now.at.y - last.at.y }, factor, now.at);
    last = now;
  };
  const end = (event: TouchEvent) => {
    const [finger] = event.changedTouches;
    const before = from;
    last = grip(event.touches);
    if (!isSingle || !finger || !before || event.touches.length > 0) return;
    const at = place(finger);
    const x = at.x - before.x;
    if (distance(at, before) < TAP) return tap(event, at);
    if (!gestures.isZoomed() && Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(at.y - before.y)) {
      gestures.swipe(x < 0 ? 1 : -1);
    }
  };
  const tap = (event: TouchEvent, at: Point) => {
    const time = event.timeStamp;
    const isSecond = tapped && time - tapped.time < DOUBLE_MS && distance(tapped.at, at) < 2 * TAP;
    tapped = isSecond ? undefined : { at, time };
    if (!isSecond) return;
    event.preventDefault();
    gestures.doubleTap(at);
  };
  const cancel = () => {
    isSingle = false;
  };

  const active = { passive: false };
  element.addEventListener('touchstart', start, active);
  element.addEventListener('touchmove', move, active);
  element.addEventListener('touchend', end, active);
  element.addEventListener('touchcancel', cancel);
  return () => {
    element.removeEventListener('touchstart', start);
    element.removeEventListener('touchmove', move);
    element.removeEventListener('touchend', end);
    element.removeEventListener('touchcancel', cancel);
  };
}
