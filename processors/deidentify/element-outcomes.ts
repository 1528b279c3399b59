/** What became of elements of the top level: the same bytes under the same circumstances become the same again. */
import type { Element } from '../../core/dicom/element.ts';
import { ByteMemo } from './byte-memo.ts';
import type { Secret } from './study-secrets.ts';
import type { Deed } from './tally.ts';

/** What became of one element, with everything in it. */
export interface ElementOutcome {
  /** What is written of it; nothing where it goes. */
  readonly bytes: Uint8Array;
  readonly deeds: readonly Deed[];
  /** What the output must not say. */
  readonly removed: readonly Secret[];
  /** By the policy's options, whatever it says. */
  readonly kept: readonly Secret[];
  readonly privateKept: readonly string[];
}

interface Known extends ElementOutcome {
  readonly privateName: string | undefined;
}

export class ElementOutcomes {
  readonly #known = new ByteMemo<Known>();
  /** What is written whatever was there, by tag. */
  readonly markers = new Map<number, Uint8Array>();

  /** @param privateName - of a private element that may stay: its neighbours say so, not its bytes */
  find({ tag, start, end }: Element, bytes: Uint8Array, privateName: string | undefined): ElementOutcome | undefined {
    const known = this.#known.find(tag, bytes, start, end);
    return known?.privateName === privateName ? known : undefined;
  }

  /** @param outcome - its `bytes` are copied */
  keep(
    { tag, start, end }: Element,
    bytes: Uint8Array,
    privateName: string | undefined,
    outcome: ElementOutcome,
  ): void {
    if (!this.#known.isWorth(tag, end - start)) return;
    const before = new Uint8Array(bytes.subarray(start, end));
    const isSame = Buffer.compare(before, outcome.bytes) === 0;
    this.#known.keep(tag, before, {
      ...outcome,
      bytes: isSame ? before : new Uint8Array(outcome.bytes),
      privateName,
    });
  }
}
