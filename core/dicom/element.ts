/** What the byte walker finds: elements and the data sets they stand in, as positions in the buffer walked. */

/** How the elements of one data set or item are written. */
export interface Encoding {
  readonly explicit: boolean;
  readonly bigEndian: boolean;
}

/** One element. It keeps positions, not copies; `value` is a view into the buffer that was walked. */
export class Element {
  readonly tag: number;
  /** As encoded; from the dictionary for implicit VR and for a known attribute sent as UN. `UN` when nobody knows. */
  readonly vr: string;
  /** The VR the bytes state; `undefined` where the header has none (implicit VR). */
  readonly encodedVr: string | undefined;
  /** Offset of the tag. */
  readonly start: number;
  readonly valueStart: number;
  /** Offset after the value, before a Sequence Delimitation Item. */
  readonly valueEnd: number;
  /** Offset after everything that belongs to the element. */
  readonly end: number;
  readonly undefinedLength: boolean;
  readonly items: readonly Item[] | undefined;
  readonly #buffer: Uint8Array;

  constructor(buffer: Uint8Array, fields: ElementFields) {
    this.#buffer = buffer;
    this.tag = fields.tag;
    this.vr = fields.vr;
    this.encodedVr = fields.encodedVr;
    this.start = fields.start;
    this.valueStart = fields.valueStart;
    this.valueEnd = fields.valueEnd;
    this.end = fields.end;
    this.undefinedLength = fields.undefinedLength;
    this.items = fields.items;
  }

  /** The value's bytes; for a sequence its items as encoded, for encapsulated pixel data its fragments as encoded. */
  get value(): Uint8Array {
    return this.#buffer.subarray(this.valueStart, this.valueEnd);
  }
}

/** All that the walker knows of an element. */
export type ElementFields = Omit<Element, 'value'>;

/** A run of elements: the data set itself, or one item of a sequence. */
export interface Item {
  readonly encoding: Encoding;
  readonly elements: readonly Element[];
  /** Offset of the item's tag; of the first element for the data set itself. */
  readonly start: number;
  readonly end: number;
  readonly undefinedLength: boolean;
}
