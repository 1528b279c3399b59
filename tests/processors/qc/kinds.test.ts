import { resolve } from 'node:path';
import { expect } from 'chai';
import { openLocalFiles } from '../../../cli/local-files.ts';
import { type Plane, planeOf, repetition } from '../../../processors/qc/grid.ts';
import { fitDecay, fitRecovery, missingTimes } from '../../../processors/qc/mapping.ts';
import { measure } from '../../../processors/qc/measure.ts';
import { discOf, snrBySmoothing, snrBySubtraction } from '../../../processors/qc/phantom.ts';
import { barLengthDifference } from '../../../processors/qc/slice-position.ts';
import { framewiseDisplacement, realign } from '../../../processors/qc/realignment.ts';
import { assembleVolumes, imagesBySeries } from '../../../processors/volumes/assemble.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { head, moved, noisy, volumeOf } from './scans.ts';

const PHANTOMS = resolve(import.meta.dirname, '../../../../shared/mri/phantom');

describe('the measures of one kind of scan', () => {
  describe('of a phantom', () => {
    it('give the uniformity that hazen gives for the ACR phantom, and its true size', async () => {
      const [siemens] = await volumesOf('acr/SiemensSolaFit');
      const [ge] = await volumesOf('acr/GE_Signa_Artist_1.5T_T1');

      const first = measureAs('phantom', siemens);
      const second = measureAs('phantom', ge);

      expect(first['piu_percent']).to.be.closeTo(95.77, 0.01);
      // hazen takes the middle of the picture for the middle of the phantom, which is three pixels beside it.
      expect(second['piu_percent']).to.be.closeTo(92.03, 1);
      for (const measures of [first, second]) {
        expect(measures['psg_percent']).to.be.within(0, 0.1);
        expect(measures['diameter_horizontal_mm']).to.be.closeTo(190, 2);
        expect(measures['diameter_vertical_mm']).to.be.closeTo(190, 2);
        // Published: 5.39 mm of the first, by its longest ramp; ours is the middle of each.
        expect(measures['slice_thickness_mm']).to.be.closeTo(5.3, 0.3);
      }
    });

    it('give where the first and the last slice of the ACR phantom stand, by the bars of its wedges', async () => {
      // Read off the pixels, where each bar is half as bright as what is around it.
      const seen = [
        ['acr/SiemensSolaFit', 0, -1.2],
        ['acr/GE_Signa_Artist_1.5T_T1', 3.1, 0.4],
      ] as const;
      for (const [folder, first, last] of seen) {
        const [volume] = await volumesOf(folder);
        // The second has no name that says so.
        expect(volume?.kind, folder).to.equal('phantom');

        const measures = measureAs('phantom', volume);

        expect(measures['slice_position_1_mm'], folder).to.be.closeTo(first, 0.2);
        expect(measures['slice_position_11_mm'], folder).to.be.closeTo(last, 0.2);
      }
    });

    for (const difference of [-6, -1.5, 0, 3.25])
      it(`give the difference of bars of ${difference} mm`, () => {
        const plane = wedges(30, 30 + difference);

        const measured = barLengthDifference(plane, discOf(plane) ?? expect.fail(), { x: 1, y: 1 });

        expect(measured).to.be.closeTo(difference, 0.05);
      });

    it('give no difference of bars where there are none', () => {
      const plane = wedges(0, 0);

      expect(barLengthDifference(plane, discOf(plane) ?? expect.fail(), { x: 1, y: 1 })).to.equal(undefined);
    });

    it('give the signal to noise that is published for pairs of one slice', async () => {
      // hazen's published values over its factors of normalisation. Its third pair holds real pictures, whose offset it does
      // not take away: those numbers are of another thing.
      const published = [
        ['snr/Siemens', 1874.81 / 9.761711312090041, 2130.93 / 9.761711312090041],
        ['snr/GE', 1551.19 / 8.254476647778304, 1517.88 / 8.254476647778304],
      ] as const;
      for (const [folder, smoothing, subtraction] of published) {
        const volumes = await volumesOf(folder);
        const planes = volumes.flatMap((volume) =>
          Array.from({ length: volume.dims[3] }, (_, t) => planeOf(repetition(volume, t), 0)),
        );
        const [one, other] = planes;
        const disc = one === undefined ? undefined : discOf(one);
        if (one === undefined || other === undefined || disc === undefined) throw new Error(folder);

        expect(snrBySmoothing(one, disc), folder).to.be.within(0.9 * smoothing, 1.04 * smoothing);
        expect(snrBySubtraction(one, other, disc), folder).to.be.within(0.96 * subtraction, 1.04 * subtraction);
      }
    });

    it('say why there is nothing to measure in a picture without a phantom', () => {
      const { measures, reasons } = measure(
        volumeOf([{ data: new Float32Array(64 * 64 * 3).map((_, i) => i % 7), dims: [64, 64, 3] }], 'phantom'),
      );

      expect(measures['piu_percent']).to.equal(null);
      expect(reasons['piu_percent']).to.equal('nothing in the slice has the shape of a phantom');
    });
  });

  describe('of a time series', () => {
    const clean = head({ columns: 48, rows: 40, slices: 14, spacingMm: [0.48, 0.8, 0.43] });

    it('find how far the head moved, to a twentieth of a voxel', () => {
      const shifts = [0, 0.5, -0.3, 1.2, 0];
      const volume = volumeOf(
        shifts.map((by, t) => noisy(moved(clean, by), 10, t + 1)),
        'functional',
      );
      const { maps } = measure(volume);

      const movements = realign(volume, maps?.mask ?? new Uint8Array(), 0) ?? [];

      movements.forEach((movement, t) => {
        expect(movement[0] / volume.spacingMm[0]).to.be.closeTo(shifts[t] ?? 0, 0.05);
        expect(Math.abs(movement[1]) + Math.abs(movement[2])).to.be.below(0.05);
        expect(Math.max(...movement.slice(3).map(Math.abs))).to.be.below(0.01);
      });
    });

    it('turn angles into arcs on the radius of the species', () => {
      const movements = [
        [0, 0, 0, 0, 0, 0],
        [0.1, 0, 0, 0.01, 0, 0],
        [0.1, -0.2, 0, 0.01, 0, -0.02],
      ] as const;
      const volume = (species: string) =>
        volumeOf([clean, clean, clean, clean], 'functional', { PatientSpeciesDescription: species });

      const displacement = framewiseDisplacement(movements, 5);

      expect(displacement).to.have.length(2);
      expect(displacement[0]).to.be.closeTo(0.15, 1e-9);
      expect(displacement[1]).to.be.closeTo(0.3, 1e-9);
      expect(measure(volume('Mus musculus')).measures['fd_radius_mm']).to.equal(5);
      expect(measure(volume('Rattus norvegicus')).measures['fd_radius_mm']).to.equal(9);
      expect(measure(volume('Homo sapiens')).measures['fd_radius_mm']).to.equal(50);
      // A simulated mouse's head, neck and all: of its own volume.
      expect(measure(volume('')).measures['fd_radius_mm']).to.be.within(4, 12);
      expect(measure(volume('Mus musculus'), { fdRadiusMm: 7 }).measures['fd_radius_mm']).to.equal(7);
    });

    it('count dummies, drift and sparks', () => {
      const series = Array.from({ length: 24 }, (_, t) => {
        const gain = (t < 3 ? 1 + 0.4 / (t + 1) : 1) * (1 + 0.002 * t);
        const one = noisy({ ...clean, data: clean.data.map((value) => value * gain) }, t === 17 ? 60 : 8, t + 1);
        return one;
      });

      const { measures, curves } = measure(volumeOf(series, 'functional'));

      expect(measures['dummy_volumes']).to.equal(3);
      expect(measures['drift_percent']).to.be.closeTo(100 * 0.002 * 13, 0.5);
      expect(measures['spike_fraction']).to.be.closeTo(1 / 24, 0.005);
      expect(curves.firstRepetition).to.equal(10);
      expect([curves.dvars?.length, curves.framewiseDisplacement?.length, curves.globalSignal?.length]).to.deep.equal([
        13, 13, 14,
      ]);
      expect(curves.sliceSignal?.map((course) => course.length)).to.deep.equal(Array.from({ length: 14 }, () => 24));
    });
  });

  describe('of diffusion', () => {
    const clean = head({ columns: 40, rows: 32, slices: 10, spacingMm: [0.58, 1.1, 0.54] });
    const axes = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
      [0.7071, 0.7071, 0],
      [0.7071, 0, 0.7071],
      [0, 0.7071, 0.7071],
      [-1, 0, 0],
    ] as const;
    const weighted = (bValues: readonly number[], directions: NonNullable<Volume['diffusion']>['directions']) =>
      volumeOf(
        bValues.map((b, t) =>
          noisy({ ...clean, data: clean.data.map((value) => value * Math.exp(-b * 7e-4)) }, 8, t + 1),
        ),
        'diffusion',
        {},
        { diffusion: { bValues, directions } },
      );

    it('name directions that are doubled, opposite ones too, and missing', () => {
      const table = [0, 1000, 1000, 1000, 1000, 1000, 1000, 1010, 1000];

      const { measures } = measure(weighted(table, [undefined, ...axes, undefined]));

      expect(measures).to.include({
        b0_volumes: 1,
        directions: 8,
        shells: 1,
        doubled_directions: 1,
        missing_directions: 1,
        b_max: 1010,
      });
    });

    it('do not take the weighting for signal loss', () => {
      const { measures, droppedSlices } = measure(
        weighted([0, 0, 0, 1000, 1000, 1000, 2000, 2000, 2000], [undefined, undefined, undefined, ...axes.slice(0, 6)]),
      );

      expect(droppedSlices).to.deep.equal([]);
      expect(measures['drop_out_fraction']).to.equal(0);
      expect(measures['shells']).to.equal(2);
    });

    it('say so when the header does not tell the weighting', () => {
      const { measures, reasons } = measure(volumeOf([clean, clean], 'diffusion'));

      expect(measures['ndc']).to.equal(null);
      expect(reasons['ndc']).to.equal('the header does not say how the repetitions were weighted');
    });
  });

  describe('of maps', () => {
    const mask = new Uint8Array(400).fill(1);
    const of = (timeMs: number, value: (voxel: number) => number) => ({
      timeMs,
      data: Float32Array.from({ length: 400 }, (_, voxel) => value(voxel)),
    });

    it('fit T2 through echoes, and count what is no tissue', () => {
      const t2 = (voxel: number) => (voxel < 40 ? 900 : 30 + voxel / 10);
      const echoes = [10, 20, 30, 40, 60].map((te) => of(te, (voxel) => 1000 * Math.exp(-te / t2(voxel))));

      const fit = fitDecay(echoes, mask);

      expect(fit?.failedFraction).to.be.closeTo(0.1, 1e-6);
      expect(fit?.map[200]).to.be.closeTo(50, 0.01);
      expect(fit?.rSquared).to.be.closeTo(1, 1e-6);
      expect(fitDecay(echoes.slice(0, 2), mask)).to.equal(undefined);
    });

    it('fit T1 through magnitudes of an inversion recovery', () => {
      const times = [50, 150, 400, 900, 1800, 4000];
      const recovery = times.map((ti) => of(ti, (voxel) => Math.abs(800 * (1 - 2 * Math.exp(-ti / (600 + voxel))))));

      const fit = fitRecovery(recovery, mask);

      expect(fit?.map[300]).to.be.closeTo(900, 30);
      expect(fit?.rSquared).to.be.above(0.99);
    });

    it('fit the published phantom plate, and hold its spheres for what they are', async () => {
      const volumes = await volumesOf('relaxometry_T1/site1_20200218/plate5');
      const { measures } = measure(
        { ...(volumes[0] ?? volumeOf([], 'mapping')), kind: 'mapping' },
        { siblings: volumes },
      );

      expect(measures['echoes']).to.be.above(4);
      expect(measures['fit_r2']).to.be.above(0.9);
      // Fourteen spheres of 20 … 2000 ms in water of some seconds.
      expect(measures['map_median_ms']).to.be.within(50, 5_000);
    });

    it('see an echo that is missing from an even list, and none in inversion times', () => {
      expect(missingTimes([10, 20, 30, 50, 60])).to.equal(1);
      expect(missingTimes([10, 20, 30, 40])).to.equal(0);
      expect(missingTimes([50, 150, 400, 900, 1800])).to.equal(0);
    });
  });
});

/** A disc of 190 mm in pixels of 1 mm, with a bar of 6 mm each side of its middle whose end is as soft as a slice is thick. */
function wedges(leftMm: number, rightMm: number): Plane {
  const [columns, rows, top] = [256, 256, 33];
  const pixels = Float32Array.from({ length: columns * rows }, (_, index) => {
    const [x, y] = [index % columns, Math.floor(index / columns)];
    if (Math.hypot(x - 128, y - top - 95) > 95) return 0;
    const lengthMm = Math.abs(x - 128) > 6 ? 0 : x < 128 ? leftMm : rightMm;
    return lengthMm === 0 ? 1000 : 1000 * Math.min(1, Math.max(0, (y - top - lengthMm) / 5 + 0.5));
  });
  return { pixels, columns, rows };
}

async function volumesOf(folder: string): Promise<readonly Volume[]> {
  const files = await openLocalFiles(resolve(PHANTOMS, folder));
  const volumes: Volume[] = [];
  for (const series of imagesBySeries(files.instances))
    volumes.push(...(await assembleVolumes(series, files.store, new AbortController().signal)).volumes);
  return volumes;
}

function measureAs(kind: Volume['kind'], volume: Volume | undefined) {
  if (volume === undefined) throw new Error('no volume');
  return measure({ ...volume, kind }).measures;
}
