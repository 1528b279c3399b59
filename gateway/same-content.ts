/**
 * Whether two Part 10 objects hold the same data set in two transfer syntaxes, as far as that can be told without
 * decoding pixels: implicit, explicit, big endian and deflated are only different ways to write the same elements, so
 * their values are compared in one byte order. Encapsulated pixel data is compared with nothing: whether it decodes to the
 * same pixels only a decoder knows, and of a lossy one the answer is no.
 */
import { createHash, type Hash } from 'node:crypto';
import { readDataSet } from '../core/dicom/part10.ts';
import type { Item } from '../core/dicom/element.ts';
import { transferSyntax } from '../core/dicom/transfer-syntaxes.ts';
import type { ByteSource } from '../core/store.ts';

/** Both are read into memory; larger ones count as different, as they would without this comparison. */
const MAX_BYTES = 256 * 1024 * 1024;

/** PS3.5 Section 7.3: what is swapped in big endian, by VR. UN stays as it is: nobody knows its parts. */
const UNIT_BYTES: Readonly<Record<string, number>> = {
  ...{ US: 2, SS: 2, OW: 2, AT: 2, UL: 4, SL: 4, FL: 4, OL: 4, OF: 4, FD: 8, OD: 8, OV: 8, SV: 8, UV: 8 },
};
const DATA_SET_TRAILING_PADDING = 0xfffcfffc;

/** @throws {HubError} `dataset.*` when one of them cannot be read */
export async function haveSameContent(
  one: { readonly source: ByteSource; readonly transferSyntaxUid: string },
  other: { readonly source: ByteSource; readonly transferSyntaxUid: string },
): Promise<boolean> {
  if (one.transferSyntaxUid === other.transferSyntaxUid) return false; // Their bytes differ already.
  const areComparable = [one, other].every(
    ({ source, transferSyntaxUid }) =>
      transferSyntax(transferSyntaxUid)?.encapsulated === false && source.sizeBytes <= MAX_BYTES,
  );
  if (!areComparable) return false;
  return (await contentDigest(one.source)) === (await contentDigest(other.source));
}

async function contentDigest(source: ByteSource): Promise<string> {
  const { dataSet } = await readDataSet(source);
  const hash = createHash('sha256');
  add(hash, dataSet.item);
  return hash.digest('hex');
}

/** Tag, length and value of each element; what only the encoding asks for is left out (PS3.5 Section 7.2 group lengths). */
function add(hash: Hash, { elements, encoding }: Item): void {
  for (const { tag, vr, value, items } of elements) {
    if ((tag & 0xffff) === 0 || tag === DATA_SET_TRAILING_PADDING) continue;
    const bytes = items === undefined ? (encoding.bigEndian ? littleEndian(value, vr) : value) : undefined;
    hash.update(`${tag.toString(16)} ${String(bytes?.length ?? `sequence of ${String(items?.length)}`)}\n`);
    if (bytes !== undefined) hash.update(bytes);
    for (const item of items ?? []) {
      hash.update('item\n');
      add(hash, item);
      hash.update('end\n');
    }
  }
}

function littleEndian(value: Uint8Array, vr: string): Uint8Array {
  const unit = UNIT_BYTES[vr] ?? 1;
  if (unit === 1 || value.length % unit !== 0) return value;
  const swapped = Buffer.from(value);
  if (unit === 2) return swapped.swap16();
  return unit === 4 ? swapped.swap32() : swapped.swap64();
}
