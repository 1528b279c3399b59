/** How `2dseq` stores a value: VisuCoreWordType and VisuCoreByteOrder, or RECO_wordtype and RECO_byte_order. */
import { HubError } from '../core/errors.ts';
import type { Parameters } from './parameters.ts';

export interface WordType {
  readonly bytes: 1 | 2 | 4;
  readonly kind: 'unsigned' | 'signed' | 'float';
}

const WORD_TYPES: Readonly<Record<string, WordType>> = {
  _8BIT_UNSGN_INT: { bytes: 1, kind: 'unsigned' },
  _16BIT_SGN_INT: { bytes: 2, kind: 'signed' },
  _32BIT_SGN_INT: { bytes: 4, kind: 'signed' },
  _32BIT_FLOAT: { bytes: 4, kind: 'float' },
};

/** @throws {HubError} `paravision.unsupported` */
export function wordTypeOf(name: string): WordType {
  const found = Object.hasOwn(WORD_TYPES, name) ? WORD_TYPES[name] : undefined;
  if (found === undefined) throw new HubError('paravision.unsupported', { reason: 'its word type is not known' });
  return found;
}

type ByteOrder = 'littleEndian' | 'bigEndian';

/** @throws {HubError} `paravision.parameters-unreadable` for a word that is no order */
export function byteOrderOf(parameters: Parameters): ByteOrder {
  for (const name of ['VisuCoreByteOrder', 'RECO_byte_order']) {
    const order = parameters.text(name);
    if (order === 'littleEndian' || order === 'bigEndian') return order;
    if (order !== undefined) throw parameters.wrong(name, `${name} is neither littleEndian nor bigEndian`);
  }
  return 'littleEndian';
}

/** Calls back with each value of `bytes`, in order. */
export function readWords(
  bytes: Uint8Array,
  { bytes: size, kind }: WordType,
  isLittleEndian: boolean,
  visit: (value: number, index: number) => void,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.floor(bytes.length / size);
  for (let index = 0; index < count; index++) {
    const at = index * size;
    if (size === 1) visit(view.getUint8(at), index);
    else if (size === 2) visit(view.getInt16(at, isLittleEndian), index);
    else if (kind === 'float') visit(view.getFloat32(at, isLittleEndian), index);
    else visit(view.getInt32(at, isLittleEndian), index);
  }
}
