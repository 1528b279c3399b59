import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import type { PastScan } from '../../../core/ledger/qc-history.ts';
import { measure } from '../../../processors/qc/measure.ts';
import { parseQcOptions } from '../../../processors/qc/options.ts';
import { parametersOf } from '../../../processors/qc/protocol.ts';
import { judge, type Judged } from '../../../processors/qc/verdict.ts';
import { readNifti } from '../../../processors/volumes/nifti.ts';
import type { Volume, VolumeKind } from '../../../processors/volumes/volume.ts';
import { biased, cut, dropped, ghosted, head, moved, noisy, type Picture, volumeOf } from './scans.ts';

/** What is wrong, four times worse each, and the measure that has to say so. */
interface Injection {
  readonly what: string;
  readonly levels: readonly number[];
  readonly inject: (clean: Picture, level: number, t: number) => Picture;
  readonly attributes?: (level: number) => Readonly<Record<string, number>>;
  /** Moves with the level, in this direction. */
  readonly measure: string;
  readonly grows: boolean;
  /** All that may be judged, because it is the same thing seen in another way. */
  readonly alike: readonly string[];
}

const NOISE = 18;
const PAST = 20;
const REPETITIONS = 14;
const OPTIONS = parseQcOptions({ history: { minimum: 20 } });

const anatomical: readonly Injection[] = [
  {
    what: 'noise',
    levels: [1, 1.6, 2.5, 4],
    inject: (clean, level) => noisy(clean, NOISE * Math.sqrt(level * level - 1), 77),
    measure: 'snr_normal_db',
    grows: false,
    // Four ways to look at the same noise.
    alike: ['snr_chang_db', 'snrd', 'efc'],
  },
  {
    what: 'a ghost',
    levels: [0.02, 0.05, 0.1, 0.2],
    inject: (clean, level) => ghosted(clean, level),
    measure: 'ghost_to_signal',
    grows: true,
    // A ghost is structure in the air: what takes the air for noise sees less signal to noise, and energy spread out.
    alike: ['snrd', 'efc', 'rf_line_z'],
  },
  {
    what: 'signal loss in slices',
    levels: [1, 2, 3, 4],
    inject: (clean, level) => dropped(clean, [4, 6, 8, 11].slice(0, level), 0.8),
    measure: 'drop_out_fraction',
    grows: true,
    // Less signal in the middle is less signal to noise.
    alike: ['snr_chang_db', 'snr_normal_db', 'snrd'],
  },
  {
    what: 'bias',
    levels: [0.3, 0.6, 0.9, 1.2],
    inject: (clean, level) => biased(clean, level),
    measure: 'inu_range',
    grows: true,
    alike: [],
  },
  {
    what: 'a field of view that cuts',
    levels: [10, 14, 18, 22],
    inject: (clean, level) => cut(clean, level),
    measure: 'fov_cut_fraction',
    grows: true,
    // What is cut off is missing from the sphere in the middle and from the mean of the slices.
    alike: ['snr_chang_db', 'snr_normal_db', 'snrd'],
  },
  {
    what: 'a wrong repetition time',
    levels: [3240, 3300, 3600, 4800],
    inject: (clean) => clean,
    attributes: (level) => ({ RepetitionTime: level }),
    measure: 'RepetitionTime',
    grows: true,
    alike: [],
  },
];

const functional: readonly Injection[] = [
  {
    what: 'noise',
    levels: [1, 1.6, 2.5, 4],
    inject: (clean, level, t) => noisy(clean, NOISE * Math.sqrt(level * level - 1), 500 + t),
    measure: 'tsnr',
    grows: false,
    // The same in dB; and what is estimated from noisier pictures is less certain, motion too.
    alike: ['tsnr_db', 'fd_mean_mm'],
  },
  {
    what: 'motion',
    levels: [0.1, 0.3, 0.8, 2],
    inject: (clean, level, t) => moved(clean, t % 3 === 1 ? level : 0),
    measure: 'fd_mean_mm',
    grows: true,
    // What moves changes from repetition to repetition: that is what all of these see.
    alike: ['fd_perc', 'tsnr', 'tsnr_db', 'lmv', 'dvars_std'],
  },
  {
    what: 'signal loss in a slice of one repetition',
    levels: [0.3, 0.5, 0.7, 0.9],
    inject: (clean, level, t) =>
      t === 12 ? dropped(clean, [4, 7, 9, 11].slice(0, Math.round(level * 5 - 0.5)), level) : clean,
    measure: 'drop_out_fraction',
    grows: true,
    // One repetition is another picture than the others.
    alike: ['tsnr', 'tsnr_db', 'dvars_std', 'fd_mean_mm', 'fd_perc'],
  },
];

describe('the verdict of quality control', () => {
  describe('on a simulated anatomical scan', () => {
    const clean = head();
    injections(
      'anatomical',
      anatomical,
      (seed) => [noisy(clean, NOISE, seed)],
      (one) => noisy(one, NOISE, 999),
      clean,
    );
  });

  describe('on a simulated time series', () => {
    const clean = head({ columns: 40, rows: 32, slices: 12, spacingMm: [0.58, 0.9, 0.54] });
    const series = (seed: number) => Array.from({ length: REPETITIONS }, (_, t) => noisy(clean, NOISE, seed * 100 + t));
    injections('functional', functional, series, (one, t) => noisy(one, NOISE, 99_900 + t), clean);
  });

  describe('on a real mouse head', () => {
    const file = resolve(import.meta.dirname, '../../../../shared/mri/rodent/mouse_template_head_300um/anat.nii.gz');
    const { data, dims } = readNifti(readFileSync(file));
    // Its voxels are 0 … some hundreds; scaled to the simulated one's, so that the levels mean the same.
    const top = data.reduce((a, b) => Math.max(a, b), 0);
    const real: Picture = { data: data.map((value) => (1_200 * value) / top), dims: [dims[0], dims[1], dims[2]] };
    const some = anatomical.filter(
      ({ what }) => what === 'noise' || what === 'bias' || what.includes('repetition time'),
    );
    injections(
      'anatomical',
      some,
      (seed) => [noisy(real, NOISE, seed)],
      (one) => noisy(one, NOISE, 999),
      real,
    );
  });
});

function injections(
  kind: VolumeKind,
  rows: readonly Injection[],
  soundScan: (seed: number) => readonly Picture[],
  finish: (one: Picture, t: number) => Picture,
  clean: Picture,
): void {
  let past: readonly PastScan[] = [];
  const repetitions = soundScan(1).length;

  before(() => {
    past = Array.from({ length: PAST }, (_, n) => {
      const volume = volumeOf(soundScan(n + 1), kind);
      return { measures: measure(volume).measures, parameters: parametersOf(volume), recordedAt: '' };
    });
  });

  const verdictOf = (volume: Volume): Judged & { readonly value: (name: string) => number } => {
    const measured = measure(volume);
    const parameters = parametersOf(volume);
    return {
      ...judge({ kind, measured, found: [], parameters, past }, OPTIONS),
      value: (name) => Number(measured.measures[name] ?? parameters[name]),
    };
  };

  it('passes a sound scan like those before', () => {
    const { verdict, findings, pastScans } = verdictOf(volumeOf(soundScan(4_711), kind));

    expect({ verdict, findings, pastScans }).to.deep.equal({ verdict: 'pass', findings: [], pastScans: PAST });
  });

  for (const { what, levels, inject, attributes, measure: name, grows, alike } of rows)
    it(`sees ${what}, more of more, and calls nothing else wrong`, () => {
      const scans = levels.map((level) =>
        volumeOf(
          Array.from({ length: repetitions }, (_, t) => finish(inject(clean, level, t), t)),
          kind,
          attributes?.(level),
        ),
      );

      const verdicts = scans.map(verdictOf);

      const values = verdicts.map(({ value }) => value(name));
      const ordered = values.toSorted((a, b) => (grows ? a - b : b - a));
      expect(values, name).to.deep.equal(ordered);
      expect(new Set(values).size, `${name}: ${values.join(', ')}`).to.equal(levels.length);
      const worst = verdicts.at(-1);
      expect(worst?.verdict).to.be.oneOf(['warn', 'fail']);
      const judged = (worst?.judgements ?? []).map((one) => one.measure);
      expect(judged).to.include(name);
      expect(judged.filter((one) => one !== name && !alike.includes(one))).to.deep.equal([]);
    });
}
