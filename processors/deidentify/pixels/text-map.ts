/**
 * From the network's map of "here is text" to rectangles. The network (differentiable binarisation) draws the core of each line,
 * thinner than the line; how much thinner is known, so the rectangle is grown by it, and by a margin.
 */
import type { Region } from './cleaning.ts';

export interface TextBox extends Region {
  /** Mean of the map over the core: 0 … 1. */
  readonly score: number;
}

/** Where a pixel belongs to a core. */
const CORE = 0.3;
/** Below it a core is noise. Lower than readers of text set it: a word too much is blanked rather than a name too few. */
const SURE = 0.4;
/** A letter is larger than this, in pixels of the map. */
const MIN_CORE_PIXELS = 12;
/** The network shrinks a line by area × (1 − 0.4²) ÷ perimeter; grown back with room to spare. */
const UNCLIP = 1.8;
/** A line is often found but for its last letter: along it, that many of its heights more. */
const ALONG = 0.8;

/** @param map - row by row, 0 … 1 @returns in pixels of the map, not cut to it */
export function textBoxes(map: Float32Array, width: number, height: number): readonly TextBox[] {
  const seen = new Uint8Array(map.length);
  const stack = new Int32Array(map.length);
  const boxes: TextBox[] = [];
  for (let start = 0; start < map.length; start++) {
    if (seen[start] === 1 || (map[start] ?? 0) < CORE) continue;
    const core = collect(map, width, height, start, seen, stack);
    if (core.count >= MIN_CORE_PIXELS && core.sum / core.count >= SURE) boxes.push(grown(core));
  }
  return boxes;
}

interface Core {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly count: number;
  readonly sum: number;
}

function collect(
  map: Float32Array,
  width: number,
  height: number,
  start: number,
  seen: Uint8Array,
  stack: Int32Array,
): Core {
  let [left, right, top, bottom, count, sum] = [width, -1, height, -1, 0, 0];
  let depth = 0;
  const visit = (at: number) => {
    if (seen[at] === 1 || (map[at] ?? 0) < CORE) return;
    seen[at] = 1;
    stack[depth++] = at;
  };
  visit(start);
  while (depth > 0) {
    const at = stack[--depth] ?? 0;
    const x = at % width;
    const y = (at - x) / width;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
    count += 1;
    sum += map[at] ?? 0;
    if (x > 0) visit(at - 1);
    if (x + 1 < width) visit(at + 1);
    if (y > 0) visit(at - width);
    if (y + 1 < height) visit(at + width);
  }
  return { left, right, top, bottom, count, sum };
}

function grown({ left, right, top, bottom, count, sum }: Core): TextBox {
  const width = right - left + 1;
  const height = bottom - top + 1;
  const by = (width * height * UNCLIP) / (2 * (width + height));
  const lineHeight = Math.min(width, height) + 2 * by;
  const alongX = width >= height ? ALONG * lineHeight : 0;
  const alongY = height >= width ? ALONG * lineHeight : 0;
  return {
    x: left - by - alongX,
    y: top - by - alongY,
    width: width + 2 * (by + alongX),
    height: height + 2 * (by + alongY),
    score: sum / count,
  };
}
