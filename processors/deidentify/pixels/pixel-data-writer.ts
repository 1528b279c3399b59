/**
 * Writes the pixel data element again with some pixels blanked, one frame at a time. Native frames keep their encoding
 * byte by byte; compressed ones are decoded, blanked and compressed without loss, and each is decoded again before it is
 * believed.
 */
import { createHash, type Hash } from 'node:crypto';
import { encodeElement } from '../../../core/dicom/encode-element.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { nativeFrameBytes, type PixelDescription } from '../../../pixels/description.ts';
import { encodeProven, EXPLICIT_LITTLE_ENDIAN, losslessSyntaxes, type EncodedFrame } from '../../../pixels/encode.ts';
import { blankFrame, DECODED, fillOf, isEmptyMask, type FrameMask } from './blanking.ts';
import type { AttributeChange } from './cleaning.ts';
import { FramesUnfit, type FrameReader } from './frame-reader.ts';

export type MaskOf = (frame: number) => FrameMask | undefined;

export interface WrittenPixels {
  readonly transferSyntaxUid: string;
  readonly attributes: readonly AttributeChange[];
  readonly pixelData: AsyncIterable<Uint8Array>;
  isFaithful(): Promise<boolean>;
}

/** PS3.5 Section 7.1: the length of a value is even and below the one that means undefined. */
const MAX_ELEMENT_BYTES = 0xfffffffe;

/** @throws {FramesUnfit} when it cannot be written */
export async function rewritePixels(frames: FrameReader, maskOf: MaskOf): Promise<WrittenPixels> {
  return frames.isNative ? rewriteNative(frames, maskOf) : rewriteCompressed(frames, maskOf);
}

function rewriteNative(frames: FrameReader, maskOf: MaskOf): WrittenPixels {
  const { description, image, place, layout, paddingBytes } = frames;
  const fill = fillOf(image.header.dataSet, description, description.photometricInterpretation);
  const blanked = async (frame: number): Promise<Uint8Array> => {
    const bytes = await frames.stored(frame);
    const mask = maskOf(frame);
    if (mask !== undefined) blankFrame(bytes, description, mask, fill, layout);
    return bytes;
  };
  const written = new Digest();
  async function* pixelData(): AsyncGenerator<Uint8Array> {
    const { elementOffset, offset } = place;
    yield await sourceBytes(frames, elementOffset, offset - elementOffset);
    for (let frame = 0; frame < description.numberOfFrames; frame++) {
      const bytes = await blanked(frame);
      written.add(bytes);
      yield bytes;
    }
    if (paddingBytes > 0) yield new Uint8Array(paddingBytes);
  }
  return {
    transferSyntaxUid: image.header.transferSyntaxUid,
    attributes: [],
    pixelData: pixelData(),
    isFaithful: async () => {
      const again = new Digest();
      for (let frame = 0; frame < description.numberOfFrames; frame++) again.add(await blanked(frame));
      return written.equals(again);
    },
  };
}

/** A copy: the caller may write into it. */
async function sourceBytes({ image }: FrameReader, offset: number, length: number): Promise<Uint8Array> {
  return image.header.inflated?.slice(offset, offset + length) ?? (await image.source.read(offset, length));
}

async function rewriteCompressed(frames: FrameReader, maskOf: MaskOf): Promise<WrittenPixels> {
  const { description, image } = frames;
  const source = image.header.transferSyntaxUid;
  const chosen = await chooseSyntax(frames, maskOf);
  const { transferSyntaxUid, photometricInterpretation } = chosen;
  const isNativeOutput = transferSyntaxUid === EXPLICIT_LITTLE_ENDIAN;
  const frameBytes = nativeFrameBytes(description);
  const nativeBytes = frameBytes * description.numberOfFrames;
  if (isNativeOutput && nativeBytes > MAX_ELEMENT_BYTES - 1)
    throw new FramesUnfit('the frames are too large to be written without compression');

  const read = new Digest();
  let isProven = true;
  let storedBytes = 0;
  const frameOf = async (frame: number): Promise<Uint8Array> => {
    const stored = await frames.stored(frame);
    read.add(stored);
    storedBytes += stored.length;
    // What is not touched and may stay in its syntax stays as it is.
    if (isEmptyMask(maskOf(frame)) && transferSyntaxUid === source) return stored;
    const encoded = await encodeBlanked(frames, stored, maskOf(frame), transferSyntaxUid);
    if (encoded?.photometricInterpretation !== photometricInterpretation) isProven = false;
    return encoded?.bytes ?? new Uint8Array(isNativeOutput ? frameBytes : 0);
  };
  async function* pixelData(): AsyncGenerator<Uint8Array> {
    yield isNativeOutput ? nativeHead(nativeBytes) : encapsulatedHead();
    for (let frame = 0; frame < description.numberOfFrames; frame++) {
      const bytes = await frameOf(frame).catch((error: unknown) => {
        // A frame that is damaged: whoever writes learns it from `isFaithful`, and throws away what was written.
        if (!(error instanceof FramesUnfit)) throw error;
        isProven = false;
      });
      if (bytes === undefined) return;
      if (isNativeOutput) yield bytes;
      else yield Buffer.concat([itemHead(bytes.length + (bytes.length % 2)), bytes, new Uint8Array(bytes.length % 2)]);
    }
    if (!isNativeOutput) yield delimiter();
    else if (nativeBytes % 2 === 1) yield new Uint8Array(1);
  }
  return {
    transferSyntaxUid,
    attributes: headerChanges(frames, chosen),
    pixelData: pixelData(),
    isFaithful: async () => {
      const again = new Digest();
      for (let frame = 0; frame < description.numberOfFrames; frame++) again.add(await frames.stored(frame));
      return isProven && storedBytes > 0 && read.equals(again);
    },
  };
}

interface ChosenSyntax {
  readonly transferSyntaxUid: string;
  readonly photometricInterpretation: string;
  /** Of the source's compression. */
  readonly ratio: number;
}

/** The first syntax that gives the first changed frame back as it was. */
async function chooseSyntax(frames: FrameReader, maskOf: MaskOf): Promise<ChosenSyntax> {
  const { numberOfFrames } = frames.description;
  let sample = 0;
  while (sample < numberOfFrames - 1 && isEmptyMask(maskOf(sample))) sample += 1;
  const stored = await frames.stored(sample);
  const ratio = nativeFrameBytes(frames.description) / stored.length;
  for (const transferSyntaxUid of losslessSyntaxes(frames.image.header.transferSyntaxUid)) {
    const encoded = await encodeBlanked(frames, stored, maskOf(sample), transferSyntaxUid);
    if (encoded === undefined) continue;
    return { transferSyntaxUid, photometricInterpretation: encoded.photometricInterpretation, ratio };
  }
  throw new FramesUnfit('the frames cannot be compressed again');
}

async function encodeBlanked(
  frames: FrameReader,
  stored: Uint8Array,
  mask: FrameMask | undefined,
  transferSyntaxUid: string,
): Promise<EncodedFrame | undefined> {
  const { samples, photometricInterpretation } = await frames.decoded(stored);
  const description: PixelDescription = { ...frames.description, isPlanar: false, photometricInterpretation };
  const fill = fillOf(frames.image.header.dataSet, description, photometricInterpretation);
  const blanked = Uint8Array.from(samples);
  if (mask !== undefined) blankFrame(blanked, description, mask, fill, DECODED);
  return encodeProven(blanked, transferSyntaxUid, description);
}

const RLE = '1.2.840.10008.1.2.5';
/** PS3.3 Section C.7.6.1.1.5.2: what the source's compression lost stays lost, and said. */
const LOSSY: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.4.50': 'ISO_10918_1',
  '1.2.840.10008.1.2.4.51': 'ISO_10918_1',
  '1.2.840.10008.1.2.4.53': 'ISO_10918_1',
  '1.2.840.10008.1.2.4.55': 'ISO_10918_1',
  '1.2.840.10008.1.2.4.81': 'ISO_14495_1',
  '1.2.840.10008.1.2.4.91': 'ISO_15444_1',
  '1.2.840.10008.1.2.4.203': 'ISO_15444_15',
};

function headerChanges(
  { description, image: { header } }: FrameReader,
  { transferSyntaxUid, photometricInterpretation, ratio }: ChosenSyntax,
): readonly AttributeChange[] {
  const changes: AttributeChange[] = [];
  if (photometricInterpretation !== description.photometricInterpretation)
    changes.push({ tag: TAG.PhotometricInterpretation, vr: 'CS', value: photometricInterpretation });
  // The segments of RLE are planes whatever the header says.
  if (description.isPlanar && transferSyntaxUid !== RLE)
    changes.push({ tag: TAG.PlanarConfiguration, vr: 'US', value: new Uint8Array(2) });
  const method = LOSSY[header.transferSyntaxUid];
  if (method !== undefined && header.dataSet.string('LossyImageCompression') !== '01') {
    changes.push({ tag: TAG.LossyImageCompression, vr: 'CS', value: '01' });
    changes.push({ tag: TAG.LossyImageCompressionRatio, vr: 'DS', value: ratio.toFixed(2) });
    changes.push({ tag: TAG.LossyImageCompressionMethod, vr: 'CS', value: method });
  }
  // Their offsets are those of other fragments.
  for (const tag of [TAG.ExtendedOffsetTable, TAG.ExtendedOffsetTableLengths])
    if (header.dataSet.element(tag) !== undefined) changes.push({ tag, vr: 'OV', value: undefined });
  return changes;
}

/** Header of (7FE0,0010) in explicit VR little endian, the encoding of everything compressed. */
function nativeHead(valueBytes: number): Uint8Array {
  return pixelDataHead('OW', valueBytes + (valueBytes % 2));
}

/** With an empty Basic Offset Table, which PS3.5 Section A.4 allows: the sizes of frames are not known yet. */
function encapsulatedHead(): Uint8Array {
  return Buffer.concat([pixelDataHead('OB', 0xffffffff), itemHead(0)]);
}

function pixelDataHead(vr: 'OB' | 'OW', length: number): Uint8Array {
  const head = encodeElement(TAG.PixelData, vr, new Uint8Array(0));
  new DataView(head.buffer, head.byteOffset, head.byteLength).setUint32(8, length, true);
  return head;
}

function itemHead(length: number): Uint8Array {
  return tagAndLength(TAG.Item, length);
}

function delimiter(): Uint8Array {
  return tagAndLength(TAG.SequenceDelimitationItem, 0);
}

function tagAndLength(tag: number, length: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, tag >>> 16, true);
  view.setUint16(2, tag & 0xffff, true);
  view.setUint32(4, length, true);
  return bytes;
}

/** Of everything that was read or written, in order. */
class Digest {
  readonly #hash: Hash = createHash('sha256');
  #hex: string | undefined;

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  equals(other: Digest): boolean {
    return this.#value() === other.#value();
  }

  #value(): string {
    this.#hex ??= this.#hash.digest('hex');
    return this.#hex;
  }
}
