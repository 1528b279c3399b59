/** Looks for text in every frame of an instance, and again where it was blanked: what is still found then is held. */
import type { PixelDescription } from '../../../pixels/description.ts';
import { presentationOf } from '../../../pixels/presentation.ts';
import { blankFrame, fillOf } from './blanking.ts';
import type { Region } from './cleaning.ts';
import { FramesUnfit, type FrameReader } from './frame-reader.ts';
import type { TextDetector } from './text-detector.ts';
import { painted, textPicture } from './text-picture.ts';

/** What is blanked can uncover fainter text, which the stretched grey values then show; a third time says something else. */
const ROUNDS = 3;
/** A frame that is mostly text is a report, not an image with a name in a corner. */
const MAX_BLANKED_SHARE = 0.4;
/** Rectangles of one instance. */
const MAX_REGIONS = 200_000;

export interface FoundText {
  /** For each frame, from 0. */
  readonly regions: readonly (readonly Region[])[];
  readonly count: number;
}

/**
 * @param known - blanked whatever is found, in every frame
 * @throws {FramesUnfit} when a frame cannot be read, or text stays after it was blanked
 * @throws {HubError} when the detector fails
 */
export async function searchText(
  frames: FrameReader,
  known: readonly Region[],
  detector: TextDetector,
  signal: AbortSignal,
): Promise<FoundText> {
  const { numberOfFrames } = frames.description;
  const found: (readonly Region[])[] = [];
  let count = 0;
  for (let frame = 0; frame < numberOfFrames; frame++) {
    signal.throwIfAborted();
    const regions = await searchFrame(frames, frame, known, detector);
    count += regions.length;
    if (count > MAX_REGIONS) throw new FramesUnfit('more text than can be blanked');
    found.push(regions);
  }
  const lasting = lastingRegions(found);
  return { regions: found.map((regions) => [...regions, ...lasting]), count };
}

async function searchFrame(
  frames: FrameReader,
  frame: number,
  known: readonly Region[],
  detector: TextDetector,
): Promise<readonly Region[]> {
  const { description, image } = frames;
  const { dataSet } = image.header;
  const decoded = await frames.decoded(await frames.stored(frame));
  const samples = Uint8Array.from(decoded.samples);
  const shown = { ...description, isPlanar: false, photometricInterpretation: decoded.photometricInterpretation };
  const fill = fillOf(dataSet, shown, decoded.photometricInterpretation);
  const presentation = presentationFor(frames, frame);
  const found: Region[] = [];
  let fresh = known;
  for (let round = 0; round < ROUNDS; round++) {
    blankFrame(samples, shown, { regions: fresh }, fill);
    // Stretched anew: without glaring letters fainter ones show.
    const picture = textPicture({ ...decoded, samples }, shown, presentation);
    fresh = await detector.find(painted(picture, [...known, ...found]));
    if (fresh.length === 0) return found;
    found.push(...fresh);
    if (areaOf(found, description) > MAX_BLANKED_SHARE) throw new FramesUnfit('a frame that is mostly text');
  }
  throw new FramesUnfit('text is still found where it was blanked');
}

function presentationFor({ image }: FrameReader, frame: number) {
  try {
    return presentationOf(image.header.dataSet, frame);
  } catch (error) {
    // The palette: without it nobody can say what the frame shows.
    throw new FramesUnfit('a palette that cannot be read', { cause: error });
  }
}

/** As a share of the frame; what several rectangles cover counts once. */
function areaOf(regions: readonly Region[], { rows, columns }: PixelDescription): number {
  const covered = new Uint8Array(rows * columns);
  for (const { x, y, width, height } of regions)
    for (let row = y; row < y + height; row++) covered.fill(1, row * columns + x, row * columns + x + width);
  return covered.reduce((sum, one) => sum + one, 0) / covered.length;
}

/** What stands at one place in two frames is written over all of them, also where one frame hides it from the detector. */
function lastingRegions(found: readonly (readonly Region[])[]): readonly Region[] {
  const distinct: { readonly region: Region; readonly frame: number; isLasting: boolean }[] = [];
  for (const [frame, regions] of found.entries())
    for (const region of regions) {
      const same = distinct.find((one) => isSamePlace(one.region, region));
      if (same === undefined) distinct.push({ region, frame, isLasting: false });
      else if (same.frame !== frame) same.isLasting = true;
      // Thousands of places are no overlay.
      if (distinct.length > 1000) return [];
    }
  return distinct.filter(({ isLasting }) => isLasting).map(({ region }) => region);
}

function isSamePlace(one: Region, other: Region): boolean {
  const across = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const down = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  if (across <= 0 || down <= 0) return false;
  const common = across * down;
  return common > 0.5 * (one.width * one.height + other.width * other.height - common);
}
