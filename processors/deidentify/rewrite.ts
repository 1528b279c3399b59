/**
 * The walk: one recursive pass over a header's elements that writes the de-identified header. Default deny by kind:
 * what the table lists gets its action, private and unknown elements go, the rest is decided by VR. Kept elements are
 * copied as bytes; everything removed or changed is remembered for the verification pass.
 */
import { parseCharacterSets } from '../../core/dicom/character-sets.ts';
import { isPrivate, keywordOf } from '../../core/dicom/dictionary.ts';
import type { Element, Encoding, Item } from '../../core/dicom/element.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { ByteWriter } from './byte-writer.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { Decider } from './decision.ts';
import { ElementOutcomes } from './element-outcomes.ts';
import type { ElementOutcome } from './element-outcomes.ts';
import { hexOf } from './scope.ts';
import type { Decision, ElementPath, Scope } from './scope.ts';
import type { Mapped } from './mapped.ts';
import { existingCodes, MARKER_TAGS, methodBytes, temporalInformation, writeMethodCodes } from './markers.ts';
import type { AttributeChange } from './pixels/cleaning.ts';
import { keptPrivate } from './private-elements.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { memoryOf, type StudyMemory } from './study-memory.ts';
import type { Secret } from './study-secrets.ts';
import type { ActionDone, Deed, Tally } from './tally.ts';
import { isInstanceUid, uidValues } from './value-rules.ts';

const OPEN = { mode: 'open', content: undefined, isPublicCode: false } as const;

const DATES = new Set(['DA', 'DT', 'TM']);

export interface Rewritten {
  /** The data set up to the pixel data, in the encoding of the source. Good until `writer` is written to again. */
  readonly bytes: Uint8Array;
  readonly tally: Tally;
}

/**
 * @param blanked - places whose values the verification pass wants gone; see verify.ts
 * @param changes - at the top level, written whatever the walk would decide: what cleaned pixels ask for
 * @param writer - empty
 */
export function rewriteHeader(
  header: Part10Header,
  plan: CompiledPlan,
  pseudonyms: Pseudonyms,
  blanked: ReadonlySet<ElementPath>,
  changes: readonly AttributeChange[] = [],
  writer = new ByteWriter(header.end),
): Rewritten {
  const rewriter = new Rewriter(header, plan, pseudonyms, blanked, changes, writer);
  return rewriter.run();
}

class Rewriter {
  readonly #header: Part10Header;
  readonly #plan: CompiledPlan;
  readonly #blanked: ReadonlySet<ElementPath>;
  readonly #writer: ByteWriter;
  readonly #memory: StudyMemory;
  readonly #removed: Secret[] = [];
  /** What the policy's options keep of the table's rows. */
  readonly #keptByName: Secret[] = [];
  readonly #deeds: Deed[] = [];
  readonly #privateKept: string[] = [];
  readonly #decider: Decider;
  /** Told of UIDs that stay, too. */
  readonly #mapped: Mapped | undefined;
  readonly #changes: ReadonlyMap<number, AttributeChange>;
  /** Of what is written whether it was there or not; ascending. */
  readonly #markerTags: readonly number[];

  constructor(
    header: Part10Header,
    plan: CompiledPlan,
    pseudonyms: Pseudonyms,
    blanked: ReadonlySet<ElementPath>,
    changes: readonly AttributeChange[],
    writer: ByteWriter,
  ) {
    this.#changes = new Map(changes.map((change) => [change.tag, change]));
    this.#markerTags = [...new Set([...MARKER_TAGS, ...this.#changes.keys()])].toSorted((one, other) => one - other);
    this.#header = header;
    this.#plan = plan;
    this.#blanked = blanked;
    this.#writer = writer;
    this.#mapped = plan.keepsUids ? pseudonyms.mapped : undefined;
    this.#decider = new Decider(header, plan, pseudonyms, blanked);
    this.#memory = memoryOf(pseudonyms);
  }

  run(): Rewritten {
    const { item, characterSets } = this.#header.dataSet;
    this.#topLevel(item, { characterSets, path: '', sequences: '', isTopLevel: true, ...OPEN });
    this.#memory.secrets.lookFor(this.#removed, this.#keptByName);
    return { bytes: this.#writer.written(), tally: this.#memory.tallies.of(this.#deeds, this.#privateKept) };
  }

  #topLevel(item: Item, scope: Scope): void {
    const { encoding } = item;
    const kept = keptPrivate(item, this.#plan);
    const known = this.#outcomes(encoding, scope);
    const markers = this.#markerTags;
    // Where something is to be blanked, the element is looked at for itself.
    const blanked = new Set([...this.#blanked].map((path) => Number.parseInt(path.slice(0, 8), 16)));
    let next = 0;
    const writeMarkersUpTo = (tag: number) => {
      for (let marker = markers[next]; marker !== undefined && marker < tag; marker = markers[next]) {
        this.#newMarker(marker, encoding, scope, known);
        next += 1;
      }
    };
    for (const element of item.elements) {
      const { tag } = element;
      writeMarkersUpTo(tag);
      if (markers.includes(tag)) {
        // Of two elements with one tag the first counts.
        if (markers[next] === tag) this.#marker(tag, element, encoding, scope);
        if (markers[next] === tag) next += 1;
        continue;
      }
      const privateName = kept.elements.get(element);
      const alike = blanked.has(tag) ? undefined : known;
      const before = alike?.find(element, this.#header.bytes, privateName);
      if (before === undefined) this.#anew(element, privateName, encoding, scope, alike);
      else this.#again(before);
    }
    writeMarkersUpTo(Number.POSITIVE_INFINITY);
  }

  #outcomes({ explicit, bigEndian }: Encoding, { characterSets }: Scope): ElementOutcomes {
    const encoding = `${String(explicit)}/${String(bigEndian)}/${characterSets.join('\\')}`;
    const circumstances = `${encoding}/${this.#decider.circumstances}`;
    return this.#memory.outcomes.of(this.#plan, circumstances, () => new ElementOutcomes());
  }

  #again({ bytes, deeds, removed, kept, privateKept }: ElementOutcome): void {
    if (bytes.length > 0) this.#writer.bytes(bytes);
    for (const deed of deeds) this.#deeds.push(deed);
    for (const secret of removed) this.#removed.push(secret);
    for (const secret of kept) this.#keptByName.push(secret);
    for (const name of privateKept) this.#privateKept.push(name);
  }

  #anew(
    element: Element,
    privateName: string | undefined,
    encoding: Encoding,
    scope: Scope,
    known: ElementOutcomes | undefined,
  ): void {
    const before = [this.#writer, this.#deeds, this.#removed, this.#keptByName, this.#privateKept].map(
      ({ length }) => length,
    );
    const [written = 0, deeds, removed, kept, privateKept] = before;
    if (this.#isKept(element, privateName, encoding, scope))
      this.#writer.bytes(this.#header.bytes.subarray(element.start, element.end));
    known?.keep(element, this.#header.bytes, privateName, {
      bytes: this.#writer.written().subarray(written),
      deeds: this.#deeds.slice(deeds),
      removed: this.#removed.slice(removed),
      kept: this.#keptByName.slice(kept),
      privateKept: this.#privateKept.slice(privateKept),
    });
  }

  #newMarker(tag: number, encoding: Encoding, scope: Scope, known: ElementOutcomes): void {
    const before = this.#changes.has(tag) ? undefined : known.markers.get(tag);
    if (before !== undefined) {
      this.#writer.bytes(before);
      return;
    }
    const start = this.#writer.length;
    this.#marker(tag, undefined, encoding, scope);
    if (!this.#changes.has(tag)) known.markers.set(tag, new Uint8Array(this.#writer.written().subarray(start)));
  }

  #item(item: Item, scope: Scope): void {
    const kept = keptPrivate(item, this.#plan);
    // Neighbours that stay are copied together.
    let runStart = -1;
    let runEnd = -1;
    const flush = () => {
      if (runStart >= 0) this.#writer.bytes(this.#header.bytes.subarray(runStart, runEnd));
      runStart = -1;
    };
    for (const element of item.elements) {
      // Before anything of it is written, what stays of those before it has to be.
      const isNeighbour = runStart >= 0 && element.start === runEnd;
      if (!isNeighbour) flush();
      const decision = this.#decide(element, kept.elements.get(element), scope);
      if (decision.kind === 'keep') {
        if (!isNeighbour) runStart = element.start;
        runEnd = element.end;
        continue;
      }
      flush();
      this.#carryOut(element, decision, item.encoding, scope);
    }
    flush();
  }

  /** @returns whether it stays as it is; else what becomes of it is written */
  #isKept(element: Element, privateName: string | undefined, encoding: Encoding, scope: Scope): boolean {
    const decision = this.#decide(element, privateName, scope);
    if (decision.kind === 'keep') return true;
    this.#carryOut(element, decision, encoding, scope);
    return false;
  }

  #decide(element: Element, privateName: string | undefined, scope: Scope): Decision {
    const decision = this.#decider.decide(element, scope, privateName);
    if (privateName !== undefined && privateName !== '' && decision.kind !== 'drop')
      this.#keptPrivate(element, privateName);
    if (decision.kind !== 'keep') return decision;
    const row = this.#plan.keepsTexts ? this.#plan.action(element.tag) : undefined;
    if (row?.action === 'K' && !DATES.has(element.vr) && element.vr !== 'UI') {
      const secret = this.#memory.spelled.of(element.vr, element.value, scope.characterSets, row.role);
      if (secret !== undefined) this.#keptByName.push(secret);
    }
    if (element.vr === 'UI' && this.#mapped !== undefined) noteKept(element, this.#mapped);
    return decision;
  }

  #keptPrivate(element: Element, name: string): void {
    this.#did(element.tag, 'private-kept');
    this.#privateKept.push(name);
  }

  #carryOut(element: Element, decision: Decision, encoding: Encoding, scope: Scope): void {
    switch (decision.kind) {
      case 'drop':
        if (decision.done !== undefined) {
          this.#did(element.tag, decision.done);
          this.#remember(element, scope.characterSets, decision.done === 'private-removed');
        }
        return;
      case 'value':
        this.#did(element.tag, decision.done);
        if (decision.done !== 'blanked') this.#remember(element, scope.characterSets, false);
        this.#writer.element(element.tag, writableVr(element), decision.value, encoding);
        return;
      case 'enter':
        this.#enter(element, decision, encoding, scope);
        return;
      case 'keep':
        return;
      default:
        decision satisfies never;
    }
  }

  #enter(element: Element, decision: Decision & { readonly kind: 'enter' }, encoding: Encoding, scope: Scope): void {
    if (decision.mode === 'replaced' && scope.mode !== 'replaced') this.#did(element.tag, 'replaced');
    const start = this.#writer.length;
    const hadItems = (element.items ?? []).length > 0;
    const hasAnything = this.#sequence(element, encoding, { ...scope, mode: decision.mode });
    if (hasAnything || !hadItems || decision.orElse === undefined) return;
    this.#writer.truncate(start);
    this.#carryOut(element, decision.orElse, encoding, scope);
  }

  /** @returns whether any of its items has anything in it */
  #sequence(element: Element, encoding: Encoding, scope: Scope): boolean {
    const open = this.#writer.open(
      element.tag,
      encoding.explicit ? (element.encodedVr ?? 'SQ') : undefined,
      element.undefinedLength,
      encoding,
    );
    let hasAnything = false;
    let written = 0;
    for (const item of element.items ?? []) {
      const before = this.#writer.length;
      const inner = this.#decider.enterItem(item, this.#inner(item, element.tag, written, scope));
      if (inner === undefined) {
        this.#did(element.tag, 'removed');
        for (const one of item.elements) this.#remember(one, scope.characterSets, isPrivate(one.tag));
        continue;
      }
      const header = this.#writer.open(TAG.Item, undefined, item.undefinedLength, item.encoding);
      const start = this.#writer.length;
      this.#item(item, inner);
      const isEmpty = this.#writer.length === start;
      // An item that had something and has nothing left is no content item and no code any more.
      if (isEmpty && item.elements.length > 0 && (scope.mode === 'cleaned' || scope.mode === 'content'))
        this.#writer.truncate(before);
      else {
        this.#writer.close(header, TAG.ItemDelimitationItem);
        written += 1;
      }
      hasAnything ||= !isEmpty;
    }
    this.#writer.close(open, TAG.SequenceDelimitationItem, element.encodedVr !== 'UN' && encoding.bigEndian);
    return hasAnything;
  }

  /** @param index - of the item in the output: the verification pass counts there */
  #inner(item: Item, tag: number, index: number, scope: Scope): Scope {
    const own = item.elements.find((element) => element.tag === TAG.SpecificCharacterSet);
    return {
      ...scope,
      characterSets: own === undefined ? scope.characterSets : parseCharacterSets(own.value),
      path: this.#blanked.size === 0 ? '' : `${scope.path}${hexOf(tag)}/${index}/`,
      sequences: `${scope.sequences}${keywordOf(tag) ?? ''}/`,
      isTopLevel: false,
    };
  }

  #marker(tag: number, existing: Element | undefined, encoding: Encoding, scope: Scope): void {
    const { plan } = this.#plan;
    const change = this.#changes.get(tag);
    if (change !== undefined) {
      if (change.value !== undefined) this.#writer.element(tag, change.vr, change.value, encoding);
      return;
    }
    if (tag === TAG.PatientIdentityRemoved) this.#writer.element(tag, 'CS', 'YES', encoding);
    else if (tag === TAG.LongitudinalTemporalInformationModified)
      this.#writer.element(tag, 'CS', temporalInformation(plan), encoding);
    else if (tag === TAG.DeidentificationMethod) {
      const isTainted = this.#blanked.has(hexOf(tag));
      if (isTainted) this.#did(tag, 'blanked');
      this.#writer.element(tag, 'LO', methodBytes(plan, isTainted ? undefined : existing?.value), encoding);
    } else {
      const open = this.#writer.open(tag, encoding.explicit ? 'SQ' : undefined, false, encoding);
      (existing?.items ?? []).forEach((item, index) => {
        const header = this.#writer.open(TAG.Item, undefined, item.undefinedLength, item.encoding);
        this.#item(item, this.#inner(item, tag, index, scope));
        this.#writer.close(header, TAG.ItemDelimitationItem);
      });
      writeMethodCodes(this.#writer, plan, existingCodes(existing), encoding);
      this.#writer.close(open, TAG.SequenceDelimitationItem);
    }
  }

  /** Takes a value that does not go into the output into what the output is searched for. */
  #remember(element: Element, characterSets: readonly string[], isPrivateElement: boolean): void {
    if (element.items !== undefined) {
      for (const item of element.items) {
        const own = item.elements.find(({ tag }) => tag === TAG.SpecificCharacterSet);
        const sets = own === undefined ? characterSets : parseCharacterSets(own.value);
        for (const inner of item.elements) this.#remember(inner, sets, isPrivateElement || isPrivate(inner.tag));
      }
      return;
    }
    // Private texts repeat harmless public ones (coil and sequence names); people's names are no such.
    if (isPrivateElement && element.vr !== 'PN') return;
    const row = this.#plan.action(element.tag);
    if (element.vr === 'UI') {
      // A UID that may stay is no secret where it stands once more.
      if (this.#plan.has('retain-uids')) return;
      for (const uid of uidValues(element.value))
        if (isInstanceUid(element.tag, uid)) this.#removed.push(this.#memory.spelled.ofUid(uid));
      return;
    }
    const isDate = DATES.has(element.vr);
    if (isDate && row?.action === 'K') return;
    // What the table does not call identifying (codes and their meanings in a sequence that goes) is met elsewhere too.
    const isListed = row !== undefined && (element.vr !== 'CS' || row.role === 'identifier');
    if (element.vr !== 'PN' && !isDate && !isListed) return;
    const secret = this.#memory.spelled.of(element.vr, element.value, characterSets, row?.role);
    if (secret !== undefined) this.#removed.push(secret);
  }

  #did(tag: number, action: ActionDone): void {
    this.#deeds.push({ tag, action });
  }
}

/** What stays leads back, too: to itself. */
function noteKept(element: Element, mapped: Mapped): void {
  for (const uid of uidValues(element.value)) if (isInstanceUid(element.tag, uid)) mapped.uid(uid, uid);
}

/** The VR a replaced value is written with: what was sent as UN is written as what it is. */
function writableVr(element: Element): string {
  return element.encodedVr === undefined || element.encodedVr === 'UN' ? element.vr : element.encodedVr;
}
