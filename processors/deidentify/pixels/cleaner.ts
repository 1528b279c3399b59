/** Cleans the pixels of one study as its policy asks: regions of known devices, detected text, faces. */
import { HubError } from '../../../core/errors.ts';
import type { ByteSource } from '../../../core/store.ts';
import { isEmptyMask, type FrameMask } from './blanking.ts';
import { UNTOUCHED } from './claims.ts';
import type { CleaningOutcome, PixelClaims, PixelCleaner, PixelPolicy, Region, StoredImage } from './cleaning.ts';
import { decidePixels, isPicture, type DecidingPolicy } from './decision-table.ts';
import { createFaceSurvey, type FaceFinding, type FaceSurvey } from './faces/face-survey.ts';
import { FramesUnfit, openFrames, type FrameReader } from './frame-reader.ts';
import { headVerdict } from './human-head.ts';
import { rewritePixels, type MaskOf } from './pixel-data-writer.ts';
import { regionsWithin, signatureOf } from './signatures.ts';
import { openTextDetector, type TextDetector } from './text-detector.ts';
import { searchText, type FoundText } from './text-search.ts';

/** @param openDetector - called when the first frame is to be looked at, and again after a detector failed */
export function createPixelCleaner(
  policy: DecidingPolicy,
  openDetector: (signal: AbortSignal) => Promise<TextDetector> = openTextDetector,
): PixelCleaner {
  return new StudyCleaner(policy, openDetector);
}

class StudyCleaner implements PixelCleaner {
  readonly #policy: DecidingPolicy;
  readonly #openDetector: (signal: AbortSignal) => Promise<TextDetector>;
  readonly #faces: FaceSurvey | undefined;
  #detector: TextDetector | undefined;

  constructor(policy: DecidingPolicy, openDetector: (signal: AbortSignal) => Promise<TextDetector>) {
    this.#policy = policy;
    this.#openDetector = openDetector;
    this.#faces = policy.pixels.faces === 'deface' ? createFaceSurvey() : undefined;
  }

  async survey(study: readonly { readonly open: () => Promise<ByteSource> }[], signal: AbortSignal): Promise<void> {
    await this.#faces?.read(study, signal);
  }

  async clean(image: StoredImage, signal: AbortSignal): Promise<CleaningOutcome> {
    const decided = decidePixels(image.header, this.#policy);
    if (decided.decision === 'hold') return { outcome: 'held', reason: decided.reason };
    if (image.header.pixelData === undefined) return UNTOUCHED;
    try {
      return await this.#cleanPixels(image, decided.suspicion, signal);
    } catch (error) {
      if (error instanceof FramesUnfit) return { outcome: 'held', reason: error.message };
      throw error;
    }
  }

  async close(): Promise<void> {
    const detector = this.#detector;
    this.#detector = undefined;
    await detector?.close();
  }

  async #cleanPixels(image: StoredImage, suspicion: string | undefined, signal: AbortSignal): Promise<CleaningOutcome> {
    const { pixels: policy } = this.#policy;
    const { header } = image;
    const face = this.#faces?.findingOf(header);
    if (face?.outcome === 'held') return { outcome: 'held', reason: face.reason };
    const looksForText = policy.text !== 'quarantine' && isPicture(header);
    const signature = looksForText ? signatureOf(header.dataSet, policy.signatures) : undefined;
    if (policy.text === 'blank-regions' && suspicion !== undefined && signature === undefined)
      return { outcome: 'held', reason: `${suspicion}, and of a device whose regions are not known` };
    if (!looksForText && face?.outcome !== 'defaced')
      return { outcome: 'untouched', claims: claimsOf(image, policy, face, EMPTY) };

    const frames = await openFrames(image);
    const { rows, columns } = frames.description;
    const known = regionsWithin(signature?.regions ?? [], rows, columns);
    const text = policy.text === 'detect-text' && looksForText ? await this.#search(frames, known, signal) : undefined;
    if (text !== undefined && text.count > 0 && policy.foundText === 'quarantine')
      return { outcome: 'held', reason: 'text in the pixels' };

    const maskOf = masksOf(known, text, face);
    const work = workOf(frames, maskOf, known, text);
    const isVouchedFor = text !== undefined || signature !== undefined;
    const claims = claimsOf(image, policy, face, { ...work, isFreeOfText: isVouchedFor });
    if (work.framesBlanked === 0) return { outcome: 'untouched', claims };
    return { outcome: 'cleaned', claims, ...(await rewritePixels(frames, maskOf)) };
  }

  /** A detector that fails says nothing about the image: it is held, and the next one gets a fresh detector. */
  async #search(frames: FrameReader, known: readonly Region[], signal: AbortSignal): Promise<FoundText> {
    try {
      this.#detector ??= await this.#openDetector(signal);
      return await searchText(frames, known, this.#detector, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof HubError) || !isOfDetector(error)) throw error;
      await this.close();
      throw new FramesUnfit('text could not be looked for: the detector failed', { cause: error });
    }
  }
}

type Work = Pick<PixelClaims, 'isFreeOfText' | 'framesBlanked' | 'regionsBlanked' | 'textsFound'>;
const EMPTY: Work = { isFreeOfText: false, framesBlanked: 0, regionsBlanked: 0, textsFound: 0 };

function claimsOf(image: StoredImage, { faces }: PixelPolicy, face: FaceFinding | undefined, work: Work): PixelClaims {
  const isDefaced = face?.outcome === 'defaced';
  // Under a policy that minds, what was neither defaced nor held is certainly no human head.
  const isNoHead = faces !== 'keep' && headVerdict(image.header.dataSet) === 'no-human-head';
  return { ...work, isDefaced, isFreeOfFaces: isDefaced || isNoHead };
}

function masksOf(known: readonly Region[], text: FoundText | undefined, face: FaceFinding | undefined): MaskOf {
  return (frame): FrameMask | undefined => {
    const regions = [...known, ...(text?.regions[frame] ?? [])];
    const pixels = face?.outcome === 'defaced' ? face.maskOf(frame) : undefined;
    const mask: FrameMask = { regions, pixels };
    return isEmptyMask(mask) ? undefined : mask;
  };
}

function workOf(frames: FrameReader, maskOf: MaskOf, known: readonly Region[], text: FoundText | undefined) {
  const { numberOfFrames } = frames.description;
  let framesBlanked = 0;
  for (let frame = 0; frame < numberOfFrames; frame++) if (maskOf(frame) !== undefined) framesBlanked += 1;
  const detected = (text?.regions ?? []).reduce((sum, regions) => sum + regions.length, 0);
  return { framesBlanked, regionsBlanked: detected + known.length * numberOfFrames, textsFound: text?.count ?? 0 };
}

function isOfDetector({ code }: HubError): boolean {
  return code === 'model.invalid' || code === 'processor.failed' || code === 'processor.timeout';
}
