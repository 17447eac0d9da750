/** How a picture is looked at: so many times the size in which all of it fits, moved by so much from the middle. */
export interface View {
  scale: number;
  /** CSS pixels. */
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** From the middle of the frame, CSS pixels. */
export interface Point {
  x: number;
  y: number;
}

/** All of it. */
export const WHOLE: View = { scale: 1, x: 0, y: 0 };

/** A picture that fits without being made smaller can be made larger so many times. */
const MOST = 4;

const between = (least: number, value: number, most: number) => Math.min(most, Math.max(least, value));

/** As large as its pixels are; 1 where it is shown in that size anyway. */
export const fullScale = (picture: Size, frame: Size): number =>
  frame.width > 0 ? Math.max(1, picture.width / frame.width) : 1;

/** No further than its edges. */
function within({ scale, x, y }: View, frame: Size): View {
  const roomX = (frame.width * (scale - 1)) / 2;
  const roomY = (frame.height * (scale - 1)) / 2;
  return { scale, x: between(-roomX, x, roomX), y: between(-roomY, y, roomY) };
}

/** Larger or smaller; what is at the point stays there, as far as the edges let it. */
export function zoomed(view: View, factor: number, at: Point, frame: Size, full: number): View {
  const scale = between(1, view.scale * factor, full * MOST);
  const by = scale / view.scale;
  return within({ scale, x: at.x - (at.x - view.x) * by, y: at.y - (at.y - view.y) * by }, frame);
}

export const moved = (view: View, x: number, y: number, frame: Size): View =>
  within({ ...view, x: view.x + x, y: view.y + y }, frame);
