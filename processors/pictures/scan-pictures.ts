/** The pictures of one scan: its slices with the mask that was measured in, its air, and its maps. */
import type { Measured } from '../qc/measure.ts';
import { quantile } from '../qc/statistics.ts';
import type { Volume, VolumeKind } from '../volumes/volume.ts';
import { layoutOf, type Layout, levels, sampled, type Window, windowOf } from './mosaic.ts';
import { codeOf, GREYS, heatOf, pngOf, type Raster } from './raster.ts';
import { markSides, numberSlices, outline, withScale } from './sheet.ts';

export interface ScanPicture {
  /** Of its file, without the ending. */
  readonly name: 'mosaic' | 'background' | 'tsnr' | 'relaxation' | 'slices';
  readonly raster: Raster;
  /** For people: what is to be seen, and how it is scaled. */
  readonly caption: string;
}

/** Names of masks in captions. */
const MASKS = { brain: 'brain mask', head: 'mask of the object' } as const;

export interface PictureSize {
  /** Of the largest picture; the others have half of it. */
  readonly maxPixels: number;
}

const ARTEFACT_SIZE: PictureSize = { maxPixels: 1_000_000 };
const LIVING: ReadonlySet<VolumeKind> = new Set(['anatomical', 'diffusion', 'functional']);
/** Slices of the smaller pictures. */
const FEW_SLICES = 24;
const MOST_SLICES = 64;
const TILE_PIXELS = 150;
/** Rather fewer slices than tiles in which nothing is seen. */
const LEAST_TILE = 80;
const SMALL_TILE_PIXELS = 90;
/** Fewer repetitions make no course. */
const MIN_COURSE = 5;

/** As PNG: all that is to be seen of a scan. A volume that was not measured has its slices and nothing else. */
export function picturesOf(
  volume: Volume,
  measured: Measured | undefined,
  size: PictureSize = ARTEFACT_SIZE,
): readonly (Omit<ScanPicture, 'raster'> & {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
})[] {
  return rastersOf(volume, measured, size).map(({ raster, ...rest }) => ({
    ...rest,
    png: pngOf(raster),
    width: raster.width,
    height: raster.height,
  }));
}

/** The same before they are packed. */
export function rastersOf(
  volume: Volume,
  measured: Measured | undefined,
  { maxPixels }: PictureSize,
): readonly ScanPicture[] {
  const maps = measured?.maps;
  const window = windowOf(firstOf(volume));
  const small = layoutOf(volume, {
    tilePixels: SMALL_TILE_PIXELS,
    maxPixels: maxPixels / 2.5,
    maxSlices: FEW_SLICES,
    aspect: 1.4,
  });
  return [
    mosaicPicture(volume, measured, window, maxPixels),
    maps === undefined ? undefined : background(volume, maps.air, window, small),
    maps?.tsnr === undefined ? undefined : heatMap('tsnr', maps.tsnr, small),
    maps?.relaxationMs === undefined ? undefined : heatMap('relaxation', maps.relaxationMs, small),
    slicesOverTime(volume.kind, measured),
  ].filter((picture) => picture !== undefined);
}

function mosaicPicture(volume: Volume, measured: Measured | undefined, window: Window, maxPixels: number): ScanPicture {
  const maxSlices = Math.max(FEW_SLICES / 2, Math.min(MOST_SLICES, Math.round(maxPixels / LEAST_TILE ** 2)));
  const layout = layoutOf(volume, { tilePixels: TILE_PIXELS, maxPixels, maxSlices, aspect: 1.6 });
  const first = firstOf(volume);
  const { width, height, view } = layout;
  const raster = { width, height, pixels: levels(sampled(layout, volume, first), window, GREYS - 1) };
  const maps = measured?.maps;
  if (maps !== undefined) outline(layout, raster, maps.mask, maps.maskKind === 'brain' ? 'blue' : 'orange');
  // A phantom is made of sudden ends: there a dark slice is no lost one.
  const isJudged = LIVING.has(volume.kind) && view.through === 2;
  const dropped = new Set(isJudged ? measured?.droppedSlices : []);
  numberSlices(layout, raster, dropped);
  markSides(layout, raster);
  const all = volume.dims[view.through];
  const shown = layout.tiles.length;
  const which = shown < all ? `${shown} of ${all} slices` : all === 1 ? 'the one slice' : `all ${all} slices`;
  const mask = maps === undefined ? '' : ` The line is the edge of the ${MASKS[maps.maskKind]}.`;
  const lost = dropped.size === 0 ? '' : ' Frames: slices that lost signal.';
  const caption = `${which[0]?.toUpperCase() ?? ''}${which.slice(1)}, ${all === 1 ? 'its window' : 'the same window for all'} (${short(window.low)} to ${short(window.high)}).${mask}${lost}`;
  return { name: 'mosaic', raster, caption };
}

/** As MRIQC shows it: the air made bright, the object left flat, so that ghosts, spikes and stripes are seen. */
function background(volume: Volume, air: Uint8Array, window: Window, layout: Layout): ScanPicture | undefined {
  const first = firstOf(volume);
  const step = Math.max(1, Math.floor(air.length / 400_000));
  const values = new Float64Array(Math.ceil(air.length / step));
  let count = 0;
  for (let voxel = 0; voxel < air.length; voxel += step) {
    values[count] = first[voxel] ?? 0;
    count += air[voxel] ?? 0;
  }
  const top = count < 100 ? 0 : 1.5 * quantile(values.subarray(0, count), 0.98);
  if (!(top > 0)) return undefined;
  const { width, height, voxels } = layout;
  const pixels = levels(sampled(layout, volume, first), { low: 0, high: top }, GREYS - 1);
  const flat = codeOf('slate');
  // Neither air nor filled up with zeros: the object and its rim.
  for (let pixel = 0; pixel < pixels.length; pixel++) {
    const voxel = voxels[pixel] ?? -1;
    if (voxel >= 0 && air[voxel] === 0 && first[voxel] !== 0) pixels[pixel] = flat;
  }
  const raster = { width, height, pixels };
  numberSlices(layout, raster, new Set());
  markSides(layout, raster);
  const share = (100 * top) / (window.high || 1);
  return {
    name: 'background',
    raster,
    caption: `Air, made bright: white is ${short(top)}, ${short(share)} % of the window above. Even grain is noise; copies of the object are ghosts, stripes are interference, a weave is a spike.`,
  };
}

function heatMap(name: 'tsnr' | 'relaxation', map: Float32Array, layout: Layout): ScanPicture | undefined {
  const inner = map.filter((value) => value > 0);
  if (inner.length === 0) return undefined;
  const high = Number(quantile(inner, 0.98).toPrecision(2));
  const { width, height, voxels } = layout;
  const pixels = new Uint8Array(width * height);
  for (let pixel = 0; pixel < pixels.length; pixel++) {
    const value = map[voxels[pixel] ?? -1] ?? 0;
    if (value > 0) pixels[pixel] = heatOf(value / high);
  }
  const raster = { width, height, pixels };
  numberSlices(layout, raster, new Set());
  markSides(layout, raster);
  const isMs = name === 'relaxation';
  return {
    name,
    raster: withScale(raster, '0', isMs ? `${high} ms` : String(high)),
    caption: isMs
      ? `Relaxation time from 0 to ${high} ms; black: no physical value.`
      : `Temporal signal to noise (mean over deviation, a straight line taken out) from 0 to ${high}.`,
  };
}

/** Up to so far from its own median. */
const DEVIATION = 0.2;
const CARPET_WIDTH = 720;

/** Mean of each slice in each repetition against its own median: a dark dash is a slice that lost signal. */
function slicesOverTime(kind: VolumeKind, measured: Measured | undefined): ScanPicture | undefined {
  const stored = measured?.curves.sliceSignal ?? [];
  // Where the weighting changes, each slice is seen against the repetition it is part of.
  const isWeighted = kind === 'diffusion' || kind === 'mapping';
  const courses = isWeighted ? overTheirRepetition(stored) : stored;
  const repetitions = courses[0]?.length ?? 0;
  if (courses.length < 2 || repetitions < MIN_COURSE) return undefined;
  const width = Math.max(repetitions, CARPET_WIDTH);
  const rowHeight = Math.max(2, Math.min(8, Math.round(160 / courses.length)));
  const raster = {
    width,
    height: courses.length * rowHeight,
    pixels: new Uint8Array(width * courses.length * rowHeight),
  };
  courses.forEach((course, slice) => {
    const middle = quantile(Float64Array.from(course), 0.5);
    for (let x = 0; x < width; x++) {
      const value = course[Math.floor((x * repetitions) / width)] ?? Number.NaN;
      const share = middle > 0 && Number.isFinite(value) ? 0.5 + (value / middle - 1) / (2 * DEVIATION) : 0;
      const code = heatOf(share);
      for (let y = 0; y < rowHeight; y++) raster.pixels[(slice * rowHeight + y) * width + x] = code;
    }
  });
  return {
    name: 'slices',
    raster: withScale(raster, '-20 %', '20 %'),
    caption: `Signal of each slice (downwards, 1 to ${courses.length}) in each repetition (to the right, 1 to ${repetitions}) against the ${isWeighted ? "repetition's level and the " : ''}slice's own median, −20 % to +20 %.`,
  };
}

function overTheirRepetition(courses: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const levelsOf = (courses[0] ?? []).map((_, t) =>
    quantile(
      Float64Array.from(courses, (course) => course[t] ?? 0),
      0.5,
    ),
  );
  return courses.map((course) => course.map((value, t) => value / (levelsOf[t] ?? Number.NaN)));
}

function firstOf({ data, dims: [nx, ny, nz] }: Volume): Float32Array {
  return data.subarray(0, nx * ny * nz);
}

const short = (value: number): string => String(Number(value.toPrecision(3)));
