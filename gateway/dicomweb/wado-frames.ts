/** Frames as bytes (PS3.18 Section 10.4.1.1.4): compressed as stored, or as native samples. */
import { EXPLICIT_VR_LITTLE_ENDIAN, transferSyntax } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import { codecOf, compressedMediaType } from '../../pixels/decodable.ts';
import type { PixelWorkers } from '../../pixels/workers.ts';
import { admits, type MediaRange } from './accept.ts';
import { ahead } from './ahead.ts';
import { once } from './wado-answer.ts';
import { nativeValue } from './wado-part10.ts';
import type { OpenedInstance } from './wado-source.ts';

export const OCTET_STREAM = 'application/octet-stream';
const MULTIPART = 'multipart/related';
const ANY = '*';
/** Of one request: frames read or decoded and not sent yet. */
const FRAMES_UNDER_WAY = 2;

export interface FrameChoice {
  readonly form: 'single' | 'multipart';
  readonly isDecoded: boolean;
  readonly mediaType: string;
  readonly transferSyntaxUid: string;
}

/**
 * PS3.18 Section 8.7.3.3: native samples are application/octet-stream, compressed frames have media types of their
 * own. `application/octet-stream; transfer-syntax=*` takes the frame as stored, whatever that is: viewers ask so.
 *
 * @throws {HubError} `request.not-acceptable`
 */
export function chooseFrames(ranges: readonly MediaRange[], stored: string, frames: number): FrameChoice {
  for (const range of ranges) {
    const isMultipart = admits(range.type, MULTIPART);
    if (!isMultipart && frames > 1) continue;
    const type = (range.type === MULTIPART ? range.parameters.get('type')?.toLowerCase() : range.type) ?? '*/*';
    const choice = chooseForm(type, range.parameters.get('transfer-syntax'), stored);
    if (choice !== undefined) return { form: isMultipart ? 'multipart' : 'single', ...choice };
  }
  const own = compressedMediaType(stored);
  throw new HubError('request.not-acceptable', {
    detail: `frames are ${MULTIPART} of ${codecOf(stored) === undefined ? '' : OCTET_STREAM}${own === undefined ? '' : ` or ${own}`}, or one of these alone for one frame`,
  });
}

function chooseForm(type: string, wanted: string | undefined, stored: string): Omit<FrameChoice, 'form'> | undefined {
  const own = compressedMediaType(stored);
  const isNative = transferSyntax(stored)?.encapsulated !== true;
  const takesStored = wanted === ANY || wanted === stored;
  const asStored = (mediaType: string) => ({ isDecoded: false, mediaType, transferSyntaxUid: stored });
  if (!isNative && own !== undefined && admits(type, own) && (takesStored || (wanted === undefined && type === own)))
    return asStored(own);
  if (!isNative && takesStored && admits(type, OCTET_STREAM)) return asStored(OCTET_STREAM);
  const takesNative = wanted === undefined || wanted === ANY || wanted === EXPLICIT_VR_LITTLE_ENDIAN;
  if (takesNative && admits(type, OCTET_STREAM) && codecOf(stored) !== undefined)
    return { isDecoded: true, mediaType: OCTET_STREAM, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN };
  // A client that takes anything gets what there is.
  if (wanted === undefined && own !== undefined && admits(type, own)) return asStored(own);
  return undefined;
}

/** `1,3,7` as frames from 0, each once. @throws {HubError} `request.invalid`, `resource.not-found` */
export function parseFrameList(text: string, numberOfFrames: number): readonly number[] {
  const frames = text.split(',').map((one) => {
    if (!/^\d{1,9}$/.test(one) || Number(one) < 1)
      throw new HubError('request.invalid', { detail: 'frames are a list of numbers from 1' });
    if (Number(one) > numberOfFrames)
      throw new HubError('resource.not-found', { detail: `the instance has ${numberOfFrames} frames` });
    return Number(one) - 1;
  });
  // Else one URL would ask for a frame, and its decoding, thousands of times.
  if (new Set(frames).size < frames.length)
    throw new HubError('request.invalid', { detail: 'a frame is asked for once' });
  return frames;
}

/**
 * The bytes of each frame, in the order asked for; native ones are passed on as they are read, for frames of many clients
 * that read slowly would fill the memory. @param frames - from 0
 */
export async function* frameBodies(
  instance: OpenedInstance,
  frames: Iterable<number>,
  choice: FrameChoice,
  workers: PixelWorkers,
  signal: AbortSignal,
): AsyncGenerator<AsyncIterable<Uint8Array>> {
  const { description, places, read } = await instance.pixels();
  const { transferSyntaxUid } = instance.item;
  const { pixelData } = instance.header;
  const isNative = pixelData?.length !== undefined;
  // Native samples go as they stand, planes and all: the metadata describe them. Frames of single bits begin inside a byte.
  if (isNative && description.bitsAllocated > 1) {
    for (const frame of frames)
      for (const { offset, length } of places.of(frame)) yield nativeValue(instance, offset - pixelData.offset, length);
    return;
  }
  const bodies = ahead(frames, FRAMES_UNDER_WAY, async (frame) => {
    if (isNative || !choice.isDecoded) return read(frame);
    const prepare = async () => ({
      kind: 'decode' as const,
      stored: await read(frame),
      transferSyntaxUid,
      description,
    });
    return (await workers.run(prepare, signal)).bytes;
  });
  for await (const body of bodies) yield once(body);
}
