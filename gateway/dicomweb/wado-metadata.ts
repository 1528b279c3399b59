/** Metadata as DICOM JSON (PS3.18 Section 10.4.1.1.2), and the values it refers to (Section 10.4.1.1.5). */
import { setImmediate } from 'node:timers/promises';
import { type Element as ParsedElement } from '../../core/dicom/data-set.ts';
import type { Element, Item } from '../../core/dicom/element.ts';
import { jsonKey, jsonMembers, type ItemPath } from '../../core/dicom/json-model.ts';
import { toLittleEndian } from '../../core/dicom/to-explicit.ts';
import { HubError } from '../../core/errors.ts';
import type { OpenedInstance } from './wado-source.ts';

/** Longer binary values are told by reference. */
const INLINE_LIMIT_BYTES = 1_024;
const KEY = /^[0-9A-F]{8}$/;

/** So much JSON is made at a time, in some milliseconds; then the doors have their turn. */
const PIECE_LENGTH = 32 * 1024;

/** The JSON of an instance, in pieces. @param url - of the instance */
export async function* metadataOf(instance: OpenedInstance, url: string): AsyncGenerator<Uint8Array> {
  let text = '';
  for (const piece of textOf(instance, url)) {
    text += piece;
    if (text.length < PIECE_LENGTH) continue;
    yield Buffer.from(text);
    text = '';
    await setImmediate();
  }
  yield Buffer.from(text);
}

function* textOf({ dataSet, header }: OpenedInstance, url: string): Generator<string> {
  const uriOf = (element: Pick<ParsedElement, 'tag'>, path: ItemPath): string =>
    `${url}/bulkdata/${[...path.flatMap(({ tag, item }) => [jsonKey(tag), String(item)]), jsonKey(element.tag)].join('/')}`;
  const inFragments = tagsInFragments(dataSet.item);
  let isEmpty = true;
  yield '{';
  const members = jsonMembers(dataSet, {
    bulkDataUri: (element, path) =>
      element.value.length > INLINE_LIMIT_BYTES || inFragments.has(element.tag) ? uriOf(element, path) : undefined,
  });
  for (const member of members) {
    isEmpty = false;
    yield member;
  }
  const { pixelData } = header;
  if (pixelData !== undefined) {
    const element = JSON.stringify({ vr: pixelData.vr, BulkDataURI: uriOf(pixelData, []) });
    yield `${isEmpty ? '' : ','}"${jsonKey(pixelData.tag)}":${element}`;
  }
  yield '}';
}

/** Fragments have no inline form, wherever they stand: the icon of a compressed image is one. */
function tagsInFragments(item: Item, found = new Set<number>()): ReadonlySet<number> {
  for (const { tag, undefinedLength, items } of item.elements) {
    if (undefinedLength && items === undefined) found.add(tag);
    for (const inner of items ?? []) tagsInFragments(inner, found);
  }
  return found;
}

/** True when a path names the pixel data of the data set itself. */
export function isPixelData({ header }: OpenedInstance, path: readonly string[]): boolean {
  return path.length === 1 && header.pixelData !== undefined && path[0] === jsonKey(header.pixelData.tag);
}

/**
 * The value at a path as `metadataOf` writes it: tags, and item numbers from 0 between them. In little endian.
 *
 * @throws {HubError} `resource.not-found`
 */
export function bulkValue({ dataSet }: OpenedInstance, path: readonly string[]): Uint8Array {
  const found = find(dataSet.item, path);
  if (found === undefined || found.element.items !== undefined) throw new HubError('resource.not-found');
  const { element, item } = found;
  return toLittleEndian(element.vr, Buffer.from(element.value), item.encoding.bigEndian);
}

function find(
  item: Item,
  [key = '', index, ...rest]: readonly string[],
): { readonly element: Element; readonly item: Item } | undefined {
  if (!KEY.test(key)) return undefined;
  const element = item.elements.find(({ tag }) => jsonKey(tag) === key);
  if (element === undefined) return undefined;
  if (index === undefined) return { element, item };
  const inner = /^\d{1,7}$/.test(index) ? element.items?.[Number(index)] : undefined;
  return inner === undefined ? undefined : find(inner, rest);
}
