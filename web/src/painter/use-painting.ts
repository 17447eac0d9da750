import { useMemo, useReducer, useRef } from 'react';
import {
  type Area,
  type Bitmap,
  drawLine,
  invert,
  type Point,
  packed,
  share,
  unpack,
  whole,
} from './bitmap.ts';

/** So many steps can be taken back. */
const MOST_STEPS = 40;
/** What is painted, over the picture: red, green, blue, alpha. */
const COLOUR = [226, 32, 120, 150];

export interface Painting {
  /** From here to the end of the stroke is one step. */
  begin: () => void;
  line: (from: Point, to: Point, radius: number, value: 0 | 1) => void;
  /** The stroke is over. */
  end: () => void;
  undo: () => void;
  clear: () => void;
  invert: () => void;
  canUndo: boolean;
  /** From 0 to 1. */
  share: number;
  /** The canvas that shows it. */
  attach: (canvas: HTMLCanvasElement | null) => void;
}

/** A bitmap, its history, and the canvas that shows it. */
export function usePainting(bitmap: Bitmap): Painting {
  const canvas = useRef<HTMLCanvasElement>(null);
  const steps = useRef<Uint8Array[]>([]);
  const [version, changed] = useReducer((before: number) => before + 1, 0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the bitmap is the same one, with other contents.
  const painted = useMemo(() => share(bitmap), [bitmap, version]);
  const actions = useMemo(() => {
    const show = (area: Area) => paintOut(canvas.current, bitmap, area);
    const note = () => {
      steps.current = [...steps.current, packed(bitmap)].slice(-MOST_STEPS);
    };
    const all = (change: () => void) => {
      change();
      show(whole(bitmap));
      changed();
    };
    return {
      begin: note,
      line: (from: Point, to: Point, radius: number, value: 0 | 1) =>
        show(drawLine(bitmap, from, to, radius, value)),
      end: changed,
      undo: () => {
        const last = steps.current.pop();
        if (last) all(() => unpack(bitmap, last));
      },
      clear: () => {
        note();
        all(() => bitmap.pixels.fill(0));
      },
      invert: () => {
        note();
        all(() => invert(bitmap));
      },
      attach: (element: HTMLCanvasElement | null) => {
        canvas.current = element;
        show(whole(bitmap));
      },
    };
  }, [bitmap]);
  return { ...actions, canUndo: steps.current.length > 0, share: painted };
}

function paintOut(canvas: HTMLCanvasElement | null, bitmap: Bitmap, area: Area): void {
  const context = canvas?.getContext('2d');
  const [width, height] = [area.right - area.left, area.bottom - area.top];
  if (!context || width <= 0 || height <= 0) return;
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    const from = (area.top + y) * bitmap.width + area.left;
    for (let x = 0; x < width; x += 1) {
      if (bitmap.pixels[from + x]) image.data.set(COLOUR, (y * width + x) * 4);
    }
  }
  context.putImageData(image, area.left, area.top);
}
