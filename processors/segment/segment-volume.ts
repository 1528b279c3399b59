/** One volume through the network: whole or in windows, and where the manifest asks for it again, centred on what was found. */
import { HubError } from '../../core/errors.ts';
import type { Volume } from '../volumes/volume.ts';
import { activate, decode, type DecodedLabel, foreground } from './decode.ts';
import { onGridOf } from './channels.ts';
import { combinationsOf, flipped } from './flips.ts';
import { applyIntensity } from './intensity.ts';
import { parseLayout } from './layout.ts';
import { type ModelManifest, tensorsOf } from './manifest.ts';
import { fromGrid, gridFor, type ModelGrid, scanFor, seenPart, toGrid, type Triple, windowMode } from './model-grid.ts';
import type { Network } from './network.ts';
import { judge, type Reliability } from './reliability.ts';
import { brainRange, couldBe, speciesOf } from './species.ts';
import { throughWindows, windowsOf } from './windows.ts';

export interface SegmentedVolume {
  /** In the manifest's order, those without a voxel too. */
  readonly labels: readonly (DecodedLabel & { readonly volumeMm3: number })[];
  /** What belongs to any label: 0 and 1 on the volume's grid, x fastest. */
  readonly mask: Uint8Array;
  readonly voxels: number;
  readonly volumeMm3: number;
  /** Mean probability inside the mask, 0 … 1; 0 when it is empty. */
  readonly confidence: number;
  /** That a voxel belongs to any label, on the volume's grid. */
  readonly probability: Float32Array;
  /** What it was scaled as; undefined when the manifest makes no difference. */
  readonly species: string | undefined;
  /** Inside the network. */
  readonly seconds: number;
  readonly runtime: string;
  readonly reliability: Reliability;
}

/** Answers a volume may take at most: a network is opened for so many. */
export function answersFor(volume: Volume, manifest: ModelManifest): number {
  const mode = windowMode(manifest);
  const before = mode.mode === 'whole' ? mode.passes - 1 : 0;
  const passes = before + combinationsOf(manifest.output.flips).length;
  const windows = candidatesFor(volume, manifest).map((species) => {
    const { axes, window } = gridFor(volume, manifest, species);
    return windowsOf([axes[0].size, axes[1].size, axes[2].size], window, overlapOf(manifest)).length;
  });
  return passes * windows.reduce((a, b) => a + b, 0);
}

/**
 * Where the header does not say which animal it is, every species the model knows is tried that the field of view can
 * hold, and the surest answer kept.
 *
 * @param others - of a model of several channels: the other series, in their own geometry
 * @throws {HubError} as `Network.run`; `dataset.unreadable` when the geometry is not usable
 */
export async function segmentVolume(
  volume: Volume,
  manifest: ModelManifest,
  network: Pick<Network, 'run'>,
  others: readonly Volume[] = [],
): Promise<SegmentedVolume> {
  const onGrid = others.map((other) => onGridOf(volume, other));
  let best: SegmentedVolume | undefined;
  for (const species of candidatesFor(volume, manifest)) {
    const result = await segmentAs([volume, ...onGrid], species, manifest, network);
    if (best === undefined || rank(result) > rank(best)) best = result;
  }
  if (best === undefined) throw new HubError('model.invalid', { model: manifest.name, detail: 'it is for no species' });
  return best;
}

/** One, unless the model scales animals apart and nobody says which it is. */
function candidatesFor({ header, dims, spacingMm }: Volume, manifest: ModelManifest): readonly (string | undefined)[] {
  const said = speciesOf(header);
  if (said !== undefined) return [said];
  const fovMm = Math.max(dims[0] * spacingMm[0], dims[1] * spacingMm[1]);
  const possible = manifest.species.filter((each) => couldBe(each, fovMm));
  const candidates = possible.length === 0 ? manifest.species : possible;
  if (candidates.length === 1 || manifest.geometry.species_spacing_mm !== undefined) return candidates;
  return [undefined];
}

/** A brain of a size the animal can have counts more than a confident mask of one it cannot. */
function rank({ species, reliability: { measures } }: SegmentedVolume): number {
  const [low, high] = (species === undefined ? undefined : brainRange(species)) ?? [0, Infinity];
  const { volumeMm3 = 0 } = measures;
  return (volumeMm3 >= low && volumeMm3 <= high ? 1 : 0) + measures.probability;
}

/** @param seen - by channel, all on the grid of the first, which is segmented */
async function segmentAs(
  seen: readonly [Volume, ...Volume[]],
  species: string | undefined,
  manifest: ModelManifest,
  network: Pick<Network, 'run'>,
): Promise<SegmentedVolume> {
  const [volume] = seen;
  const mode = windowMode(manifest);
  const isTwice = mode.mode === 'whole' && mode.passes > 1;
  const { flips } = manifest.output;
  const look = (at: ModelGrid, turned: typeof flips): Promise<Look> => lookAt(seen, at, manifest, network, turned);
  const first = await look(gridFor(volume, manifest, species), isTwice ? [] : flips);
  const found = isTwice ? focusOn(first, manifest, mode.fill) : undefined;
  const last =
    found === undefined ? first : await look(gridFor(volume, manifest, species, found.centre, found.zoom), flips);
  const decoded = decode(last.channels, last.grid, volume, manifest);
  const firstLook =
    found === undefined ? undefined : fromGrid(foreground(first.channels, manifest), first.grid, volume);
  const mask = unionOf(decoded.labels);
  const voxels = mask.reduce((sum, value) => sum + value, 0);
  const voxelMm3 = volume.spacingMm[0] * volume.spacingMm[1] * volume.spacingMm[2];
  const reliability = judge(volume, decoded, mask, manifest, species, firstLook);
  return {
    labels: decoded.labels.map((each) => ({ ...each, volumeMm3: each.voxels * voxelMm3 })),
    mask,
    voxels,
    volumeMm3: voxels * voxelMm3,
    confidence: reliability.measures.probability,
    probability: decoded.probability,
    species,
    seconds: found === undefined ? first.seconds : first.seconds + last.seconds,
    runtime: last.runtime,
    reliability,
  };
}

interface Look {
  readonly grid: ModelGrid;
  /** Probabilities on the grid. */
  readonly channels: readonly Float32Array[];
  readonly seconds: number;
  readonly runtime: string;
}

/** One pass over a grid, or as many as there are ways to turn it round. */
async function lookAt(
  seen: readonly Volume[],
  grid: ModelGrid,
  manifest: ModelManifest,
  network: Pick<Network, 'run'>,
  flips: ModelManifest['output']['flips'],
): Promise<Look> {
  const layout = parseLayout(manifest.geometry.layout);
  if (layout === undefined) throw new TypeError('a manifest that was read has a layout');
  const size: Triple = [grid.axes[0].size, grid.axes[1].size, grid.axes[2].size];
  const values = seen.map((volume) => {
    const sampled = toGrid(scanFor(volume, grid), volume, grid);
    applyIntensity(sampled, size, seenPart(grid, volume), manifest.intensity);
    return sampled;
  });
  const turns = combinationsOf(flips);
  let sums: readonly Float32Array[] = [];
  let seconds = 0;
  let runtime = '';
  for (const turn of turns) {
    const answer = await throughWindows(
      values.map((channel) => flipped(channel, size, turn)),
      { size, window: grid.window, overlap: overlapOf(manifest) },
      layout,
      tensorsOf(manifest).output.num_channels,
      (input, shape, wanted) => network.run(input, shape, wanted),
    );
    activate(answer.channels, manifest);
    const channels = answer.channels.map((channel) => flipped(channel, size, turn));
    if (sums.length === 0) sums = channels;
    else sums.forEach((sum, c) => addTo(sum, channels[c]));
    seconds += answer.seconds;
    runtime = answer.runtime;
  }
  if (turns.length > 1)
    for (const sum of sums) for (let n = 0; n < sum.length; n += 1) sum[n] = at(sum, n) / turns.length;
  return { grid, channels: sums, seconds, runtime };
}

function addTo(sum: Float32Array, more: Float32Array | undefined): void {
  if (more !== undefined) for (let n = 0; n < sum.length; n += 1) sum[n] = at(sum, n) + at(more, n);
}

/** An index that the loop bounds keep inside; typed arrays have no holes. */
function at(array: Float32Array, index: number): number {
  return array[index] ?? 0;
}

function overlapOf(manifest: ModelManifest): number {
  const mode = windowMode(manifest);
  return mode.mode === 'sliding' ? mode.overlap : 0;
}

/** A first look may have found half of a brain, or a brain and more: the second does not trust it further than this. */
const ZOOM: readonly [number, number] = [0.7, 1.25];

/** Where what was found lies, in voxels of the scan, and how near to look at it; undefined when nothing was. */
function focusOn(
  { grid: { axes }, channels }: Look,
  manifest: ModelManifest,
  fill: number | undefined,
): { readonly centre: Triple; readonly zoom: number } | undefined {
  const values = foreground(channels, manifest);
  const sums = [0, 0, 0];
  let total = 0;
  let voxels = 0;
  let n = 0;
  for (let z = 0; z < axes[2].size; z += 1)
    for (let y = 0; y < axes[1].size; y += 1)
      for (let x = 0; x < axes[0].size; x += 1, n += 1) {
        const weight = values[n] ?? 0;
        if (weight < manifest.output.threshold) continue;
        total += weight;
        voxels += 1;
        [x, y, z].forEach((place, axis) => (sums[axis] = (sums[axis] ?? 0) + weight * place));
      }
  if (total === 0) return undefined;
  const centre: [number, number, number] = [0, 0, 0];
  axes.forEach(({ source, origin, step }, axis) => {
    centre[source] = origin + ((sums[axis] ?? 0) / total) * step;
  });
  const zoom = fill === undefined ? 1 : Math.cbrt(voxels / (fill * values.length));
  return { centre, zoom: Math.min(ZOOM[1], Math.max(ZOOM[0], zoom)) };
}

function unionOf(labels: readonly DecodedLabel[]): Uint8Array {
  const [first, ...others] = labels;
  const union = Uint8Array.from(first?.mask ?? []);
  for (const { mask } of others) for (let n = 0; n < union.length; n += 1) if (mask[n] === 1) union[n] = 1;
  return union;
}
