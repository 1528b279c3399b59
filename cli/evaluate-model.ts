/** A model as `hub evaluate` tries it: each case in a process of its own, nothing forwarded. */
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { toHubError } from '../core/errors.ts';
import { type EvaluatedLabel, isSameLabel } from '../evaluation/labels.ts';
import type { ModelIdentity } from '../evaluation/report.ts';
import type { Contestant, Prediction } from '../evaluation/run.ts';
import { HUB } from '../processors/objects/hub.ts';
import { type Model, readBounded } from '../processors/segment/model.ts';
import { failureSentence } from '../processors/segment/result.ts';
import { segmentVolumes, type VolumeOutcome } from '../processors/segment/segment-volumes.ts';
import type { CaseScan } from './evaluate-scan.ts';

const MAX_CARD_BYTES = 1024 * 1024;

export function identityOf({ manifest, manifestSha256 }: Model): ModelIdentity {
  const { name, version, onnx, intended_use: intendedUse, license, species, contrasts } = manifest;
  const { geometry, intensity, network_data_format: tensors, output } = manifest;
  const evalMetrics = manifest['eval_metrics'];
  return {
    name,
    version,
    modelSha256: onnx.sha256,
    manifestSha256,
    preprocessingSha256: sha256Of({ geometry, intensity, tensors, output }),
    intendedUse,
    license,
    species,
    ...(contrasts === undefined ? {} : { contrasts }),
    ...(evalMetrics === undefined ? {} : { evalMetrics }),
  };
}

/** What the manifest's `card` holds, with CHAI's headings; undefined when there is none or it cannot be read. */
export function cardOf({ manifest, file }: Model): unknown {
  const name = manifest['card'];
  if (typeof name !== 'string') return name;
  if (basename(name) !== name) return undefined;
  try {
    const text = Buffer.from(readBounded(join(dirname(file), name), MAX_CARD_BYTES)).toString('utf8');
    return JSON.parse(text) as unknown;
  } catch {
    // A card is for people: that it is missing stands on the page.
    return undefined;
  }
}

/** @param wanted - labels of the references; those the model does not have are not asked of it */
export function contestantOf(model: Model, wanted: readonly EvaluatedLabel[]): Contestant<CaseScan> {
  const pairs = wanted.flatMap((label) => {
    const own =
      model.manifest.labels.find((each) => each === label) ??
      model.manifest.labels.find((each) => isSameLabel(each, label));
    return own === undefined ? [] : [{ label, own }];
  });
  return {
    // Another hub may prepare a scan in another way.
    sha256: sha256Of([model.manifestSha256, HUB.version, pairs.map(({ label, own }) => [label.index, own.index])]),
    labels: pairs.map(({ label }) => label),
    predict: async (scan, signal) => {
      const started = performance.now();
      const outcome = await segmentOne(scan, model, signal);
      const seconds = (performance.now() - started) / 1000;
      return predictionOf(
        outcome,
        pairs.map(({ own }) => own.index),
        seconds,
      );
    },
  };
}

function predictionOf(
  { fit, segmented, failure, peakRssMb }: VolumeOutcome,
  indices: readonly number[],
  seconds: number,
): Prediction {
  if (!fit.isTaken) return { kind: 'not-for-it', reason: `the model is not for it: ${fit.because}` };
  const peak = peakRssMb === undefined ? {} : { peakRssMb };
  if (segmented === undefined) {
    const reason = failureSentence(failure ?? toHubError(new TypeError('neither an answer nor a failure')));
    return { kind: 'failed', reason, seconds, ...peak };
  }
  const { labels, seconds: networkSeconds, runtime } = segmented;
  const masks = indices.map((index) => labels.find(({ label }) => label.index === index)?.mask);
  return {
    kind: 'answered',
    masks: masks.filter((mask) => mask !== undefined),
    ...{ seconds, networkSeconds, runtime },
    ...peak,
  };
}

/** In a process of its own: what it takes of time and memory is this case's. */
async function segmentOne({ volume, beside }: CaseScan, model: Model, signal: AbortSignal): Promise<VolumeOutcome> {
  for await (const outcome of segmentVolumes([volume, ...beside], model, signal)) return outcome; // the rest is not asked for
  throw new TypeError('a volume has an outcome');
}

function sha256Of(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
