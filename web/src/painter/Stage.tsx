import { type CSSProperties, type PointerEvent, useRef } from 'react';
import type { Bitmap, Point } from './bitmap.ts';
import type { Painting } from './use-painting.ts';

/** The largest brush, as a part of the picture's shorter side. */
const LARGEST = 0.5;

interface StageProps {
  picture: { name: string; url: string };
  bitmap: Bitmap;
  painting: Painting;
  /** From 1 to 50. */
  brush: number;
  erases: boolean;
  onBroken: () => void;
}

/** The picture with what is painted over it. */
export function Stage({ picture, bitmap, painting, brush, erases, onBroken }: StageProps) {
  const ring = useRef<HTMLSpanElement>(null);
  /** The pointer that paints, and where it was. */
  const stroke = useRef<{ pointer: number; at: Point }>(undefined);
  /** A hand that rests on the screen beside a pen does not paint. */
  const hasPen = useRef(false);
  const radius = Math.max(0.5, ((brush / 50) * LARGEST * Math.min(bitmap.width, bitmap.height)) / 2);
  const value = erases ? 0 : 1;

  const pointOf = (canvas: Element, { clientX, clientY }: { clientX: number; clientY: number }): Point => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return { x: ((clientX - left) / width) * bitmap.width, y: ((clientY - top) / height) * bitmap.height };
  };
  const point = (event: PointerEvent<HTMLElement>) => {
    const { style } = ring.current ?? {};
    const { left, top, width } = event.currentTarget.getBoundingClientRect();
    if (!style) return;
    style.width = `${(radius * 2 * width) / bitmap.width}px`;
    style.translate = `${event.clientX - left}px ${event.clientY - top}px`;
    style.opacity = event.pointerType === 'touch' ? '0' : '1';
  };
  const down = (event: PointerEvent<HTMLCanvasElement>) => {
    if (event.pointerType === 'pen') hasPen.current = true;
    const isPalm = hasPen.current && event.pointerType === 'touch';
    if (stroke.current || event.button !== 0 || !event.isPrimary || isPalm) return;
    // Not to where the browser would drag or select something.
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    const at = pointOf(event.currentTarget, event);
    stroke.current = { pointer: event.pointerId, at };
    painting.begin();
    painting.line(at, at, radius, value);
  };
  const move = (event: PointerEvent<HTMLCanvasElement>) => {
    point(event);
    const now = stroke.current;
    if (now?.pointer !== event.pointerId) return;
    // Between two frames a fast hand goes round corners.
    const between = event.nativeEvent.getCoalescedEvents?.() ?? [];
    for (const one of between.length > 0 ? between : [event.nativeEvent]) {
      const at = pointOf(event.currentTarget, one);
      painting.line(now.at, at, radius, value);
      now.at = at;
    }
  };
  const up = (event: PointerEvent<HTMLCanvasElement>) => {
    if (stroke.current?.pointer !== event.pointerId) return;
    stroke.current = undefined;
    painting.end();
  };
  const ratio = bitmap.width / bitmap.height;
  return (
    <div className="painter-area">
      <div className="painter-stage" style={{ '--ratio': ratio } as CSSProperties}>
        <img
          src={picture.url}
          alt={`To be painted over: ${picture.name}`}
          draggable={false}
          onError={onBroken}
        />
        <canvas
          ref={painting.attach}
          width={bitmap.width}
          height={bitmap.height}
          role="img"
          aria-label="What is painted"
          aria-describedby="painter-hint"
          onPointerDown={down}
          onPointerMove={move}
          onPointerUp={up}
          onPointerCancel={up}
          onPointerLeave={() => ring.current?.style.setProperty('opacity', '0')}
        />
        <span className="painter-ring" ref={ring} aria-hidden="true" />
      </div>
    </div>
  );
}
