/** Values between voxels: cubic convolution (Keys 1981, a = −1/2), held at the edges. */

/** The value at a place, in voxels. One for each repetition; not to be used by two at once. */
export function cubicSampler(
  data: Float32Array,
  [nx, ny, nz]: readonly [number, number, number],
): (place: Float64Array) => number {
  const [x, y, z] = [new Taps(nx, 1), new Taps(ny, nx), new Taps(nz, nx * ny)];
  const [wx, wy, wz] = [x.weights, y.weights, z.weights];
  const [ix, iy, iz] = [x.places, y.places, z.places];
  return (place) => {
    x.at(place[0] ?? 0);
    y.at(place[1] ?? 0);
    z.at(place[2] ?? 0);
    const [a, b, c, d] = [ix[0] ?? 0, ix[1] ?? 0, ix[2] ?? 0, ix[3] ?? 0];
    const [wa, wb, wc, wd] = [wx[0] ?? 0, wx[1] ?? 0, wx[2] ?? 0, wx[3] ?? 0];
    let sum = 0;
    for (let k = 0; k < 4; k++) {
      let plane = 0;
      for (let j = 0; j < 4; j++) {
        const row = (iz[k] ?? 0) + (iy[j] ?? 0);
        plane +=
          (wy[j] ?? 0) *
          (wa * (data[row + a] ?? 0) +
            wb * (data[row + b] ?? 0) +
            wc * (data[row + c] ?? 0) +
            wd * (data[row + d] ?? 0));
      }
      sum += (wz[k] ?? 0) * plane;
    }
    return sum;
  };
}

/** The four neighbours along one axis: where they stand, and how much each counts. */
class Taps {
  readonly weights = new Float64Array(4);
  readonly places = new Int32Array(4);
  readonly #length: number;
  readonly #stride: number;

  constructor(length: number, stride: number) {
    this.#length = length;
    this.#stride = stride;
  }

  at(place: number): void {
    const last = this.#length - 1;
    const held = Math.min(last, Math.max(0, place));
    const low = Math.floor(held);
    const f = held - low;
    this.weights[0] = f * (-0.5 + f * (1 - 0.5 * f));
    this.weights[1] = 1 + f * f * (-2.5 + 1.5 * f);
    this.weights[2] = f * (0.5 + f * (2 - 1.5 * f));
    this.weights[3] = f * f * (-0.5 + 0.5 * f);
    for (let tap = 0; tap < 4; tap++) this.places[tap] = Math.min(last, Math.max(0, low - 1 + tap)) * this.#stride;
  }
}
