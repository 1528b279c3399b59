/** One volume through the network: whole or in windows, and where the manifest asks for it again, centred on what was found. */
import { HubError } from '../../core/errors.ts';
import type { Volume } from '../volumes/volume.ts';
import { activate, decode, type DecodedLabel, foreground } from './decode.ts';
import { applyIntensity } from './intensity.ts';
import { parseLayout } from './layout.ts';
import { type ModelManifest, tensorsOf } from './manifest.ts';
import {
  centreOf,
  fromGrid,
  gridFor,
  type ModelGrid,
  scanFor,
  seenPart,
  toGrid,
  type Triple,
  windowMode,
} from './model-grid.ts';
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
  const passes = mode.mode === 'whole' ? mode.passes : 1;
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
 * @throws {HubError} as `Network.run`; `dataset.unreadable` when the geometry is not usable
 */
export async function segmentVolume(
  volume: Volume,
  manifest: ModelManifest,
  network: Pick<Network, 'run'>,
): Promise<SegmentedVolume> {
  let best: SegmentedVolume | undefined;
  for (const species of candidatesFor(volume, manifest)) {
    const result = await segmentAs(volume, species, manifest, network);
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

async function segmentAs(
  volume: Volume,
  species: string | undefined,
  manifest: ModelManifest,
  network: Pick<Network, 'run'>,
): Promise<SegmentedVolume> {
  const mode = windowMode(manifest);
  const scan = scanFor(volume, gridFor(volume, manifest, species));
  const look = (centre: Triple): Promise<Look> => lookAt(scan, volume, species, manifest, network, centre);
  const first = await look(centreOf(volume));
  const found = mode.mode === 'whole' && mode.passes > 1 ? centreOfMass(first, manifest) : undefined;
  const last = found === undefined ? first : await look(found);
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

/** One pass over a grid whose middle is `centre`, in voxels of the scan. */
async function lookAt(
  scan: Float32Array,
  volume: Volume,
  species: string | undefined,
  manifest: ModelManifest,
  network: Pick<Network, 'run'>,
  centre: Triple,
): Promise<Look> {
  const layout = parseLayout(manifest.geometry.layout);
  if (layout === undefined) throw new TypeError('a manifest that was read has a layout');
  const grid = gridFor(volume, manifest, species, centre);
  const size: Triple = [grid.axes[0].size, grid.axes[1].size, grid.axes[2].size];
  const values = toGrid(scan, volume, grid);
  applyIntensity(values, size, seenPart(grid, volume), manifest.intensity);
  const { channels, seconds, runtime } = await throughWindows(
    values,
    { size, window: grid.window, overlap: overlapOf(manifest) },
    layout,
    tensorsOf(manifest).output.num_channels,
    (input, shape, answer) => network.run(input, shape, answer),
  );
  activate(channels, manifest);
  return { grid, channels, seconds, runtime };
}

function overlapOf(manifest: ModelManifest): number {
  const mode = windowMode(manifest);
  return mode.mode === 'sliding' ? mode.overlap : 0;
}

/** Where what was found lies, in voxels of the scan; undefined when nothing was. */
function centreOfMass({ grid: { axes }, channels }: Look, manifest: ModelManifest): Triple | undefined {
  const values = foreground(channels, manifest);
  const sums = [0, 0, 0];
  let total = 0;
  let n = 0;
  for (let z = 0; z < axes[2].size; z += 1)
    for (let y = 0; y < axes[1].size; y += 1)
      for (let x = 0; x < axes[0].size; x += 1, n += 1) {
        const weight = values[n] ?? 0;
        if (weight < manifest.output.threshold) continue;
        total += weight;
        [x, y, z].forEach((place, axis) => (sums[axis] = (sums[axis] ?? 0) + weight * place));
      }
  if (total === 0) return undefined;
  const centre: [number, number, number] = [0, 0, 0];
  axes.forEach(({ source, origin, step }, axis) => {
    centre[source] = origin + ((sums[axis] ?? 0) / total) * step;
  });
  return centre;
}

function unionOf(labels: readonly DecodedLabel[]): Uint8Array {
  const [first, ...others] = labels;
  const union = Uint8Array.from(first?.mask ?? []);
  for (const { mask } of others) for (let n = 0; n < union.length; n += 1) if (mask[n] === 1) union[n] = 1;
  return union;
}
