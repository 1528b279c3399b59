/** One volume through the network: whole field of view first, then again centred on what was found. */
import { HubError } from '../../core/errors.ts';
import type { Volume } from '../volumes/volume.ts';
import { centreOf, centreOfMass, fromModelGrid, type ModelGrid, toModelGrid, type Triple } from './grid.ts';
import type { InferenceSession } from './inference.ts';
import type { ModelManifest } from './manifest.ts';
import { countVoxels, fillHoles, largestComponent } from './mask.ts';

export interface SegmentedVolume {
  /** 0 and 1 on the volume's grid, x fastest. */
  readonly mask: Uint8Array;
  readonly voxels: number;
  readonly volumeMm3: number;
  /** Mean probability inside the mask, 0 … 1; 0 when it is empty. */
  readonly confidence: number;
  readonly species: Species;
  readonly seconds: number;
  readonly runtime: string;
}

export type Species = ModelManifest['species'][number];

/**
 * When the header does not say which animal it is: the field of view of a head scan, and how large a brain can be
 * (adult mouse 350–670 mm³, rat 1,500–2,500 mm³, with room for young animals and generous masks).
 */
const ANIMALS: Readonly<
  Record<Species, { readonly fovMm: readonly [number, number]; readonly brainMm3: readonly [number, number] }>
> = {
  mouse: { fovMm: [0, 26], brainMm3: [200, 900] },
  rat: { fovMm: [20, 80], brainMm3: [900, 4_000] },
  human: { fovMm: [80, Infinity], brainMm3: [500_000, 3_000_000] },
};

/**
 * @param species - of the header; undefined tries every species the model knows and keeps the surest answer
 * @throws {HubError} as `InferenceSession.run`; `dataset.unreadable` when the geometry is not usable
 */
export async function segmentVolume(
  volume: Volume,
  species: Species | undefined,
  manifest: ModelManifest,
  session: InferenceSession,
): Promise<SegmentedVolume> {
  const candidates = species === undefined ? manifest.species.filter((each) => couldBe(each, volume)) : [species];
  let best: SegmentedVolume | undefined;
  for (const candidate of candidates.length === 0 ? manifest.species : candidates) {
    const result = await segmentAs(volume, candidate, manifest, session);
    if (best === undefined || rank(result) > rank(best)) best = result;
  }
  if (best === undefined)
    throw new HubError('model.invalid', { model: manifest.name, detail: 'its manifest names no species' });
  return best;
}

function couldBe(species: Species, { dims, spacingMm }: Volume): boolean {
  const fovMm = Math.max(dims[0] * spacingMm[0], dims[1] * spacingMm[1]);
  const [low, high] = ANIMALS[species].fovMm;
  return fovMm >= low && fovMm <= high;
}

/** A brain of a size the animal can have counts more than a confident mask of one it cannot. */
function rank({ species, volumeMm3, confidence }: SegmentedVolume): number {
  const [low, high] = ANIMALS[species].brainMm3;
  return (volumeMm3 >= low && volumeMm3 <= high ? 1 : 0) + confidence;
}

async function segmentAs(
  volume: Volume,
  species: Species,
  manifest: ModelManifest,
  session: InferenceSession,
): Promise<SegmentedVolume> {
  const [input] = Object.values(manifest.network_data_format.inputs);
  const shape: Triple = input?.spatial_shape ?? [1, 1, 1];
  const spacingMm: Triple = manifest.geometry.species_spacing_mm?.[species] ?? manifest.geometry.spacing_mm;
  const pass = async (
    centreLps: Triple,
  ): Promise<{ grid: ModelGrid; probability: Float32Array; seconds: number; runtime: string }> => {
    const grid = { shape, spacingMm, centreLps };
    const scan = scaleIntensity(toModelGrid(volume, grid), manifest.intensity[0]);
    const { output, seconds, runtime } = await session.run(scan);
    return { grid, probability: foregroundProbability(output, manifest), seconds, runtime };
  };
  const first = await pass(centreOf(volume));
  const found = centreOfMass(first.probability, first.grid, manifest.output.threshold);
  const last = found === undefined ? first : await pass(found);
  const probability = fromModelGrid(last.probability, last.grid, volume);
  const mask = decodeMask(probability, volume, manifest);
  const voxels = countVoxels(mask);
  const [sx, sy, sz] = volume.spacingMm;
  return {
    mask,
    voxels,
    volumeMm3: voxels * sx * sy * sz,
    confidence: voxels === 0 ? 0 : meanInside(probability, mask, voxels),
    species,
    seconds: found === undefined ? first.seconds : first.seconds + last.seconds,
    runtime: last.runtime,
  };
}

/** Scales by a percentile of the voxels above a fraction of the maximum; an empty scan stays empty. */
function scaleIntensity(values: Float32Array, rule: ModelManifest['intensity'][0]): Float32Array {
  const maximum = values.reduce((a, b) => Math.max(a, b), 0);
  const signal = values.filter((value) => value > maximum * rule.above).sort();
  const reference = signal[Math.min(signal.length - 1, Math.floor((signal.length * rule.hi) / 100))] ?? 0;
  if (reference <= 0) return new Float32Array(values.length);
  return values.map((value) => Math.min(rule.clip, Math.max(0, value / reference)));
}

/** 1 − P(background) for a softmax over channels; the value itself for a single channel. */
function foregroundProbability(output: Float32Array, manifest: ModelManifest): Float32Array {
  const [spec] = Object.values(manifest.network_data_format.outputs);
  const channels = spec?.num_channels ?? 1;
  const size = output.length / channels;
  if (channels === 1) return output;
  const probability = new Float32Array(size);
  for (let n = 0; n < size; n += 1) {
    let largest = -Infinity;
    for (let c = 0; c < channels; c += 1) largest = Math.max(largest, output[c * size + n] ?? 0);
    let total = 0;
    for (let c = 0; c < channels; c += 1)
      total +=
        manifest.output.activation === 'softmax'
          ? Math.exp((output[c * size + n] ?? 0) - largest)
          : (output[c * size + n] ?? 0);
    const background =
      manifest.output.activation === 'softmax' ? Math.exp((output[n] ?? 0) - largest) : (output[n] ?? 0);
    probability[n] = total === 0 ? 0 : 1 - background / total;
  }
  return probability;
}

function decodeMask(probability: Float32Array, volume: Volume, manifest: ModelManifest): Uint8Array {
  const [nx, ny, nz] = volume.dims;
  let mask: Uint8Array = Uint8Array.from(probability, (p) => (p >= manifest.output.threshold ? 1 : 0));
  if (manifest.output.postprocess.includes('largest_component')) mask = largestComponent(mask, [nx, ny, nz]);
  if (manifest.output.postprocess.includes('fill_holes')) mask = fillHoles(mask, [nx, ny, nz]);
  return mask;
}

function meanInside(probability: Float32Array, mask: Uint8Array, voxels: number): number {
  let sum = 0;
  for (let n = 0; n < mask.length; n += 1) if (mask[n] === 1) sum += probability[n] ?? 0;
  return sum / voxels;
}
