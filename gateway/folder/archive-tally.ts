/** What became of an archive's entries, and of the studies in it. */
import type { HubError } from '../../core/errors.ts';
import { noteLines } from './error-note.ts';
import type { Outcome } from './outcome.ts';

const MAX_LISTED = 20;
/** What a note says of the scans in an archive; the rest is counted. */
const MAX_SCAN_LINES = 100;

export class ArchiveTally {
  #over: Extract<Outcome, { readonly kind: 'later' | 'unreadable-now' | 'changed' }> | undefined;
  #instances = 0;
  #refused = 0;
  #first: HubError | undefined;
  #studies = 0;
  #needsBytes: number | undefined;
  readonly #entries = new Map<number, HubError>();
  readonly #scans: (readonly string[])[] = [];

  /** @param number - of the entry, where it is one that was taken by itself */
  add(outcome: Outcome, number?: number): void {
    switch (outcome.kind) {
      case 'taken':
        this.#instances += outcome.instances;
        return;
      case 'refused':
        this.#refused += 1;
        this.#first ??= outcome.error;
        if (number !== undefined && this.#entries.size < MAX_LISTED) this.#entries.set(number, outcome.error);
        return;
      case 'other':
        return;
      case 'later':
      case 'unreadable-now':
      case 'changed':
        this.#over ??= outcome;
        return;
      default:
        return outcome satisfies never;
    }
  }

  /** None of its studies was taken. It comes before what is wrong with single entries: the archive will be taken again. */
  lacksRoom(error: HubError, needsBytes: number): void {
    this.#first = error;
    this.#needsBytes = needsBytes;
  }

  addStudy(outcome: Outcome): void {
    this.#studies += 1;
    if (outcome.kind !== 'refused') {
      this.add(outcome);
      return;
    }
    this.#first ??= outcome.error;
    this.#instances += outcome.instances ?? 0;
    this.#refused += outcome.files ?? 0;
    this.#scans.push(...(outcome.scans?.values() ?? []));
  }

  /** The hub takes nothing now, or the archive cannot be read: the rest would only be read in vain. */
  get isOver(): boolean {
    return this.#over !== undefined;
  }

  get outcome(): Outcome {
    if (this.#over !== undefined) return this.#over;
    if (this.#first === undefined) {
      if (this.#instances === 0) return { kind: 'other' };
      return { kind: 'taken', instances: this.#instances, holdsStudies: this.#studies > 0 };
    }
    const more = this.#refused - this.#entries.size;
    // Their commits end in any order.
    const entries = [...this.#entries].toSorted(([one], [other]) => one - other);
    const lines = [
      ...noteLines(this.#first),
      `instances of this archive that are in the hub: ${String(this.#instances)}`,
      ...(this.#refused > 0 ? [`entries that were not taken: ${String(this.#refused)}`] : []),
      ...entries.map(([number, error]) => `entry ${String(number)}: ${error.message}`),
      ...(more > 0 ? [`and ${String(more)} more`] : []),
      ...this.#scanLines,
    ];
    return { kind: 'refused', error: this.#first, lines, needsBytes: this.#needsBytes };
  }

  /** Each scan as the note beside its folder would say it, if there were one. */
  get #scanLines(): readonly string[] {
    if (this.#scans.length === 0) return [];
    const lines = [`scans that were not taken: ${String(this.#scans.length)}`, ''];
    let listed = 0;
    for (const scan of this.#scans) {
      if (lines.length + scan.length > MAX_SCAN_LINES) break;
      lines.push(...scan);
      listed += 1;
    }
    const more = this.#scans.length - listed;
    return more > 0 ? [...lines, `and ${String(more)} more scans`, ''] : lines;
  }
}
