/** Writes elements in the encoding they came in, sequence lengths patched once their items are known. */
import { TAG } from '../../core/dicom/tags.ts';
import { paddingOf } from '../../core/dicom/encode-element.ts';
import type { Encoding } from '../../core/dicom/element.ts';
import { hasLongHeader, UNDEFINED_LENGTH } from '../../core/dicom/walker.ts';

export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(Math.max(capacity, 1024));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** The bytes written so far; valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Takes back everything from `length` on. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  bytes(source: Uint8Array): void {
    this.#reserve(source.length);
    this.#bytes.set(source, this.#length);
    this.#length += source.length;
  }

  /** One element with its value, padded to even length. `vr` is not written in implicit VR. */
  element(tag: number, vr: string, value: string | Uint8Array, encoding: Encoding): void {
    const raw = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    const isOdd = raw.length % 2 === 1;
    this.#header(tag, encoding.explicit ? vr : undefined, raw.length + (isOdd ? 1 : 0), encoding);
    this.bytes(raw);
    if (isOdd) this.bytes(Uint8Array.of(paddingOf(vr)));
  }

  /**
   * Begins a sequence or item.
   *
   * @param vr - of the element's header; `undefined` in implicit VR and for items
   * @returns what `close` needs
   */
  open(tag: number, vr: string | undefined, isUndefinedLength: boolean, encoding: Encoding): OpenLength {
    this.#header(tag, vr, isUndefinedLength ? UNDEFINED_LENGTH : 0, encoding);
    return { lengthAt: this.#length - 4, isUndefinedLength, bigEndian: encoding.bigEndian };
  }

  /**
   * Ends it: with its length, or with the delimitation item where the length is undefined.
   *
   * @param bigEndian - of the delimitation item: inside UN it is little endian whatever is around (PS3.5 Section 6.2.2)
   */
  close(open: OpenLength, delimiter: number, bigEndian = open.bigEndian): void {
    if (open.isUndefinedLength) this.#header(delimiter, undefined, 0, { explicit: false, bigEndian });
    else this.#view.setUint32(open.lengthAt, this.#length - open.lengthAt - 4, !open.bigEndian);
  }

  #header(tag: number, vr: string | undefined, length: number, { bigEndian }: Encoding): void {
    this.#reserve(12);
    const littleEndian = !bigEndian;
    this.#view.setUint16(this.#length, tag >>> 16, littleEndian);
    this.#view.setUint16(this.#length + 2, tag & 0xffff, littleEndian);
    this.#length += 4;
    if (vr === undefined || tag === TAG.Item) {
      this.#view.setUint32(this.#length, length, littleEndian);
      this.#length += 4;
      return;
    }
    this.#bytes[this.#length] = vr.charCodeAt(0);
    this.#bytes[this.#length + 1] = vr.charCodeAt(1);
    if (hasLongHeader(vr)) {
      this.#view.setUint16(this.#length + 2, 0);
      this.#view.setUint32(this.#length + 4, length, littleEndian);
      this.#length += 8;
    } else {
      this.#view.setUint16(this.#length + 2, length, littleEndian);
      this.#length += 4;
    }
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.written());
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

export interface OpenLength {
  readonly lengthAt: number;
  readonly isUndefinedLength: boolean;
  readonly bigEndian: boolean;
}
