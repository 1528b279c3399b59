/** Requests of STOW-RS with metadata as JSON and bulk data in parts of their own, and what is read of their answers. */
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import { dataSetToJson, type JsonDataSet, type JsonElement } from '../../../core/dicom/json-model.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../../core/dicom/transfer-syntaxes.ts';
import type { MrInstance } from '../../support/mr-instance.ts';

const PIXEL_DATA = '7FE00010';

export interface SentPart {
  readonly type?: string;
  readonly location?: string;
  readonly body: Uint8Array | string;
}

export function framed(parts: readonly SentPart[]): Buffer {
  return Buffer.concat([
    ...parts.flatMap(({ type, location, body }) => [
      Buffer.from(
        `--b-0\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}${location === undefined ? '' : `Content-Location: ${location}\r\n`}\r\n`,
      ),
      Buffer.from(body),
      Buffer.from('\r\n'),
    ]),
    Buffer.from('--b-0--\r\n'),
  ]);
}

/** An instance as JSON whose pixel data is elsewhere. */
export function referring(instance: MrInstance, uri: string): JsonDataSet {
  const json = dataSetToJson(parseDataSet(instance.dataSet, EXPLICIT_VR_LITTLE_ENDIAN));
  return { ...json, [PIXEL_DATA]: { vr: 'OW', BulkDataURI: uri } };
}

export function pixelsOf(instance: MrInstance): Buffer {
  const dataSet = parseDataSet(instance.dataSet, EXPLICIT_VR_LITTLE_ENDIAN);
  return Buffer.from(dataSet.element(0x7fe00010)?.value ?? []);
}

export function uidsOf(answer: JsonDataSet, sequence: string): readonly unknown[] {
  const items = (answer[sequence]?.Value ?? []) as readonly Readonly<Record<string, JsonElement | undefined>>[];
  return items.map((item) => item['00081155']?.Value?.[0]);
}

/** Start of image, a frame of the process, a scan with the predictor. */
export function jpegHead(process: number, predictor: number): Buffer {
  const frame = [0xff, process, 0, 11, 16, 0, 1, 0, 1, 1, 1, 0x11, 0];
  return Buffer.from([0xff, 0xd8, ...frame, 0xff, 0xda, 0, 8, 1, 1, 0, predictor, 0, 0]);
}
