/**
 * Takes the file meta information off the front of a Part 10 stream (PS3.10 Section 7.1). The hub writes its own, so
 * that what it stores says the same for every door.
 */
import { HubError } from '../../core/errors.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';

export interface FileMeta {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
}

const PREAMBLE_BYTES = 132;
const MAX_META_BYTES = 64 * 1024;
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const ELEMENTS = new Map<number, keyof FileMeta>([
  [0x0002, 'sopClassUid'],
  [0x0003, 'sopInstanceUid'],
  [0x0010, 'transferSyntaxUid'],
]);

/** `undefined`: more bytes are needed. `unreadable`: it is no Part 10 file. */
type Parsed = { readonly meta: FileMeta; readonly length: number } | 'unreadable' | undefined;

/** Fed with the first bytes of a file until it knows. */
export class FileMetaReader {
  #held: Buffer | undefined = Buffer.alloc(0);

  /** @returns what is known now: meta and the first bytes of the data set, or why not; undefined for more bytes please */
  push(chunk: Buffer): { readonly meta: FileMeta | HubError; readonly rest: Buffer } | undefined {
    if (this.#held === undefined) throw new Error('the file meta information was read before');
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const parsed = parse(this.#held);
    if (parsed === undefined && this.#held.length <= MAX_META_BYTES) return undefined;
    const held = this.#held;
    this.#held = undefined;
    if (parsed === undefined || parsed === 'unreadable') return { meta: notPart10(), rest: held };
    return { meta: parsed.meta, rest: held.subarray(parsed.length) };
  }

  /** The stream ended before `push` knew. A file of meta information alone is one without a data set. */
  end(): { readonly meta: FileMeta | HubError; readonly rest: Buffer } {
    const held = this.#held ?? Buffer.alloc(0);
    if (held.length === 0) return { meta: new HubError('dataset.empty'), rest: held };
    // Room for the element that is not there: only then `parse` sees that the meta information is complete.
    const parsed = parse(Buffer.concat([held, Buffer.alloc(8)]));
    if (typeof parsed === 'object' && parsed.length === held.length) {
      return { meta: parsed.meta, rest: Buffer.alloc(0) };
    }
    return { meta: notPart10(), rest: held };
  }
}

function notPart10(): HubError {
  return new HubError('dataset.unreadable', { reason: 'not-a-part-10-file' });
}

function parse(bytes: Buffer): Parsed {
  if (bytes.length < PREAMBLE_BYTES) return undefined;
  if (bytes.toString('latin1', 128, PREAMBLE_BYTES) !== 'DICM') return 'unreadable';
  const meta = { sopClassUid: '', sopInstanceUid: '', transferSyntaxUid: '' };
  let at = PREAMBLE_BYTES;
  // The group length (0002,0000) is wrong in some files: the group ends where another begins.
  for (;;) {
    if (at + 8 > bytes.length) return undefined;
    if (bytes.readUInt16LE(at) !== 0x0002) return { meta, length: at };
    const isLong = LONG_VRS.has(bytes.toString('latin1', at + 4, at + 6));
    if (isLong && at + 12 > bytes.length) return undefined;
    const start = at + (isLong ? 12 : 8);
    const end = start + (isLong ? bytes.readUInt32LE(at + 8) : bytes.readUInt16LE(at + 6));
    if (end > MAX_META_BYTES) return 'unreadable';
    if (end > bytes.length) return undefined;
    const name = ELEMENTS.get(bytes.readUInt16LE(at + 2));
    if (name !== undefined) meta[name] = withoutTrailingPadding(bytes.toString('latin1', start, end));
    at = end;
  }
}
