/** Small studies made by the hundred: flat data sets, so that what DCMTK sends is byte for byte what stands in the file. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodePart10 } from '../../core/dicom/encode.ts';

export interface Sample {
  readonly file: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  /** Of the data set, without preamble and file meta information. */
  readonly dataSetSha256: string;
}

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
/** Mostly slices, some large enough to be on the wire when the hub dies. */
const EDGES = [48, 48, 64, 64, 96, 128, 512, 900] as const;

/**
 * Writes one study of two series.
 *
 * @param random - 0 ≤ random < 1; decides sizes and pixels
 */
export async function writeSamples(
  folder: string,
  study: number,
  instances: number,
  random: () => number,
): Promise<readonly Sample[]> {
  await mkdir(folder, { recursive: true });
  const studyInstanceUid = `1.2.826.0.1.3680043.10.511.3.${study}`;
  const samples: Sample[] = [];
  for (let index = 0; index < instances; index += 1) {
    const series = 1 + (index % 2);
    const seriesInstanceUid = `${studyInstanceUid}.${series}`;
    const sopInstanceUid = `${seriesInstanceUid}.${index + 1}`;
    const edge = EDGES[Math.floor(random() * EDGES.length)] ?? 64;
    const bytes = encodePart10({
      SOPClassUID: MR_IMAGE_STORAGE,
      SOPInstanceUID: sopInstanceUid,
      StudyDate: '20260914',
      StudyTime: '091500',
      AccessionNumber: `CRASH${study}`,
      Modality: 'MR',
      Manufacturer: 'Simulated Scanner Works',
      PatientName: `Kaatuja^Koe ${study}`,
      PatientID: `KAATUJA-${study}`,
      StudyInstanceUID: studyInstanceUid,
      SeriesInstanceUID: seriesInstanceUid,
      SeriesNumber: series,
      InstanceNumber: index + 1,
      SamplesPerPixel: 1,
      PhotometricInterpretation: 'MONOCHROME2',
      Rows: edge,
      Columns: edge,
      BitsAllocated: 16,
      BitsStored: 16,
      HighBit: 15,
      PixelRepresentation: 0,
      BurnedInAnnotation: 'NO',
      PixelData: { vr: 'OW', value: pixels(edge * edge * 2, random) },
    });
    const file = join(folder, `${study}-${index + 1}.dcm`);
    await writeFile(file, bytes);
    samples.push({ file, studyInstanceUid, seriesInstanceUid, sopInstanceUid, dataSetSha256: dataSetDigest(bytes) });
  }
  return samples;
}

/** SHA-256 of a Part 10 file behind its file meta information. */
export function dataSetDigest(part10: Uint8Array): string {
  // PS3.10 Table 7.1-1: the first element of group 2, 12 bytes with its value, says how long the rest of the group is.
  const groupLength = new DataView(part10.buffer, part10.byteOffset, part10.byteLength).getUint32(140, true);
  return createHash('sha256')
    .update(part10.subarray(144 + groupLength))
    .digest('hex');
}

function pixels(length: number, random: () => number): Uint8Array {
  const bytes = new Uint8Array(length);
  const start = Math.floor(random() * 65_536);
  // No two instances alike, no two regions of one alike: a shifted or repeated block must show.
  const view = new DataView(bytes.buffer);
  for (let offset = 0; offset < length; offset += 2) view.setUint16(offset, (start + offset * 31) & 0xffff, true);
  return bytes;
}
