/** From what a network answers on its grid to a mask of each label on the scan's own. */
import { HubError } from '../../core/errors.ts';
import type { Volume } from '../volumes/volume.ts';
import { countVoxels, fillHoles, largestComponent, removeSmall } from './mask.ts';
import { channelsOf, type Label, type ModelManifest, type PostprocessStep } from './manifest.ts';
import { fromGrid, type ModelGrid } from './model-grid.ts';

export interface DecodedLabel {
  readonly label: Label;
  /** 0 and 1 on the volume's grid, x fastest. */
  readonly mask: Uint8Array;
  readonly voxels: number;
  /** Mean probability of the label inside its mask; 0 when that is empty. */
  readonly confidence: number;
}

export interface Decoded {
  readonly labels: readonly DecodedLabel[];
  /** That a voxel belongs to any label, on the volume's grid. */
  readonly probability: Float32Array;
}

/**
 * Turns raw channels into probabilities, in place. `none`: the network did so itself.
 *
 * @throws {HubError} `model.invalid` when it did not
 */
export function activate(channels: readonly Float32Array[], { name, output }: ModelManifest): void {
  const { activation } = output;
  const isProbability = (value: number): boolean => value >= -ROUNDING && value <= 1 + ROUNDING;
  if (activation === 'none' && !channels.every((channel) => channel.every(isProbability)))
    throw new HubError('model.invalid', {
      model: name,
      detail: 'its output holds values below 0 or above 1, but the manifest asks for no activation',
    });
  if (activation === 'sigmoid')
    for (const channel of channels)
      for (let n = 0; n < channel.length; n += 1) channel[n] = 1 / (1 + Math.exp(-(channel[n] ?? 0)));
  if (activation === 'softmax') softmax(channels);
}

/** What float32 makes of a probability of 1. */
const ROUNDING = 1e-3;

function softmax(channels: readonly Float32Array[]): void {
  const size = channels[0]?.length ?? 0;
  for (let n = 0; n < size; n += 1) {
    let largest = -Infinity;
    for (const channel of channels) largest = Math.max(largest, channel[n] ?? 0);
    let total = 0;
    for (const channel of channels) {
      const value = Math.exp((channel[n] ?? 0) - largest);
      channel[n] = value;
      total += value;
    }
    for (const channel of channels) channel[n] = (channel[n] ?? 0) / total;
  }
}

/** That a voxel of the grid belongs to any label. @param channels - probabilities */
export function foreground(channels: readonly Float32Array[], manifest: ModelManifest): Float32Array {
  const claimed = [...new Set(manifest.labels.flatMap((label) => channelsOf(label, channels.length)))];
  return sumOf(channels, claimed, manifest);
}

/** Channels that exclude one another add up; independent ones are as sure as the surest. */
function sumOf(channels: readonly Float32Array[], chosen: readonly number[], { output }: ModelManifest): Float32Array {
  const isExclusive = output.activation !== 'sigmoid';
  const sum = new Float32Array(channels[0]?.length ?? 0);
  for (const c of chosen) {
    const channel = channels[c];
    if (channel === undefined) continue;
    for (let n = 0; n < sum.length; n += 1) {
      const value = channel[n] ?? 0;
      sum[n] = isExclusive ? Math.min(1, (sum[n] ?? 0) + value) : Math.max(sum[n] ?? 0, value);
    }
  }
  return sum;
}

/** @param channels - probabilities on the grid */
export function decode(
  channels: readonly Float32Array[],
  grid: ModelGrid,
  volume: Volume,
  manifest: ModelManifest,
): Decoded {
  const { output } = manifest;
  const needsLargest = manifest.labels.some((label) => (label.decode ?? output.decode) === 'argmax');
  const largest = needsLargest ? largestChannel(channels, grid, volume) : undefined;
  const any = fromGrid(foreground(channels, manifest), grid, volume);
  const labels = manifest.labels.map((label): DecodedLabel => {
    const chosen = channelsOf(label, channels.length);
    const isOnly = manifest.labels.length === 1;
    const probability = isOnly ? any : fromGrid(sumOf(channels, chosen, manifest), grid, volume);
    const isArgmax = (label.decode ?? output.decode) === 'argmax';
    let mask: Uint8Array = new Uint8Array(probability.length);
    for (let n = 0; n < mask.length; n += 1) {
      const isIn = isArgmax ? chosen.includes(largest?.[n] ?? -1) : (probability[n] ?? 0) >= output.threshold;
      if (isIn) mask[n] = 1;
    }
    for (const step of output.postprocess) mask = cleaned(mask, step, volume);
    const voxels = countVoxels(mask);
    return { label, mask, voxels, confidence: voxels === 0 ? 0 : meanInside(probability, mask, voxels) };
  });
  return { labels, probability: any };
}

/** The channel with the highest probability at each voxel of the scan; −1 outside the grid. */
function largestChannel(channels: readonly Float32Array[], grid: ModelGrid, volume: Volume): Int16Array {
  const [nx, ny, nz] = volume.dims;
  const best = new Float32Array(nx * ny * nz);
  const which = new Int16Array(best.length).fill(-1);
  channels.forEach((channel, c) => {
    const values = fromGrid(channel, grid, volume);
    for (let n = 0; n < best.length; n += 1)
      if ((values[n] ?? 0) > (best[n] ?? 0)) {
        best[n] = values[n] ?? 0;
        which[n] = c;
      }
  });
  return which;
}

function cleaned(mask: Uint8Array, step: PostprocessStep, { dims: [nx, ny, nz], spacingMm }: Volume): Uint8Array {
  if (step === 'largest_component') return largestComponent(mask, [nx, ny, nz]);
  if (step === 'fill_holes') return fillHoles(mask, [nx, ny, nz]);
  const voxelMm3 = spacingMm[0] * spacingMm[1] * spacingMm[2];
  return removeSmall(mask, [nx, ny, nz], step.min_mm3 / voxelMm3);
}

function meanInside(probability: Float32Array, mask: Uint8Array, voxels: number): number {
  let sum = 0;
  for (let n = 0; n < mask.length; n += 1) if (mask[n] === 1) sum += probability[n] ?? 0;
  return sum / voxels;
}
