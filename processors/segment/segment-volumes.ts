/** The volumes of a study through one model, one after the other; what goes wrong with one does not cost the others. */
import { HubError, toHubError } from '../../core/errors.ts';
import type { Volume } from '../volumes/volume.ts';
import { channelContrasts, channelsFor } from './channels.ts';
import { type Fit, fitOf } from './fit.ts';
import { openInference } from './inference.ts';
import type { ModelManifest } from './manifest.ts';
import type { Model } from './model.ts';
import type { Network } from './network.ts';
import type { Confinement } from './sandbox.ts';
import { answersFor, type SegmentedVolume, segmentVolume } from './segment-volume.ts';

export interface VolumeOutcome {
  readonly volume: Volume;
  readonly fit: Fit;
  /** Of a model of several channels: the other series that it saw. */
  readonly beside?: readonly Volume[];
  /** Of a series that was taken, unless the model failed. */
  readonly segmented?: SegmentedVolume;
  readonly confinement?: Confinement;
  /** The most the process of the network held in memory until then; absent where the system does not say. */
  readonly peakRssMb?: number;
  /** What the model did that it may not, or did not in time. */
  readonly failure?: HubError;
}

/** A process that died may have been ended by the machine, not by its network: once more, in a new one. */
const TRIES = 2;

/**
 * Volumes in their order. One process serves them all, and starts with the first that needs it; after a failure the
 * next volume gets a new one, unless the network could not even be loaded.
 *
 * @throws {HubError} `processor.failed` when the signal is aborted
 */
export async function* segmentVolumes(
  volumes: readonly Volume[],
  model: Model,
  signal: AbortSignal,
): AsyncGenerator<VolumeOutcome> {
  const fits = volumes.map((volume) => ({ volume, ...fitAmong(volume, volumes, model.manifest) }));
  const answers = fits.reduce(
    (sum, { volume, fit }) => sum + (fit.isTaken ? answersFor(volume, model.manifest) : 0),
    0,
  );
  const holder = new Holder(model, TRIES * answers, signal);
  try {
    for (const { volume, fit, others } of fits) {
      const beside = others.length === 0 ? {} : { beside: others };
      yield fit.isTaken ? { volume, fit, ...beside, ...(await holder.segment(volume, others)) } : { volume, fit };
    }
  } finally {
    await holder.close();
  }
}

/** Whether a series is segmented, and with which others of its study. */
export function fitAmong(
  volume: Volume,
  study: readonly Volume[],
  manifest: ModelManifest,
): { readonly fit: Fit; readonly others: readonly Volume[] } {
  const fit = fitOf(volume, manifest);
  if (!fit.isTaken) return { fit, others: [] };
  const channels = channelsFor(volume, study, manifest);
  if ('because' in channels)
    return { fit: { isTaken: false, because: channels.because, leftOut: 'channels' }, others: [] };
  const { others } = channels;
  const beside = others.map((other, n) => `${channelContrasts(manifest)[n + 1] ?? ''} ${other.seriesInstanceUid}`);
  const because = [fit.because, ...(beside.length === 0 ? [] : [`with ${beside.join(', ')}`])].join('; ');
  return { fit: { isTaken: true, because }, others };
}

/** At most one open network at a time. */
class Holder {
  readonly #model: Model;
  readonly #maxAnswers: number;
  readonly #signal: AbortSignal;
  #network: Network | undefined;
  #loadFailure: HubError | undefined;

  constructor(model: Model, maxAnswers: number, signal: AbortSignal) {
    this.#model = model;
    this.#maxAnswers = maxAnswers;
    this.#signal = signal;
  }

  async segment(volume: Volume, others: readonly Volume[]): Promise<Omit<VolumeOutcome, 'volume' | 'fit'>> {
    for (let tries = 1; ; tries += 1) {
      if (this.#loadFailure !== undefined) return { failure: this.#loadFailure };
      try {
        const network = await this.#open();
        const segmented = await segmentVolume(volume, this.#model.manifest, network, others);
        return { segmented, confinement: network.confinement, ...this.#peak() };
      } catch (error) {
        const failure = toHubError(error);
        const peak = this.#peak();
        await this.close();
        if (this.#signal.aborted || !isOfTheModel(failure)) throw failure;
        if (failure.code !== 'processor.failed' || tries === TRIES) return { failure, ...peak };
      }
    }
  }

  async #open(): Promise<Network> {
    try {
      this.#network ??= await openInference(this.#model, this.#maxAnswers, this.#signal);
      return this.#network;
    } catch (error) {
      const failure = toHubError(error);
      if (failure.code === 'model.invalid') this.#loadFailure = failure;
      throw failure;
    }
  }

  #peak(): Pick<VolumeOutcome, 'peakRssMb'> {
    const peakRssMb = this.#network?.peakRssMb();
    return peakRssMb === undefined ? {} : { peakRssMb };
  }

  /** Harmless twice. */
  async close(): Promise<void> {
    await this.#network?.close();
    this.#network = undefined;
  }
}

/** What is no fault of the hub's: a mistake of ours is not put into a report. */
function isOfTheModel({ code }: HubError): boolean {
  return ['model.invalid', 'processor.failed', 'processor.timeout', 'dataset.unreadable'].includes(code);
}
