import { expect } from 'chai';
import { measure } from '../../../processors/qc/measure.ts';
import { realign } from '../../../processors/qc/realignment.ts';
import { realigned } from '../../../processors/qc/realigned.ts';
import { tsnrMap } from '../../../processors/qc/time-series.ts';
import { volumeOf } from './scans.ts';
import { seeded } from '../../support/seeded.ts';

const DIMS = [40, 36, 16] as const;
const SPACING_MM = [0.4, 0.4, 0.8] as const;
const STILL = [0, 0, 0, 0, 0, 0] as const;
const NOISE = 12;

type Parameters = readonly [number, number, number, number, number, number];

describe('motion of the head', () => {
  it('is found wherever it went, to a fiftieth of a voxel and a fifth of a degree', () => {
    const random = seeded(11);
    for (let round = 0; round < 4; round++) {
      const truth = [STILL, ...Array.from({ length: 4 }, () => anywhere(random))];
      const volume = series(truth, random);

      const found = realign(volume, inside(), 0) ?? [];

      truth.forEach((wanted, t) => {
        wanted.forEach((value, axis) => {
          const tolerance = axis < 3 ? 0.02 * (SPACING_MM[axis] ?? 0) : (0.2 * Math.PI) / 180;
          expect(found[t]?.[axis], `round ${round}, repetition ${t}, parameter ${axis}`).to.be.closeTo(
            value,
            tolerance,
          );
        });
      });
    }
  });

  it('is taken out of temporal signal to noise, which then is the scanner’s again', () => {
    const random = seeded(5);
    const truth = [STILL, ...Array.from({ length: 15 }, () => anywhere(random))];
    const moving = series(truth, random);
    const steady = series(
      truth.map(() => STILL),
      random,
    );
    const mask = inside();
    const middle = (map: Float32Array) => median([...map].filter((value) => value > 0));

    const { tsnr } = realigned(moving, mask, 0, realign(moving, mask, 0) ?? []);

    const [raw, corrected, wanted] = [middle(tsnrMap(moving, mask, 0)), middle(tsnr), middle(tsnrMap(steady, mask, 0))];
    expect(raw / wanted).to.be.below(0.5);
    expect(corrected / wanted).to.be.within(0.85, 1.3);
  });

  it('leaves a series as it is that does not move', () => {
    const steady = series([STILL, STILL, STILL, STILL, STILL, STILL], seeded(3));
    const mask = inside();

    const { tsnr } = realigned(steady, mask, 0, [STILL, STILL, STILL, STILL, STILL, STILL]);

    const expected = tsnrMap(steady, mask, 0);
    tsnr.forEach((value, voxel) => expect(value).to.be.closeTo(expected[voxel] ?? 0, 1e-3 * (expected[voxel] ?? 0)));
  });

  it('is not taken out in the mode of AIDAqc, and of nobody’s temporal signal to noise in dB', () => {
    const random = seeded(8);
    const moving = series([STILL, ...Array.from({ length: 7 }, () => anywhere(random))], random);

    const [hub, aidaqc] = (['hub', 'aidaqc'] as const).map((mode) => measure(moving, { mode }).measures);

    expect(hub?.['tsnr'] ?? 0).to.be.greaterThan(1.3 * (aidaqc?.['tsnr'] ?? 0));
    expect(hub?.['dvars_nstd'] ?? 0).to.be.lessThan(aidaqc?.['dvars_nstd'] ?? 0);
    expect(hub?.['fd_mean_mm']).to.equal(aidaqc?.['fd_mean_mm']);
    expect(hub?.['tsnr_db']).to.equal(aidaqc?.['tsnr_db']);
  });
});

/** Up to half a voxel and two degrees. */
function anywhere(random: () => number): Parameters {
  const [x = 0, y = 0, z = 0, a = 0, b = 0, c = 0] = Array.from({ length: 6 }, () => 2 * random() - 1);
  const turn = (2 * Math.PI) / 180;
  return [x * 0.5 * SPACING_MM[0], y * 0.5 * SPACING_MM[1], z * 0.5 * SPACING_MM[2], a * turn, b * turn, c * turn];
}

/** Of a head that is known everywhere: nothing is interpolated. In millimetres from the middle. */
function signalAt(x: number, y: number, z: number): number {
  const distance = (x / 6) ** 2 + (y / 5) ** 2 + (z / 5) ** 2;
  const edge = 1 / (1 + Math.exp(12 * (distance - 1)));
  const inner = 800 + 220 * Math.sin(x * 1.1) * Math.cos(y * 0.9) + 180 * Math.cos(z * 0.8 + x * 0.3);
  return edge * (inner + 150 * Math.exp(-((x - 2) ** 2 + (y - 1) ** 2 + z * z) / 2));
}

function placeOf(voxel: number): readonly [number, number, number] {
  const [nx, ny, nz] = DIMS;
  const [i, j, k] = [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / (nx * ny))];
  return [(i - (nx - 1) / 2) * SPACING_MM[0], (j - (ny - 1) / 2) * SPACING_MM[1], (k - (nz - 1) / 2) * SPACING_MM[2]];
}

const VOXELS = DIMS[0] * DIMS[1] * DIMS[2];

function inside(): Uint8Array {
  return Uint8Array.from({ length: VOXELS }, (_, voxel) => (signalAt(...placeOf(voxel)) > 300 ? 1 : 0));
}

/** One repetition a movement: turned about the three axes in turn, then shifted; with the noise of a magnitude. */
function series(movements: readonly Parameters[], random: () => number) {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const pictures = movements.map(([tx, ty, tz, a, b, c]) => {
    const [ca, sa, cb, sb, cc, sc] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b), Math.cos(c), Math.sin(c)];
    const data = Float32Array.from({ length: VOXELS }, (_, voxel) => {
      const [px, py, pz] = placeOf(voxel);
      const [x, y, z] = [px - tx, py - ty, pz - tz];
      // Back again: the transpose of the rotation.
      const signal = signalAt(
        cb * cc * x + cb * sc * y - sb * z,
        (sa * sb * cc - ca * sc) * x + (sa * sb * sc + ca * cc) * y + sa * cb * z,
        (ca * sb * cc + sa * sc) * x + (ca * sb * sc - sa * cc) * y + ca * cb * z,
      );
      return Math.hypot(signal + NOISE * normal(), NOISE * normal());
    });
    return { data, dims: DIMS };
  });
  return volumeOf(pictures, 'functional', {}, { spacingMm: SPACING_MM });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
