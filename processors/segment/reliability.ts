/**
 * Whether a mask can be believed: by how sure the network was inside and along the edge, whether its two looks agree,
 * whether the field of view cuts what was found, and whether a brain can have that size. Where the limits come from
 * stands in docs/adr/0028.
 */
import type { Volume } from '../volumes/volume.ts';
import type { Decoded } from './decode.ts';
import type { ModelManifest } from './manifest.ts';
import { slopeOf } from './slope.ts';
import { brainRange } from './species.ts';

export interface Reliability {
  readonly verdict: 'reliable' | 'unreliable';
  /** Sentences for people, one for each limit that was passed. */
  readonly reasons: readonly string[];
  readonly measures: ReliabilityMeasures;
}

export interface ReliabilityMeasures {
  /** Mean probability inside the mask, 0 … 1. */
  readonly probability: number;
  /** Doubt: bits of entropy over the whole scan, for each voxel of the mask. */
  readonly entropy: number;
  /** Dice of the mask at the first look and at the last; absent when the model looks once. */
  readonly agreement?: number;
  /** Mask on the border of the field of view, as a share of its largest cross-section in that direction. */
  readonly atEdge: number;
  /** Share of the first repetition's variance that a surface of second degree explains: a picture of a slope is no anatomy. */
  readonly slope: number;
  /** Voxels that were no numbers, of all; absent where there were none. */
  readonly nonFinite?: number;
  /** Of the brain, or of all labels when the manifest says how large they can be together; else absent. */
  readonly volumeMm3?: number;
}

const MIN_PROBABILITY = 0.93;
const MAX_ENTROPY = 0.5;
const MIN_AGREEMENT = 0.955;
const MAX_AT_EDGE = 0.5;
/** Heads, brains and phantoms have 0.25 to 0.45, slopes with as much noise as there is signal still more than 0.9. */
const MAX_SLOPE = 0.75;
/** A few lost voxels change nothing; more, and the network saw a picture that was not taken. */
const MAX_NON_FINITE = 0.01;
/** SCT: Brain. */
const BRAIN = '12738006';

/** @param firstLook - the foreground of the first pass where there were two, on the volume's grid */
export function judge(
  volume: Volume,
  decoded: Decoded,
  union: Uint8Array,
  manifest: ModelManifest,
  species: string | undefined,
  firstLook: Float32Array | undefined,
): Reliability {
  const measures: ReliabilityMeasures = {
    ...sureness(decoded.probability, union),
    ...(firstLook === undefined
      ? {}
      : { agreement: diceAt(firstLook, decoded.probability, manifest.output.threshold) }),
    atEdge: shareAtEdge(union, volume.dims),
    slope: slopeOf(volume),
    ...(volume.zeroed === undefined ? {} : { nonFinite: volume.zeroed / volume.data.length }),
    ...volumeToJudge(volume, decoded, union, manifest),
  };
  const reasons = reasonsFor(measures, manifest, species);
  return { verdict: reasons.length === 0 ? 'reliable' : 'unreliable', reasons, measures };
}

function reasonsFor(
  { probability, entropy, agreement, atEdge, slope, nonFinite = 0, volumeMm3 }: ReliabilityMeasures,
  manifest: ModelManifest,
  species: string | undefined,
): readonly string[] {
  const own = manifest.reliability;
  const minProbability = own?.min_probability ?? MIN_PROBABILITY;
  const maxEntropy = own?.max_entropy ?? MAX_ENTROPY;
  const minAgreement = own?.min_agreement ?? MIN_AGREEMENT;
  const maxAtEdge = own?.max_at_edge ?? MAX_AT_EDGE;
  const range = species === undefined ? undefined : (own?.volume_mm3?.[species] ?? brainRange(species));
  const reasons: string[] = [];
  if (nonFinite > MAX_NON_FINITE)
    reasons.push(`${percent(nonFinite, MAX_NON_FINITE)} % of the voxels were no numbers, more than 1 %`);
  if (slope > MAX_SLOPE)
    reasons.push(`there is no anatomy: ${percent(slope, MAX_SLOPE)} % of the picture is a smooth slope of brightness`);
  if (probability < minProbability)
    reasons.push(
      `mean probability ${unlike(probability, minProbability)} inside the mask is below ${String(minProbability)}`,
    );
  if (entropy > maxEntropy)
    reasons.push(`the edge is blurred: entropy ${unlike(entropy, maxEntropy)} is above ${String(maxEntropy)}`);
  if (agreement !== undefined && agreement < minAgreement)
    reasons.push(`two looks agree to a Dice of ${unlike(agreement, minAgreement)} only, below ${String(minAgreement)}`);
  if (atEdge > maxAtEdge)
    reasons.push(
      `the field of view cuts it: ${percent(atEdge, maxAtEdge)} % of its cross-section lie on the border, above ${String(100 * maxAtEdge)} %`,
    );
  if (volumeMm3 !== undefined && range !== undefined && (volumeMm3 < range[0] || volumeMm3 > range[1]))
    reasons.push(
      `${volumeMm3.toFixed(0)} mm³ is no volume for a ${species ?? ''}: ${String(range[0])} to ${String(range[1])} mm³`,
    );
  return reasons;
}

/** With as many digits as tell it from the limit that it passed: no "0.94, below 0.94". */
function unlike(value: number, limit: number, digits = 2): string {
  const text = value.toFixed(digits);
  return Number(text) === limit && digits < 6 ? unlike(value, limit, digits + 1) : text;
}

function percent(share: number, limit: number): string {
  return unlike(100 * share, 100 * limit, 0);
}

function volumeToJudge(
  { spacingMm }: Volume,
  { labels }: Decoded,
  union: Uint8Array,
  manifest: ModelManifest,
): { readonly volumeMm3?: number } {
  const voxelMm3 = spacingMm[0] * spacingMm[1] * spacingMm[2];
  if (manifest.reliability?.volume_mm3 !== undefined)
    return { volumeMm3: union.reduce((sum, value) => sum + value, 0) * voxelMm3 };
  const brain = labels.find(({ label }) => label.type.scheme === 'SCT' && label.type.code === BRAIN);
  return brain === undefined ? {} : { volumeMm3: brain.voxels * voxelMm3 };
}

function sureness(probability: Float32Array, mask: Uint8Array): { probability: number; entropy: number } {
  let voxels = 0;
  let inside = 0;
  let bits = 0;
  for (let n = 0; n < mask.length; n += 1) {
    const p = Math.min(1, Math.max(0, probability[n] ?? 0));
    if (mask[n] === 1) {
      voxels += 1;
      inside += p;
    }
    if (p > 1e-6 && p < 1 - 1e-6) bits -= p * Math.log2(p) + (1 - p) * Math.log2(1 - p);
  }
  return { probability: inside / Math.max(1, voxels), entropy: bits / Math.max(1, voxels) };
}

function diceAt(one: Float32Array, other: Float32Array, threshold: number): number {
  let both = 0;
  let sum = 0;
  for (let n = 0; n < one.length; n += 1) {
    const [a, b] = [(one[n] ?? 0) >= threshold, (other[n] ?? 0) >= threshold];
    if (a && b) both += 1;
    sum += (a ? 1 : 0) + (b ? 1 : 0);
  }
  return sum === 0 ? 1 : (2 * both) / sum;
}

/** The worst of the six sides. */
function shareAtEdge(mask: Uint8Array, [nx, ny, nz]: readonly [number, number, number, number]): number {
  const along = [new Float64Array(nx), new Float64Array(ny), new Float64Array(nz)];
  let n = 0;
  for (let z = 0; z < nz; z += 1)
    for (let y = 0; y < ny; y += 1)
      for (let x = 0; x < nx; x += 1, n += 1) {
        if (mask[n] !== 1) continue;
        [x, y, z].forEach((place, axis) => {
          const counts = along[axis];
          if (counts !== undefined) counts[place] = (counts[place] ?? 0) + 1;
        });
      }
  const shares = along.map((counts) => {
    const largest = counts.reduce((a, b) => Math.max(a, b), 0);
    // One slice has no border to be cut at.
    return largest === 0 || counts.length === 1 ? 0 : Math.max(counts[0] ?? 0, counts.at(-1) ?? 0) / largest;
  });
  return Math.max(...shares);
}
