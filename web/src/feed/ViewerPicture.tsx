import type { Generation } from 'picture-queue';
import {
  type CSSProperties,
  type PointerEvent,
  type RefObject,
  useEffect,
  useEffectEvent,
  useImperativeHandle,
  useRef,
  useState,
} from 'react';
import { IconButton } from '../ui/Button.tsx';
import { Thumbnail } from '../ui/Thumbnail.tsx';
import { listen } from './touches.ts';
import { fullScale, moved, type Point, type View, WHOLE, zoomed } from './zoom.ts';

/** A press of a button or key, and a notch of the wheel. */
const STEP = 1.5;
const PER_PIXEL = 1.002;
/** So far an arrow moves it. CSS pixels. */
const ARROWS: Record<string, Point> = {
  ArrowLeft: { x: 80, y: 0 },
  ArrowRight: { x: -80, y: 0 },
  ArrowUp: { x: 0, y: 80 },
  ArrowDown: { x: 0, y: -80 },
};
const MIDDLE: Point = { x: 0, y: 0 };

/** What keys do to the picture, wherever in the dialog the focus is. */
export interface PictureKeys {
  /** @returns whether the key meant the picture */
  press: (key: string) => boolean;
}

interface ViewerPictureProps {
  one: Generation;
  isFirst: boolean;
  isLast: boolean;
  /** To a newer one (-1) or an older one (1). */
  go: (by: number) => void;
  keys: RefObject<PictureKeys | null>;
}

/** The picture itself: whole, or as much larger as one likes, to be moved about in. */
export function ViewerPicture({ one, isFirst, isLast, go, keys }: ViewerPictureProps) {
  const [state, setState] = useState<{ of: string; view: View }>();
  const [loaded, setLoaded] = useState<string>();
  const frame = useRef<HTMLDivElement>(null);
  const from = useRef<Point>(undefined);
  const [image] = one.images;
  const picture = { width: image?.width ?? 1_024, height: image?.height ?? 1_024 };
  const view = state?.of === one.id ? state.view : WHOLE;
  const isZoomed = view.scale > 1;

  const size = () => ({ width: frame.current?.clientWidth ?? 0, height: frame.current?.clientHeight ?? 0 });
  const look = (change: (view: View) => View) =>
    setState((now) => ({ of: one.id, view: change(now?.of === one.id ? now.view : WHOLE) }));
  const zoom = (factor: number, at = MIDDLE) =>
    look((now) => zoomed(now, factor, at, size(), fullScale(picture, size())));
  const move = (x: number, y: number) => look((now) => moved(now, x, y, size()));
  /** From the middle of the frame. */
  const inFrame = ({ x, y }: Point): Point => {
    const box = frame.current?.getBoundingClientRect();
    return box ? { x: x - box.x - box.width / 2, y: y - box.y - box.height / 2 } : MIDDLE;
  };
  /** All of it, or its full size; twice where that is the same. */
  const toggle = (at = MIDDLE) => {
    const full = fullScale(picture, size());
    if (isZoomed) look(() => WHOLE);
    else zoom(full > 1 ? full : 2, at);
  };

  useImperativeHandle(keys, () => ({
    press: (key) => {
      const arrow = isZoomed ? ARROWS[key] : undefined;
      if (arrow) move(arrow.x, arrow.y);
      else if (key === '+' || key === '=') zoom(STEP);
      else if (key === '-') zoom(1 / STEP);
      else if (key === '0') look(() => WHOLE);
      else return false;
      return true;
    },
  }));

  const onWheel = useEffectEvent((event: WheelEvent) => {
    event.preventDefault();
    zoom(PER_PIXEL ** -event.deltaY, inFrame({ x: event.clientX, y: event.clientY }));
  });
  const onTouch = useEffectEvent(() => isZoomed);
  const onMove = useEffectEvent((by: Point, factor: number, at: Point) => {
    if (factor !== 1) zoom(factor, inFrame(at));
    move(by.x, by.y);
  });
  const onSwipe = useEffectEvent(go);
  const onDoubleTap = useEffectEvent((at: Point) => toggle(inFrame(at)));
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    // React's own listeners may not keep the page from scrolling.
    const wheel = (event: WheelEvent) => onWheel(event);
    element.addEventListener('wheel', wheel, { passive: false });
    const over = listen(element, {
      isZoomed: () => onTouch(),
      move: (by, factor, at) => onMove(by, factor, at),
      swipe: (by) => onSwipe(by),
      doubleTap: (at) => onDoubleTap(at),
    });
    return () => {
      element.removeEventListener('wheel', wheel);
      over();
    };
  }, []);

  const drag = (event: PointerEvent) => {
    if (!from.current) return;
    move(event.clientX - from.current.x, event.clientY - from.current.y);
    from.current = { x: event.clientX, y: event.clientY };
  };
  const drop = () => {
    from.current = undefined;
  };
  const cutOut = one.operation === 'remove_background' ? 'cut-out' : undefined;
  return (
    <div className="viewer-picture">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the buttons below and the keys do the same. */}
      <div
        ref={frame}
        className={isZoomed ? 'viewer-frame zoomed' : 'viewer-frame'}
        style={{ '--w': picture.width, '--h': picture.height } as CSSProperties}
        onDoubleClick={({ clientX: x, clientY: y }) => toggle(inFrame({ x, y }))}
        onPointerDown={(event) => {
          if (event.pointerType === 'touch' || !isZoomed) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          from.current = { x: event.clientX, y: event.clientY };
        }}
        onPointerMove={drag}
        onPointerUp={drop}
        onPointerCancel={drop}
      >
        <div
          className="viewer-inside"
          style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})` }}
        >
          {image && loaded !== one.id && (
            <Thumbnail key={`early ${one.id}`} className={cutOut} image={image} alt="" draggable={false} />
          )}
          <img
            key={one.id}
            className={loaded === one.id ? cutOut : 'early'}
            src={image?.url}
            alt={one.prompt}
            decoding="async"
            draggable={false}
            onLoad={() => setLoaded(one.id)}
          />
        </div>
      </div>
      <div className="viewer-moves">
        {/* At an end they do nothing: a button that vanished would take the focus along. */}
        {!(isFirst && isLast) && (
          <IconButton icon="back" label="Newer picture" aria-disabled={isFirst} onClick={() => go(-1)} />
        )}
        <span className="viewer-zoom">
          <IconButton
            icon="minus"
            label="Zoom out"
            aria-disabled={!isZoomed}
            onClick={() => zoom(1 / STEP)}
          />
          <IconButton
            icon={isZoomed ? 'whole' : 'search'}
            label={isZoomed ? 'Whole picture' : 'Full size'}
            onClick={() => toggle()}
          />
          <IconButton icon="add" label="Zoom in" onClick={() => zoom(STEP)} />
        </span>
        {!(isFirst && isLast) && (
          <IconButton icon="forward" label="Older picture" aria-disabled={isLast} onClick={() => go(1)} />
        )}
      </div>
    </div>
  );
}
