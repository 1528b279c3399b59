/** A sphere of triangles: an icosahedron whose edges are halved again and again. */

export interface Sphere {
  /** Three numbers a point, each point at distance 1. */
  readonly points: Float64Array;
  /** Three indices of points a triangle, counter-clockwise from outside. */
  readonly faces: Int32Array;
  /** Of each point. */
  readonly neighbours: readonly Int32Array[];
}

/** Corners of three golden rectangles at right angles. */
const GOLDEN = (1 + Math.sqrt(5)) / 2;
// prettier-ignore
const CORNERS = [
  -1, GOLDEN, 0, 1, GOLDEN, 0, -1, -GOLDEN, 0, 1, -GOLDEN, 0,
  0, -1, GOLDEN, 0, 1, GOLDEN, 0, -1, -GOLDEN, 0, 1, -GOLDEN,
  GOLDEN, 0, -1, GOLDEN, 0, 1, -GOLDEN, 0, -1, -GOLDEN, 0, 1,
];
// prettier-ignore
const TRIANGLES = [
  0, 11, 5, 0, 5, 1, 0, 1, 7, 0, 7, 10, 0, 10, 11,
  1, 5, 9, 5, 11, 4, 11, 10, 2, 10, 7, 6, 7, 1, 8,
  3, 9, 4, 3, 4, 2, 3, 2, 6, 3, 6, 8, 3, 8, 9,
  4, 9, 5, 2, 4, 11, 6, 2, 10, 8, 6, 7, 9, 8, 1,
];

export function icosphere(subdivisions: number): Sphere {
  const points: number[] = [];
  const addPoint = (x: number, y: number, z: number): number => {
    const size = Math.hypot(x, y, z);
    return (points.push(x / size, y / size, z / size) - 3) / 3;
  };
  for (let at = 0; at < CORNERS.length; at += 3) addPoint(CORNERS[at] ?? 0, CORNERS[at + 1] ?? 0, CORNERS[at + 2] ?? 0);
  let faces: readonly number[] = TRIANGLES;
  for (let n = 0; n < subdivisions; n++) {
    const middles = new Map<string, number>();
    const middle = (a: number, b: number): number => {
      const key = a < b ? `${a}/${b}` : `${b}/${a}`;
      const sum = (axis: number) => (points[a * 3 + axis] ?? 0) + (points[b * 3 + axis] ?? 0);
      const index = middles.get(key) ?? addPoint(sum(0), sum(1), sum(2));
      middles.set(key, index);
      return index;
    };
    const finer: number[] = [];
    for (let at = 0; at < faces.length; at += 3) {
      const [a = 0, b = 0, c = 0] = faces.slice(at, at + 3);
      const [ab, bc, ca] = [middle(a, b), middle(b, c), middle(c, a)];
      finer.push(a, ab, ca, b, bc, ab, c, ca, bc, ab, bc, ca);
    }
    faces = finer;
  }
  const around = Array.from({ length: points.length / 3 }, () => new Set<number>());
  for (let at = 0; at < faces.length; at += 3) {
    const corners = faces.slice(at, at + 3);
    for (const from of corners) for (const to of corners) if (from !== to) around[from]?.add(to);
  }
  return {
    points: Float64Array.from(points),
    faces: Int32Array.from(faces),
    neighbours: around.map((set) => Int32Array.from(set)),
  };
}
