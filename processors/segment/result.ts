/** What `result.json` says: the model by its digests, how it was shut in, and of each series why and what. */
import type { HubError } from '../../core/errors.ts';
import type { Model } from './model.ts';
import type { Confinement } from './sandbox.ts';
import type { SegmentedVolume } from './segment-volume.ts';
import type { VolumeOutcome } from './segment-volumes.ts';

/** Of one series. */
export interface SeriesResult {
  /** Why the model was given this series. */
  readonly because?: string;
  /** Why there is no mask. */
  readonly finding?: string;
  /** All labels together. */
  readonly label?: string;
  readonly voxels?: number;
  readonly volumeMm3?: number;
  /** Mean probability inside the mask. */
  readonly confidence?: number;
  readonly labels?: readonly LabelResult[];
  readonly reliability?: SegmentedVolume['reliability'];
  readonly scaledAs?: string;
  readonly seconds?: number;
}

export interface LabelResult {
  readonly index: number;
  readonly name: string;
  readonly voxels: number;
  readonly volumeMm3: number;
  readonly confidence: number;
}

/** Whether there is a mask. */
export function hasMask(outcome: VolumeOutcome): outcome is VolumeOutcome & { readonly segmented: SegmentedVolume } {
  return outcome.segmented !== undefined && outcome.segmented.voxels > 0;
}

export function seriesResult(outcome: VolumeOutcome): SeriesResult {
  const { fit, failure, segmented } = outcome;
  if (!fit.isTaken) return { finding: fit.because };
  if (failure !== undefined) return { because: fit.because, finding: failureSentence(failure) };
  if (segmented === undefined || !hasMask(outcome))
    return { because: fit.because, finding: 'the model found nothing in this series' };
  return {
    because: fit.because,
    label: segmented.labels.map(({ label }) => label.name).join(', '),
    voxels: segmented.voxels,
    volumeMm3: round(segmented.volumeMm3),
    confidence: round(segmented.confidence),
    labels: segmented.labels.map(({ label, voxels, volumeMm3, confidence }) => ({
      index: label.index,
      name: label.name,
      voxels,
      volumeMm3: round(volumeMm3),
      confidence: round(confidence),
    })),
    reliability: { ...segmented.reliability, measures: rounded(segmented.reliability.measures) },
    ...(segmented.species === undefined ? {} : { scaledAs: segmented.species }),
    seconds: round(segmented.seconds),
  };
}

/** What is the same for all series; adds up over them without keeping their masks. */
export class ResultHead {
  readonly #model: Model;
  #runtime = '';
  #seconds = 0;
  #confinement: Confinement | undefined;

  constructor(model: Model) {
    this.#model = model;
  }

  add({ segmented, confinement }: VolumeOutcome): void {
    this.#confinement ??= confinement;
    if (segmented === undefined) return;
    this.#runtime = segmented.runtime;
    this.#seconds += segmented.seconds;
  }

  get values() {
    const { manifest, manifestSha256 } = this.#model;
    return {
      model: manifest.name,
      modelVersion: manifest.version,
      modelSha256: manifest.onnx.sha256,
      manifestSha256,
      intendedUse: manifest.intended_use,
      runtime: this.#runtime,
      seconds: round(this.#seconds),
      ...(this.#confinement === undefined ? {} : { confinement: this.#confinement }),
    };
  }
}

/** What a model did instead of answering. */
export function failureSentence({ row, fields }: HubError): string {
  const { detail, limitSeconds, limitCpuSeconds } = fields;
  const limit = limitSeconds ?? limitCpuSeconds;
  const rest = detail ?? (limit === undefined ? undefined : `more than ${String(limit)} s`);
  return rest === undefined ? row.title : `${row.title}: ${String(rest)}`;
}

function rounded<Values extends object>(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === 'number' ? round(value) : value]),
  ) as Values;
}

/** Six digits: more is not known. */
export function round(value: number): number {
  return Number(value.toPrecision(6));
}
