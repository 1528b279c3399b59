/** Where the walk is in a data set, and what it may be told to do there. */
import type { ContentAction } from './content-items.ts';
import type { ActionDone } from './tally.ts';

/** Identifies an element by its place: `00400275/0/00080050`. */
export type ElementPath = string;

/**
 * What a sequence around an element makes of it:
 * - `replaced`: the structure stays, none of its texts and numbers do
 * - `cleaned`: texts down to harmless words, codes of public schemes as they are
 * - `graphics`: annotations, whose texts are cleaned
 * - `content`: content items, each with an action of its own
 */
export type Mode = 'open' | 'replaced' | 'cleaned' | 'graphics' | 'content';

/** Where in the data set the walk is. */
export interface Scope {
  readonly characterSets: readonly string[];
  readonly path: ElementPath;
  readonly isTopLevel: boolean;
  /** Keywords of the sequences around it, each with a slash behind it. */
  readonly sequences: string;
  readonly mode: Mode;
  /** Of the content item the element stands in. */
  readonly content: ContentAction | undefined;
  /** The item is a code of a public scheme. */
  readonly isPublicCode: boolean;
}

/** What to do with one element: its bytes, its items, nothing, or another value. */
export type Decision =
  | { readonly kind: 'keep' }
  /** `orElse`: when none of its items has anything left. */
  | { readonly kind: 'enter'; readonly mode: Mode; readonly orElse?: Decision }
  | { readonly kind: 'drop'; readonly done: ActionDone | undefined }
  | { readonly kind: 'value'; readonly value: string | Uint8Array; readonly done: ActionDone };

/** As tags stand in an `ElementPath`. */
export function hexOf(tag: number): string {
  return tag.toString(16).toUpperCase().padStart(8, '0');
}
