/** The order of a tensor's axes: N (always 1), C, and the spatial ones, all three or, for a network of slices, two. */
export type Axis = 0 | 1 | 2;
const AXES: Readonly<Record<string, Axis>> = { X: 0, Y: 1, Z: 2 };

export interface Layout {
  /** In the order of the tensor. */
  readonly spatial: readonly Axis[];
  readonly channels: 'first' | 'last';
  /** The axis along which slices are given one by one; undefined for a network of volumes. */
  readonly sliceAxis: Axis | undefined;
}

/** `NCXYZ`, `NZYXC`, `NCYX` … @returns undefined when it is no such word */
export function parseLayout(text: string): Layout | undefined {
  const [, first, letters = '', last] = /^N(C?)([XYZ]{2,3})(C?)$/.exec(text) ?? [];
  const spatial = Array.from(letters, (letter) => AXES[letter] ?? 0);
  if (spatial.length === 0 || new Set(spatial).size !== spatial.length) return undefined;
  if ((first === 'C') === (last === 'C')) return undefined;
  const sliceAxis = spatial.length === 3 ? undefined : ([0, 1, 2] as const).find((axis) => !spatial.includes(axis));
  return { spatial, channels: first === 'C' ? 'first' : 'last', sliceAxis };
}

/** How far apart neighbours are in the tensor's values. */
export interface Strides {
  readonly axis: readonly [number, number, number];
  readonly channel: number;
}

/** @param size - of the window along x, y, z; 1 along the axis of a network of slices */
export function stridesOf(layout: Layout, size: readonly [number, number, number], channels: number): Strides {
  const axis: [number, number, number] = [0, 0, 0];
  let stride = layout.channels === 'last' ? channels : 1;
  for (const each of layout.spatial.toReversed()) {
    axis[each] = stride;
    stride *= size[each];
  }
  return { axis, channel: layout.channels === 'last' ? 1 : stride };
}

/** The tensor's shape, N and C in their places. */
export function shapeOf(layout: Layout, size: readonly [number, number, number], channels: number): readonly number[] {
  const spatial = layout.spatial.map((axis) => size[axis]);
  return layout.channels === 'first' ? [1, channels, ...spatial] : [1, ...spatial, channels];
}
