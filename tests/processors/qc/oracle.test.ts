import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { kernelDensity } from '../../../processors/qc/background.ts';
import { maskOfNifti } from '../../../processors/qc/brain-masks.ts';
import { fitMask } from '../../../processors/qc/mask-fit.ts';
import { measure } from '../../../processors/qc/measure.ts';
import { contrastToNoise, jointVariation } from '../../../processors/qc/tissue.ts';
import { readNifti } from '../../../processors/volumes/nifti.ts';
import type { Triple, Volume, VolumeKind } from '../../../processors/volumes/volume.ts';
import { run } from '../../support/child-process.ts';
import { emptyHeader } from '../../support/empty-header.ts';
import { allow } from '../../support/patience.ts';
import { numpy } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const HEAD = resolve(import.meta.dirname, '../../../../shared/mri/rodent/mouse_T1w_head');
/** Relative to the value, or to 1 where it is smaller. */
const TOLERANCE: Readonly<Record<string, number>> = { snr_chang_db: 2e-4, snr_normal_db: 1e-5, aor: 2e-3, aqi: 1e-4 };

type Numbers = Readonly<Record<string, number>>;
interface Expected {
  readonly image: Numbers;
  readonly series: Numbers & { readonly shape: Volume['dims'] };
  readonly dwi: Numbers & { readonly shape: Volume['dims']; readonly bValues: number[]; readonly directions: Triple[] };
  readonly tissue: Numbers;
  readonly kde: { readonly points: number[]; readonly density: number[] };
}

describe('the measures of quality control, against their formulas in numpy', () => {
  const folder = temporaryFolder();
  let expected: Expected;

  beforeEach(async () => {
    if (existsSync(join(folder.path, 'expected.json'))) return;
    allow(120_000);
    const [image, mask] = ['sherm-1_T1w.nii.gz', 'sherm-1_mask.nii.gz'].map((name) => join(HEAD, name));
    const script = join(import.meta.dirname, 'oracle.py');
    const args = [script, folder.path, image ?? '', mask ?? ''];
    const { code, stderr } = await run(await numpy(), args, { timeoutMs: 100_000 });
    if (code !== 0) throw new Error(stderr);
    expected = JSON.parse(readFileSync(join(folder.path, 'expected.json'), 'utf8')) as Expected;
  });

  it('agree on a mouse head with a mask of its brain, in the mode of AIDAqc too', () => {
    const volume = readNifti(readFileSync(join(HEAD, 'sherm-1_T1w.nii.gz')));
    const { brain } = fitMask(maskOfNifti(readFileSync(join(HEAD, 'sherm-1_mask.nii.gz'))), volume);

    const { measures } = measure(volume, { brain, mode: 'aidaqc' });

    agree(measures, expected.image);
  });

  it('agree on a time series with breathing, drift and a jump', () => {
    const { shape, ...numbers } = expected.series;
    const brain = new Uint8Array(readFileSync(join(folder.path, 'series-mask.u8')));

    const { measures } = measure(volumeOf(floats('series.f32'), shape, 'functional'), { brain, mode: 'aidaqc' });

    const { tsnr_db: _, ...others } = numbers;
    agree(measures, others);
    const ours = measure(volumeOf(floats('series.f32'), shape, 'functional'), { brain });
    expect(ours.measures['tsnr_db']).to.be.closeTo(numbers['tsnr_db'] ?? 0, 0.01);
  });

  it('agree on diffusion, and find the noise that was put in', () => {
    const { shape, bValues, directions, sigma, ...numbers } = expected.dwi;
    const brain = new Uint8Array(readFileSync(join(folder.path, 'series-mask.u8')));
    const volume = {
      ...volumeOf(floats('dwi.f32'), shape, 'diffusion'),
      diffusion: { bValues, directions: directions.map((g) => (g.every((v) => v === 0) ? undefined : g)) },
    };

    const { measures } = measure(volume, { brain });

    agree(measures, numbers);
    expect(measures['noise_sigma']).to.be.closeTo(sigma ?? 0, 0.5);
    expect(measures).to.include({ b0_volumes: 3, directions: 12, shells: 1, doubled_directions: 0, fa_nan_ppm: 0 });
  });

  it('agree on tissues and on the density of the air', () => {
    const [white, grey] = [Float64Array.from(floats('white.f32')), Float64Array.from(floats('grey.f32'))];
    const air = floats('air.f32');

    agree({ cnr: contrastToNoise(white, grey, air), cjv: jointVariation(white, grey) }, expected.tissue);
    const density = kernelDensity(Float64Array.from(air).sort(), Float64Array.from(expected.kde.points), 4);
    density.forEach((value, i) => expect(value).to.be.closeTo(expected.kde.density[i] ?? 0, 1e-6));
  });

  function floats(name: string): Float32Array {
    const bytes = readFileSync(join(folder.path, name));
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
});

function agree(measures: Readonly<Record<string, number | null>>, expected: Numbers): void {
  for (const [name, value] of Object.entries(expected))
    expect(measures[name], name).to.be.closeTo(value, (TOLERANCE[name] ?? 1e-5) * Math.max(1, Math.abs(value)));
}

function volumeOf(data: Float32Array, dims: Volume['dims'], kind: VolumeKind): Volume {
  return {
    studyInstanceUid: '',
    seriesInstanceUid: '',
    dims,
    spacingMm: [0.5, 0.5, 1],
    data: Float32Array.from(data),
    affine: [0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    isRegular: true,
    slices: [],
    header: emptyHeader(),
    kind,
  };
}
