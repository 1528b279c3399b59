/** Instances, metadata, bulk data and frames as answers: what the client takes is chosen, then sent. */
import type { Request, Response } from 'express';
import { HubError } from '../../core/errors.ts';
import type { InstanceItem } from '../../core/store.ts';
import { acceptedRanges, admits } from './accept.ts';
import { isFresh, once, sendMultipart, sendRange, sendStream, type OutgoingPart } from './wado-answer.ts';
import { zipArchive } from './wado-archive.ts';
import { chooseFrames, frameBodies, OCTET_STREAM } from './wado-frames.ts';
import { bulkValue, isPixelData, metadataOf } from './wado-metadata.ts';
import { chooseDicom, DICOM, nativeValue, part10File, type Part10Ports } from './wado-part10.ts';
import { rootUrl } from './root-url.ts';
import { digests, urlOf, type Retrieval } from './wado-retrieval.ts';
import type { InstanceOpener, OpenedInstance } from './wado-source.ts';

const DICOM_JSON = 'application/dicom+json';
const JSON_TYPES = [DICOM_JSON, 'application/json'];

export async function sendInstances(
  request: Request,
  response: Response,
  { items, isOneInstance, signal }: Retrieval,
  ports: Part10Ports,
): Promise<void> {
  const { form, transferSyntaxUids } = chooseDicom(acceptedRanges(request), items, isOneInstance);
  const variant = `${form} ${transferSyntaxUids.join(' ')}`;
  if (isFresh(request, response, { of: digests(items), variant })) return;
  const syntaxOf = (n: number): string => transferSyntaxUids[n] ?? '';
  const [only] = items;
  if (form === 'single' && only !== undefined) {
    const type = `${DICOM}; transfer-syntax=${syntaxOf(0)}`;
    if (syntaxOf(0) !== only.transferSyntaxUid)
      return sendStream(request, response, type, part10File(only, syntaxOf(0), ports, signal));
    const source = await ports.opener.bytes(only);
    try {
      await sendRange(request, response, type, only.sizeBytes, (from, length) => source.stream(from, length));
      return;
    } finally {
      await source.close();
    }
  }
  if (form === 'zip') {
    const name = ({ seriesInstanceUid, sopInstanceUid }: InstanceItem) => `${seriesInstanceUid}/${sopInstanceUid}.dcm`;
    response.setHeader('Content-Disposition', `attachment; filename="${items[0]?.studyInstanceUid ?? 'study'}.zip"`);
    const files = items.map((item, n) => ({
      name: name(item),
      body: () => part10File(item, syntaxOf(n), ports, signal),
    }));
    return sendStream(request, response, 'application/zip', zipArchive(files));
  }
  return sendMultipart(
    request,
    response,
    DICOM,
    items.map((item, n) => ({
      contentType: `${DICOM}; transfer-syntax=${syntaxOf(n)}`,
      location: urlOf(request, item),
      body: part10File(item, syntaxOf(n), ports, signal),
    })),
  );
}

export async function sendMetadata(
  request: Request,
  response: Response,
  { items }: Retrieval,
  opener: InstanceOpener,
): Promise<void> {
  const ranges = acceptedRanges(request);
  const type = ranges.flatMap((range) => JSON_TYPES.find((one) => admits(range.type, one)) ?? [])[0];
  if (type === undefined) throw new HubError('request.not-acceptable', { detail: `metadata are ${DICOM_JSON}` });
  // The references in it name the host that was asked.
  const variant = `${type} ${rootUrl(request)}`;
  if (isFresh(request, response, { of: digests(items), variant })) return;
  await sendStream(request, response, type, jsonArray(request, items, opener));
}

async function* jsonArray(
  request: Request,
  items: readonly InstanceItem[],
  opener: InstanceOpener,
): AsyncGenerator<Uint8Array> {
  let before = '[';
  for (const item of items) {
    const instance = await opener.open(item);
    try {
      yield Buffer.from(before);
      yield* metadataOf(instance, urlOf(request, item));
    } finally {
      await instance.close();
    }
    before = ',';
  }
  yield Buffer.from(']');
}

export async function sendBulkData(
  request: Request,
  response: Response,
  instance: OpenedInstance,
  ports: Part10Ports,
  signal: AbortSignal,
): Promise<void> {
  const path = [request.params['path'] ?? []].flat();
  const ranges = acceptedRanges(request);
  if (isPixelData(instance, path) && instance.header.pixelData?.length === undefined) {
    const { description } = await instance.pixels();
    const frames = Array.from({ length: description.numberOfFrames }, (_, n) => n);
    return sendFrames(request, response, instance, frames, ports, signal);
  }
  const form = ranges
    .map(({ type, parameters }) => {
      if (admits(type, OCTET_STREAM)) return 'single';
      const inner = parameters.get('type')?.toLowerCase() ?? '*/*';
      return admits(type, 'multipart/related') && admits(inner, OCTET_STREAM) ? 'multipart' : undefined;
    })
    .find((one) => one !== undefined);
  if (form === undefined) throw new HubError('request.not-acceptable', { detail: `bulk data are ${OCTET_STREAM}` });
  const isPixels = isPixelData(instance, path);
  const value = isPixels ? undefined : bulkValue(instance, path);
  const sizeBytes = value?.length ?? instance.header.pixelData?.length ?? 0;
  const read = (offset: number, length: number): AsyncIterable<Uint8Array> =>
    value === undefined ? rangeOfPixels(instance, offset, length) : once(value.subarray(offset, offset + length));
  const variant = `bulkdata ${path.join('/')} ${form}`;
  if (isFresh(request, response, { of: [instance.item.sha256], variant })) return undefined;
  if (form === 'single') return sendRange(request, response, OCTET_STREAM, sizeBytes, read);
  await sendMultipart(request, response, OCTET_STREAM, [{ contentType: OCTET_STREAM, body: read(0, sizeBytes) }]);
}

/** Whole units are read and turned, then cut to the range. */
async function* rangeOfPixels(instance: OpenedInstance, offset: number, length: number): AsyncGenerator<Uint8Array> {
  const skip = offset % 8;
  const total = instance.header.pixelData?.length ?? 0;
  const padded = Math.min(total - (offset - skip), Math.ceil((skip + length) / 8) * 8);
  let at = -skip;
  for await (const chunk of nativeValue(instance, offset - skip, padded)) {
    const from = Math.max(0, -at);
    const to = Math.min(chunk.length, length - at);
    if (to > from) yield chunk.subarray(from, to);
    at += chunk.length;
  }
}

export async function sendFrames(
  request: Request,
  response: Response,
  instance: OpenedInstance,
  frames: readonly number[],
  { workers }: Part10Ports,
  signal: AbortSignal,
): Promise<void> {
  const { item } = instance;
  const choice = chooseFrames(acceptedRanges(request), item.transferSyntaxUid, frames.length);
  const variant = `frames ${frames.join()} ${choice.form} ${choice.mediaType} ${choice.transferSyntaxUid}`;
  if (isFresh(request, response, { of: [item.sha256], variant })) return;
  const contentType = `${choice.mediaType}; transfer-syntax=${choice.transferSyntaxUid}`;
  const bodies = frameBodies(instance, frames, choice, workers, signal);
  if (choice.form === 'single') {
    await sendStream(request, response, contentType, all());
    return;
  }
  const url = urlOf(request, item);
  await sendMultipart(request, response, choice.mediaType, parts());
  async function* parts(): AsyncGenerator<OutgoingPart> {
    let n = 0;
    for await (const body of bodies) {
      yield { contentType, location: `${url}/frames/${(frames[n++] ?? 0) + 1}`, body };
    }
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    for await (const body of bodies) yield* body;
  }
}
