/** Instances to send. New UIDs each time: a repeat would cost a receiver that recognises it nothing. */
import { randomInt } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Attributes, encodePart10 } from '../core/dicom/encode.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../core/dicom/transfer-syntaxes.ts';
import { newUid } from '../tests/support/mr-instance.ts';

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
const ENHANCED_MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4.1';

export interface ImageSet {
  readonly images: number;
  /** Rows and columns; two bytes a pixel. */
  readonly pixels: number;
  /** More than one makes enhanced multi-frame objects. */
  readonly frames: number;
}

/** Gives a UID that was never given before. */
type UidMaker = () => string;

/** As a scanner makes them: its root, the time it began, a counter. What it makes after each other stands side by side in an index. */
export function deviceUids(): UidMaker {
  const root = `1.3.6.1.4.1.${String(randomInt(1e8))}.${String(Date.now())}`;
  let made = 10_000_000;
  return () => `${root}.${String((made += 1))}`;
}

/** A study's images, one after the other, as Part 10 files. */
export function* imagesOf({ images, pixels, frames }: ImageSet, uid: UidMaker = newUid): Generator<Uint8Array> {
  const study = uid();
  const series = uid();
  const value = noise(pixels * pixels * 2 * frames);
  for (let n = 0; n < images; n += 1) {
    // Each has other pixels; making all of them anew would take longer than sending them.
    value.set(Buffer.from(newUid()), 0);
    yield encodePart10({
      SOPClassUID: frames > 1 ? ENHANCED_MR_IMAGE_STORAGE : MR_IMAGE_STORAGE,
      SOPInstanceUID: uid(),
      StudyInstanceUID: study,
      SeriesInstanceUID: series,
      ...HEADER,
      InstanceNumber: n + 1,
      ...(frames > 1 ? { NumberOfFrames: frames } : {}),
      Rows: pixels,
      Columns: pixels,
      PixelData: { vr: 'OW', value },
    });
  }
}

/** One folder an association, named 0, 1, 2 …, each with a study of its own; replaces what was there. */
export async function writeImages(folder: string, set: ImageSet, associations: number, uid = newUid): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (let association = 0; association < associations; association += 1) {
    const path = join(folder, String(association));
    await mkdir(path, { recursive: true });
    const images = Math.floor(set.images / associations) + (association < set.images % associations ? 1 : 0);
    let n = 0;
    for (const file of imagesOf({ ...set, images }, uid)) {
      await writeFile(join(path, `${String((n += 1)).padStart(6, '0')}.dcm`), file);
    }
  }
}

/**
 * One enhanced multi-frame object whose pixels somebody else makes.
 *
 * @param pixelBytes - a multiple of a frame's 512 KiB
 * @returns the Part 10 file up to the value of its pixel data, which stands last
 */
export function largeImage(pixelBytes: number) {
  const sopInstanceUid = newUid();
  const head = encodePart10({
    SOPClassUID: ENHANCED_MR_IMAGE_STORAGE,
    SOPInstanceUID: sopInstanceUid,
    StudyInstanceUID: newUid(),
    SeriesInstanceUID: newUid(),
    ...HEADER,
    NumberOfFrames: pixelBytes / (512 * 512 * 2),
    Rows: 512,
    Columns: 512,
    PixelData: { vr: 'OW', value: new Uint8Array(0) },
  });
  // PS3.5 Section 7.1.2: the last four bytes of the element's header are the length of the value.
  new DataView(head.buffer, head.byteOffset).setUint32(head.length - 4, pixelBytes, true);
  return { head, sopInstanceUid, sopClassUid: ENHANCED_MR_IMAGE_STORAGE, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN };
}

const HEADER: Attributes = {
  PatientID: 'BENCH',
  PatientName: 'Bench^Mark',
  Modality: 'MR',
  StudyDescription: 'brain',
  SeriesDescription: 'T2 axial',
  ImageType: ['ORIGINAL', 'PRIMARY'],
  BitsAllocated: 16,
  BitsStored: 12,
  HighBit: 11,
  PixelRepresentation: 0,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
};

function noise(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = 1;
  for (let n = 0; n < words.length; n += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[n] = state & 0x0fff0fff;
  }
  return new Uint8Array(words.buffer, 0, length);
}
