import { expect } from 'chai';
import { decode } from 'fast-png';
import { layoutOf } from '../../../processors/pictures/mosaic.ts';
import { codeOf, GREYS, type Raster, rgbOf } from '../../../processors/pictures/raster.ts';
import { picturesOf, rastersOf, type ScanPicture } from '../../../processors/pictures/scan-pictures.ts';
import { outline } from '../../../processors/pictures/sheet.ts';
import { viewOf } from '../../../processors/pictures/view.ts';
import { measure, type Measured } from '../../../processors/qc/measure.ts';
import type { Volume } from '../../../processors/volumes/volume.ts';
import { dropped, head, noisy, volumeOf } from '../qc/scans.ts';

const AXIAL = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const SIZE = { maxPixels: 400_000 };

describe('the pictures of a scan', () => {
  const sound = volumeOf([noisy(head(), 10)], 'anatomical');

  it('draw the contour on the edge of the mask, all of it and nothing else', () => {
    const [nx, ny, nz] = sound.dims;
    const mask = Uint8Array.from({ length: nx * ny * nz }, (_, i) => {
      const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
      return Math.hypot(x - 30, 1.3 * (y - 22)) < 15 && z > 3 && !(x > 28 && x < 33 && y > 20 && y < 24) ? 1 : 0;
    });
    const layout = layoutOf(sound, { tilePixels: 100 });
    const raster = { width: layout.width, height: layout.height, pixels: new Uint8Array(layout.width * layout.height) };

    outline(layout, raster, mask, 'orange');

    const isInside = (pixel: number) => mask[layout.voxels[pixel] ?? -1] === 1;
    const isEdge = (pixel: number) =>
      isInside(pixel) && [-1, 1, -layout.width, layout.width].some((step) => !isInside(pixel + step));
    let edges = 0;
    raster.pixels.forEach((code, pixel) => {
      if (isEdge(pixel)) edges++;
      if ((code === codeOf('orange')) !== isEdge(pixel)) expect.fail(`pixel ${pixel}`);
    });
    expect(edges).to.be.above(12 * 2 * Math.PI * 15);
  });

  it('show the mask that was measured in: blue for a brain, orange for the object', () => {
    const brain = new Uint8Array(sound.data.length).fill(1, 64 * 48 * 6, 64 * 48 * 9);

    const ofHead = named(rastersOf(sound, measure(sound), SIZE), 'mosaic');
    const ofBrain = named(rastersOf(sound, measure(sound, { brain }), SIZE), 'mosaic');

    expect([has(ofHead.raster, 'orange'), has(ofHead.raster, 'blue')]).to.deep.equal([true, false]);
    expect([has(ofBrain.raster, 'orange'), has(ofBrain.raster, 'blue')]).to.deep.equal([false, true]);
    expect(ofBrain.caption).to.include('brain mask');
  });

  it('frame the slices that lost signal, and no slice of a phantom', () => {
    const lost = (kind: Volume['kind']) => {
      const volume = volumeOf([noisy(dropped(head(), [6], 0.9), 4)], kind);
      return named(rastersOf(volume, measure(volume), SIZE), 'mosaic');
    };

    expect(has(named(rastersOf(sound, measure(sound), SIZE), 'mosaic').raster, 'vermilion')).to.equal(false);
    expect(has(lost('anatomical').raster, 'vermilion')).to.equal(true);
    expect(lost('anatomical').caption).to.include('lost signal');
    expect(has(lost('phantom').raster, 'vermilion')).to.equal(false);
  });

  it('make air bright and the object flat, so that a ghost in the air is seen', () => {
    const measured = measure(sound);
    const ghosted = { ...sound, data: sound.data.slice() };
    const air = measured.maps?.air ?? new Uint8Array(0);
    const far = air.indexOf(1, 64 * 48 * 8);
    ghosted.data[far] = 200;

    const picture = named(rastersOf(ghosted, measured, SIZE), 'background').raster;

    const layout = layoutOf(ghosted, { tilePixels: 90, maxPixels: SIZE.maxPixels / 2.5, maxSlices: 24, aspect: 1.4 });
    const codes = (where: (voxel: number) => boolean) =>
      picture.pixels.filter((_, pixel) => where(layout.voxels[pixel] ?? -1));
    expect(Math.max(...codes((voxel) => voxel === far))).to.equal(GREYS - 1);
    const inHead = codes((voxel) => measured.maps?.mask[voxel] === 1);
    const flat = inHead.filter((code) => code === codeOf('slate')).length;
    expect(flat / inHead.length).to.be.above(0.99);
    const inAir = codes((voxel) => air[voxel] === 1);
    // An eye needs a third of the range to see grain.
    expect(inAir.reduce((sum, code) => sum + code, 0) / inAir.length).to.be.within(0.2 * GREYS, 0.7 * GREYS);
  });

  it('have no air to show where it was cut out, and nothing but slices where nothing was measured', () => {
    const stripped = volumeOf([head()], 'anatomical');
    const data = stripped.data.map((value) => (value > 50 ? value : 0));

    const names = (volume: Volume, measured?: Measured) => rastersOf(volume, measured, SIZE).map(({ name }) => name);

    expect(names({ ...stripped, data }, measure({ ...stripped, data }))).to.deep.equal(['mosaic']);
    expect(names(stripped)).to.deep.equal(['mosaic']);
  });

  it('show where a time series is steady and where a slice fell out', () => {
    const repetitions = Array.from({ length: 24 }, (_, t) =>
      noisy(t === 15 ? dropped(head(), [6], 0.7) : head(), 10, t + 1),
    );
    const series = volumeOf(repetitions, 'functional');

    const pictures = rastersOf(series, measure(series), SIZE);

    expect(pictures.map(({ name }) => name)).to.deep.equal(['mosaic', 'background', 'tsnr', 'slices']);
    const { raster } = named(pictures, 'slices');
    // Rows are slices, columns repetitions: the darkest step of the ramp is where the slice fell out and nowhere else.
    const rowHeight = (raster.height - 16) / 16;
    const columns = raster.width / 24;
    const places = new Set<string>();
    raster.pixels.subarray(0, raster.width * (raster.height - 16)).forEach((code, pixel) => {
      const [x, y] = [pixel % raster.width, Math.floor(pixel / raster.width)];
      if (code === GREYS) places.add(`${Math.floor(y / rowHeight)} ${Math.floor(x / columns)}`);
    });
    expect([...places]).to.deep.equal(['6 15']);
  });

  it('show lost slices of a diffusion scan, and not how it was weighted', () => {
    const repetitions = Array.from({ length: 12 }, (_, t) => {
      const { data, dims } = t === 7 ? dropped(head(), [6], 0.7) : head();
      return noisy({ dims, data: data.map((value) => value * (t % 2 === 0 ? 1 : 0.4)) }, 3, t + 1);
    });
    const series = volumeOf(repetitions, 'diffusion');

    const { raster, caption } = named(rastersOf(series, measure(series), SIZE), 'slices');

    const inner = raster.pixels.subarray(0, raster.width * (raster.height - 16));
    const darkest = inner.filter((code) => code === GREYS).length;
    expect(darkest).to.equal(inner.length / (12 * 16));
    expect(caption).to.include("the repetition's level");
  });

  it('are PNG files of a bounded size, the same as RGB', () => {
    const many = volumeOf(
      [noisy(head({ columns: 128, rows: 100, slices: 90, spacingMm: [0.18, 0.12, 0.18] }), 10)],
      'anatomical',
    );

    const [png] = picturesOf(many, undefined, { maxPixels: 200_000 });
    const [{ raster }] = rastersOf(many, undefined, { maxPixels: 200_000 }) as [ScanPicture];

    const image = decode(png?.png ?? new Uint8Array(0));
    expect(image).to.include({ channels: 1, depth: 8, width: raster.width, height: raster.height });
    expect(image.width * image.height).to.be.within(120_000, 220_000);
    expect(image.palette?.[image.data[5_000] ?? 0]).to.deep.equal([...rgbOf(raster).subarray(15_000, 15_003)]);
  });
});

describe('how slices are turned', () => {
  const cases: readonly (readonly [string, Partial<Volume>, object])[] = [
    ['axial as DICOM stores it', { affine: AXIAL }, { left: 'R', right: 'L', top: 'A', bottom: 'P' }],
    [
      'axial as NIfTI stores it',
      { affine: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] },
      { left: 'R', right: 'L', top: 'A', bottom: 'P' },
    ],
    [
      'coronal slices along the second axis',
      { affine: AXIAL, spacingMm: [0.2, 1, 0.2], dims: [64, 10, 64, 1] },
      { left: 'R', right: 'L', top: 'H', bottom: 'F' },
    ],
    [
      'sagittal, head and foot across in the file',
      { affine: [0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1] },
      { left: 'A', right: 'P', top: 'H', bottom: 'F' },
    ],
  ];
  for (const [name, changes, marks] of cases)
    it(`is said by letters: ${name}`, () => {
      expect(viewOf({ ...volumeOf([head()], 'anatomical'), ...changes }).marks).to.deep.equal(marks);
    });

  it('speaks of an animal on its feet as of one', () => {
    const animal = volumeOf([head()], 'anatomical', { AnatomicalOrientationType: 'QUADRUPED' }, { affine: AXIAL });

    expect(viewOf(animal).marks).to.deep.equal({ left: 'RT', right: 'LE', top: 'D', bottom: 'V' });
    expect(viewOf(animal).isDownTurned).to.equal(true);
  });
});

function named(pictures: readonly ScanPicture[], name: string): ScanPicture {
  const found = pictures.find((picture) => picture.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

function has({ pixels }: Raster, colour: Parameters<typeof codeOf>[0]): boolean {
  return pixels.includes(codeOf(colour));
}
