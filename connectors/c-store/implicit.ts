/**
 * Re-encodes a data set from explicit to implicit VR little endian, the one transfer syntax every provider must take
 * (PS3.5 Section 10.1), for peers that refuse the object's own. Values and pixels are copied as they are.
 */
import type { Element } from '../../core/dicom/element.ts';
import { encodingOf, requireTransferSyntax } from '../../core/dicom/data-set.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { UNDEFINED_LENGTH, unreadable, walk } from '../../core/dicom/walker.ts';
import type { ByteSource } from '../../core/store.ts';

/** True when the data set can be written in implicit VR little endian without touching a pixel. */
export function canBecomeImplicit(transferSyntaxUid: string): boolean {
  return transferSyntaxUid === EXPLICIT_VR_LITTLE_ENDIAN;
}

/** @throws {HubError} `dataset.unreadable` when what follows the pixels cannot be read */
export async function asImplicit(
  source: ByteSource,
  header: Part10Header,
): Promise<{ readonly sizeBytes: number; readonly chunks: AsyncIterable<Uint8Array> }> {
  const place = header.pixelData;
  const before = Buffer.concat([...header.dataSet.item.elements].flatMap(encode));
  if (place === undefined) return { sizeBytes: before.byteLength, chunks: chunksOf([before]) };
  if (place.length === undefined) throw unreadable('fragments-in-a-native-syntax', place.elementOffset);

  const pixelEnd = place.offset + place.length;
  if (pixelEnd > source.sizeBytes) throw unreadable('pixel-data-cut-off', place.elementOffset);
  const tail = await source.read(pixelEnd, source.sizeBytes - pixelEnd);
  const encoding = encodingOf(requireTransferSyntax(header.transferSyntaxUid));
  const after = Buffer.concat(walk(tail, encoding).root.elements.flatMap(encode));
  const pixelHeader = elementHeader(place.tag, place.length);
  const { length: pixelBytes, offset } = { ...place, length: place.length };
  return {
    sizeBytes: before.byteLength + pixelHeader.byteLength + pixelBytes + after.byteLength,
    chunks: (async function* () {
      yield before;
      yield pixelHeader;
      yield* source.stream(offset, pixelBytes);
      yield after;
    })(),
  };
}

function encode(element: Element): readonly Uint8Array[] {
  const { tag, items } = element;
  // Group lengths (gggg,0000) count bytes that are now other ones; PS3.5 Section 7.2 retired them.
  if ((tag & 0xffff) === 0) return [];
  if (items === undefined) {
    if (element.undefinedLength) throw unreadable('fragments-in-a-native-syntax', element.start);
    return [elementHeader(tag, element.value.byteLength), element.value];
  }
  return [
    elementHeader(tag, UNDEFINED_LENGTH),
    ...items.flatMap((item) => [
      elementHeader(TAG.Item, UNDEFINED_LENGTH),
      ...item.elements.flatMap(encode),
      elementHeader(TAG.ItemDelimitationItem, 0),
    ]),
    elementHeader(TAG.SequenceDelimitationItem, 0),
  ];
}

function elementHeader(tag: number, length: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(tag >>> 16, 0);
  header.writeUInt16LE(tag & 0xffff, 2);
  header.writeUInt32LE(length, 4);
  return header;
}

async function* chunksOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
