/** Instances as Part 10 files: as stored, or made explicit VR little endian on the way out. */
import { encodeElement } from '../../core/dicom/encode-element.ts';
import { fileMeta } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { longHeader, toExplicitLittleEndian, toLittleEndian } from '../../core/dicom/to-explicit.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN, transferSyntax } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import type { InstanceItem } from '../../core/store.ts';
import { codecOf } from '../../pixels/decodable.ts';
import { nativeFrameBytes } from '../../pixels/description.ts';
import type { PixelWorkers } from '../../pixels/workers.ts';
import { admits, type MediaRange } from './accept.ts';
import { ahead } from './ahead.ts';
import type { InstanceOpener, OpenedInstance } from './wado-source.ts';

export const DICOM = 'application/dicom';
const ZIP = 'application/zip';
const MULTIPART = 'multipart/related';
const ANY = '*';

export interface DicomChoice {
  readonly form: 'single' | 'multipart' | 'zip';
  /** By instance, in their order: as stored, or explicit VR little endian. */
  readonly transferSyntaxUids: readonly string[];
}

/**
 * PS3.18 Section 8.7.3.5: the first form a client takes in which every instance can be told. Without a transfer-syntax
 * parameter that is explicit VR little endian (Section 8.7.3.5.2); the stored one is taken wherever it is asked for.
 *
 * @throws {HubError} `request.not-acceptable`
 */
export function chooseDicom(
  ranges: readonly MediaRange[],
  items: readonly InstanceItem[],
  isOneInstance: boolean,
): DicomChoice {
  const forms = new Map<DicomChoice['form'], string[]>();
  for (const range of ranges) {
    const form = formOf(range, isOneInstance);
    if (form === undefined) continue;
    // A zip archive is for people: as stored, unless they say otherwise.
    const wanted = range.parameters.get('transfer-syntax') ?? (form === 'zip' ? ANY : EXPLICIT_VR_LITTLE_ENDIAN);
    forms.set(form, [...(forms.get(form) ?? []), wanted]);
  }
  for (const [form, wanted] of forms) {
    const chosen = items.map((item) => chooseTransferSyntax(item, wanted));
    const made = chosen.filter((uid) => uid !== undefined);
    if (made.length === items.length) return { form, transferSyntaxUids: made };
  }
  throw new HubError('request.not-acceptable', {
    detail:
      forms.size === 0
        ? `instances are ${MULTIPART}; type="${DICOM}", ${isOneInstance ? DICOM : ZIP}`
        : 'not every instance can be made in a transfer syntax asked for; transfer-syntax=* takes them as stored',
  });
}

function formOf({ type, parameters }: MediaRange, isOneInstance: boolean): DicomChoice['form'] | undefined {
  if (type === DICOM) return isOneInstance ? 'single' : undefined;
  if (type === ZIP) return 'zip';
  if (!admits(type, MULTIPART)) return undefined;
  const inner = parameters.get('type')?.toLowerCase();
  return inner === undefined || admits(inner, DICOM) ? 'multipart' : undefined;
}

function chooseTransferSyntax({ transferSyntaxUid }: InstanceItem, wanted: readonly string[]): string | undefined {
  if (wanted.includes(ANY) || wanted.includes(transferSyntaxUid)) return transferSyntaxUid;
  if (!wanted.includes(EXPLICIT_VR_LITTLE_ENDIAN)) return undefined;
  // What has no pixel data has nothing to decode; only the instance itself can tell, when it is opened.
  return codecOf(transferSyntaxUid) === undefined ? undefined : EXPLICIT_VR_LITTLE_ENDIAN;
}

export interface Part10Ports {
  readonly opener: InstanceOpener;
  readonly workers: PixelWorkers;
}

/** One file. @param signal - aborted when nobody waits any more */
export async function* part10File(
  item: InstanceItem,
  transferSyntaxUid: string,
  ports: Part10Ports,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (transferSyntaxUid === item.transferSyntaxUid) {
    const source = await ports.opener.bytes(item);
    try {
      yield* source.stream();
    } finally {
      await source.close();
    }
    return;
  }
  const instance = await ports.opener.open(item);
  try {
    const { sopClassUid, sopInstanceUid } = item;
    yield fileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid });
    const isEncapsulated = transferSyntax(item.transferSyntaxUid)?.encapsulated === true;
    if (isEncapsulated && instance.header.pixelData?.length === undefined && instance.header.pixelData !== undefined)
      yield* decoded(instance, ports.workers, signal);
    else yield* reordered(instance);
  } finally {
    await instance.close();
  }
}

/** Implicit, big endian or deflated: the header is written anew, the pixel data turned where it must be. */
async function* reordered(instance: OpenedInstance): AsyncGenerator<Uint8Array> {
  const { dataSet, header } = instance;
  yield toExplicitLittleEndian(dataSet.item);
  const { pixelData } = header;
  if (pixelData?.length === undefined) return;
  // PS3.5 Section 8.2: in explicit VR, native pixel data of more than 8 bits is OW; floats keep their own VRs.
  yield longHeader(pixelData.tag, pixelData.vr, pixelData.length);
  yield* nativeValue(instance, 0, pixelData.length);
}

/** A range of a native pixel data value, in little endian. @param offset - at the beginning of a sample */
export async function* nativeValue(
  { header, source }: OpenedInstance,
  offset: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  const place = header.pixelData;
  if (place === undefined) return;
  const { bigEndian } = header.dataSet.item.encoding;
  const { inflated } = header;
  if (inflated !== undefined) {
    yield inflated.subarray(place.offset + offset, place.offset + offset + length);
    return;
  }
  for await (const chunk of source.stream(place.offset + offset, length))
    yield toLittleEndian(place.vr, Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), bigEndian);
}

/** Of one request: what is decoded and not sent yet. */
const FRAMES_UNDER_WAY = 2;
const MAX_VALUE_BYTES = 0xfffffffe;
/** PS3.3 Section C.7.6.3.1.8 and C.7.6.3.1.9: what only encapsulated pixel data has. */
const OF_FRAGMENTS = new Set<number>([
  TAG.ExtendedOffsetTable,
  TAG.ExtendedOffsetTableLengths,
  TAG.EncapsulatedPixelDataValueTotalLength,
]);

/** Encapsulated: frame after frame is decoded by a worker and sent on. */
async function* decoded(
  instance: OpenedInstance,
  workers: PixelWorkers,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { dataSet, item } = instance;
  const pixels = await instance.pixels();
  const { description, places } = pixels;
  const length = nativeFrameBytes(description) * places.numberOfFrames;
  const padding = length % 2;
  if (length + padding > MAX_VALUE_BYTES)
    throw new HubError('pixels.too-large', { detail: 'decoded pixel data would not fit into its element' });
  const decode = (frame: number) =>
    workers.run(
      async () => ({
        kind: 'decode',
        stored: await pixels.read(frame),
        transferSyntaxUid: item.transferSyntaxUid,
        description,
      }),
      signal,
    );
  const first = await decode(0);
  const own = new Map<number, Uint8Array>();
  if (description.samplesPerPixel === 3) {
    own.set(
      TAG.PhotometricInterpretation,
      encodeElement(TAG.PhotometricInterpretation, 'CS', first.photometricInterpretation),
    );
    own.set(TAG.PlanarConfiguration, encodeElement(TAG.PlanarConfiguration, 'US', Uint8Array.of(0, 0)));
  }
  yield toExplicitLittleEndian(dataSet.item, { without: OF_FRAGMENTS, with: own });
  yield longHeader(TAG.PixelData, description.bitsAllocated > 8 ? 'OW' : 'OB', length + padding);
  yield first.bytes;
  const rest = Array.from({ length: places.numberOfFrames - 1 }, (_, n) => n + 1);
  for await (const { bytes } of ahead(rest, FRAMES_UNDER_WAY, decode)) yield bytes;
  if (padding > 0) yield new Uint8Array(padding);
}
