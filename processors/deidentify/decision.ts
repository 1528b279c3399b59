/** What becomes of one element: the table's action, or a rule by kind, in the order in which they bind. */
import { decodeText, latin1 } from '../../core/dicom/character-sets.ts';
import { isPrivate, keywordOf, lookup } from '../../core/dicom/dictionary.ts';
import type { Element } from '../../core/dicom/element.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { withoutPadding } from '../../core/padding.ts';
import { iodKindOf, ONLY_WITH, resolveCode } from './attribute-types.ts';
import type { IodKind } from './attribute-types.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { blankFor, dummyFor } from './dummies.ts';
import type { PlannedRow } from './plan.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { tokensOf } from './safe-words.ts';
import type { ActionDone } from './tally.ts';
import { cleanedText, isInstanceUid, shiftedValue, uidValues } from './value-rules.ts';

/** Identifies an element by its place: `00400275/0/00080050`. */
export type ElementPath = string;

/** Where in the data set the walk is. */
export interface Scope {
  readonly characterSets: readonly string[];
  readonly path: ElementPath;
  readonly isTopLevel: boolean;
  /** Inside a sequence that is replaced: its structure stays, none of its texts and numbers do. */
  readonly isReplaced: boolean;
}

/** What to do with one element: its bytes, its items, nothing, or another value. */
export type Decision =
  | { readonly kind: 'keep' | 'enter' | 'replace-items' }
  | { readonly kind: 'drop'; readonly done: ActionDone | undefined }
  | { readonly kind: 'value'; readonly value: string | Uint8Array; readonly done: ActionDone };

const KEEP: Decision = { kind: 'keep' };
const ENTER: Decision = { kind: 'enter' };
const REMOVE: Decision = { kind: 'drop', done: 'removed' };
const EMPTY: Decision = { kind: 'value', value: '', done: 'emptied' };

/** PS3.15 Table E.1-1 rows with masks: curves 50xx and overlays 60xx, whole groups, so that no half module stays. */
function isCurveOrOverlay(tag: number): boolean {
  const family = tag >>> 24;
  return family === 0x50 || family === 0x60;
}

/** Decides for one instance: its IOD, its patient, and what the verification pass wants gone are given. */
export class Decider {
  readonly #plan: CompiledPlan;
  readonly #pseudonyms: Pseudonyms;
  readonly #blanked: ReadonlySet<ElementPath>;
  readonly #iod: IodKind | undefined;
  readonly #isOfAnimal: boolean;
  readonly #patientPseudonym: string;
  readonly #shiftDays: number;
  readonly #ownTokens: ReadonlySet<string>;

  constructor(
    { dataSet }: Part10Header,
    plan: CompiledPlan,
    pseudonyms: Pseudonyms,
    blanked: ReadonlySet<ElementPath>,
  ) {
    this.#plan = plan;
    this.#pseudonyms = pseudonyms;
    this.#blanked = blanked;
    this.#iod = iodKindOf(dataSet.string('SOPClassUID') ?? '');
    this.#isOfAnimal = dataSet.has('PatientSpeciesDescription') || dataSet.has('PatientSpeciesCodeSequence');
    const issuer = dataSet.string('IssuerOfPatientID') ?? '';
    const id = dataSet.string('PatientID') ?? '';
    this.#patientPseudonym = pseudonyms.patientId(issuer, id);
    this.#shiftDays = pseudonyms.shiftDays(issuer, id);
    this.#ownTokens = new Set(
      ['PatientName', 'PatientID', 'AccessionNumber', 'ReferringPhysicianName', 'OperatorsName', 'InstitutionName']
        .flatMap((keyword) => dataSet.strings(keyword))
        .flatMap((text) => tokensOf(text)),
    );
  }

  /** @param privateName - of a private element that may stay; empty for the creator of its block */
  decide(element: Element, scope: Scope, privateName: string | undefined): Decision {
    const { tag } = element;
    // Group lengths are retired and wrong once the group changes (PS3.5 Section 7.2).
    if ((tag & 0xffff) === 0) return { kind: 'drop', done: undefined };
    if (isPrivate(tag)) return this.#decidePrivate(element, scope, privateName);
    const row = this.#plan.action(tag);
    if (row !== undefined) return this.#listed(element, row, scope);
    if (isCurveOrOverlay(tag) || tag >>> 16 >= 0xfffa) return REMOVE;
    // Command, file meta and directory groups have no place in a data set.
    if (tag >>> 16 <= 0x0006) return REMOVE;
    if (this.#blanked.size > 0 && this.#blanked.has(scope.path + hexOf(tag)))
      return { kind: 'value', value: blankFor(element.vr), done: 'blanked' };
    return this.#unlisted(element, scope);
  }

  #decidePrivate(element: Element, scope: Scope, name: string | undefined): Decision {
    if (name === undefined || scope.isReplaced || this.#blanked.has(scope.path + hexOf(element.tag)))
      return { kind: 'drop', done: 'private-removed' };
    return element.items === undefined ? KEEP : ENTER;
  }

  #listed(element: Element, row: PlannedRow, scope: Scope): Decision {
    switch (row.action) {
      case 'shift':
        return this.#shift(element) ?? this.#basic(element, row, scope);
      case 'descriptor':
        return this.#clean(element, scope) ?? this.#basic(element, row, scope);
      case 'K':
        return this.#retain(element);
      case 'X':
      case 'Z':
      case 'D':
      case 'U':
      case 'Z/D':
      case 'X/Z':
      case 'X/D':
      case 'X/Z/D':
      case 'X/Z/U*':
        return this.#basic(element, row, scope);
      default:
        return row.action satisfies never;
    }
  }

  #retain(element: Element): Decision {
    if (element.items !== undefined) return ENTER;
    return element.vr === 'UN' ? REMOVE : KEEP;
  }

  #basic(element: Element, row: PlannedRow, scope: Scope): Decision {
    const isEmpty = element.items === undefined ? element.value.length === 0 : element.items.length === 0;
    const isOfAnimal = this.#isOfAnimal;
    const code = resolveCode(row.basic, row.keyword, {
      iod: this.#iod,
      isTopLevel: scope.isTopLevel,
      isOfAnimal,
      isEmpty,
    });
    if (code === 'X' || code === 'C') return REMOVE;
    if (code === 'K') return this.#retain(element);
    // What cannot be read as its VR cannot be replaced by a value of it.
    if (element.vr === 'UN' && row.keyword !== 'SelectorUNValue') return REMOVE;
    if (element.items !== undefined) {
      if (code === 'Z') return isEmpty ? KEEP : EMPTY;
      return code === 'U' ? ENTER : { kind: 'replace-items' };
    }
    if (element.vr === 'UI') return this.#newUids(element);
    const pseudonym = isEmpty ? undefined : this.#pseudonym(element, scope);
    if (pseudonym !== undefined) return { kind: 'value', value: pseudonym, done: 'pseudonym' };
    if (code === 'Z') return isEmpty ? KEEP : EMPTY;
    return { kind: 'value', value: dummyFor(element.vr, row.keyword), done: 'replaced' };
  }

  #pseudonym(element: Element, scope: Scope): string | undefined {
    const text = () => {
      const decoded = decodeText(element.value, scope.characterSets);
      return withoutPadding(decoded);
    };
    switch (element.tag) {
      case TAG.PatientName:
        return this.#patientPseudonym;
      case TAG.PatientID:
        return scope.isTopLevel ? this.#patientPseudonym : this.#pseudonyms.patientId('', text());
      case TAG.AccessionNumber:
        return this.#pseudonyms.accessionNumber(text());
      case TAG.StudyID:
        return this.#pseudonyms.studyId(text());
      default:
        return undefined;
    }
  }

  #newUids(element: Element): Decision {
    const values = uidValues(element.value);
    if (!values.some((uid) => isInstanceUid(element.tag, uid))) return KEEP;
    const renamed = values.map((uid) => (isInstanceUid(element.tag, uid) ? this.#pseudonyms.uid(uid) : uid));
    return { kind: 'value', value: renamed.join('\\'), done: 'new-uid' };
  }

  #shift(element: Element): Decision | undefined {
    if (element.value.length === 0) return KEEP;
    const value = shiftedValue(element.vr, element.value, this.#shiftDays);
    if (value === undefined) return undefined;
    // Time of day and offset stay as they were written.
    return element.vr === 'TM' || element.vr === 'SH' ? KEEP : { kind: 'value', value, done: 'shifted' };
  }

  #clean(element: Element, scope: Scope): Decision | undefined {
    if (element.items !== undefined || element.vr === 'UN') return undefined;
    const text = decodeText(element.value, scope.characterSets);
    const cleaned = cleanedText(text, this.#ownTokens);
    const limit = element.vr === 'SH' || element.vr === 'CS' ? 16 : 64;
    return cleaned === '' ? undefined : { kind: 'value', value: cleaned.slice(0, limit).trim(), done: 'cleaned' };
  }

  #unlisted(element: Element, scope: Scope): Decision {
    const { vr, value } = element;
    if (this.#hasLostItsCondition(element.tag)) return REMOVE;
    if (element.items !== undefined) return ENTER;
    switch (vr) {
      case 'UN':
        return REMOVE;
      case 'PN':
        return value.length === 0 ? KEEP : EMPTY;
      case 'UI':
        return this.#plan.has('retain-uids') ? KEEP : this.#newUids(element);
      case 'DA':
      case 'DT':
      case 'TM':
        return this.#unlistedDate(element);
      case 'LO':
      case 'LT':
      case 'SH':
      case 'ST':
      case 'UC':
      case 'UR':
      case 'UT':
      case 'AE':
      case 'AS':
      case 'OB':
        // An attribute PS3.6 did not have when the dictionary was made cannot be trusted with text.
        if (keywordOf(element.tag) === undefined) return REMOVE;
        return scope.isReplaced && value.length > 0 ? this.#replaced(element) : KEEP;
      case 'DS':
      case 'IS':
      case 'OW':
        return scope.isReplaced && value.length > 0 ? this.#replaced(element) : KEEP;
      case 'OD':
      case 'OF':
      case 'OL':
      case 'OV':
        // Bytes that nobody looks at as text, in a sequence of which nothing is to be read.
        return scope.isReplaced && value.length > 0 ? EMPTY : KEEP;
      case 'CS':
        // Codes such as Value Type hold a structure together; what is no code goes.
        return scope.isReplaced && !/^[A-Z0-9 _\\]*$/.test(latin1(value).replaceAll('\0', ' ')) ? REMOVE : KEEP;
      default:
        return KEEP;
    }
  }

  #hasLostItsCondition(tag: number): boolean {
    const other = ONLY_WITH[keywordOf(tag) ?? ''];
    const row = other === undefined ? undefined : this.#plan.action(lookup(other)?.tag ?? 0);
    return row !== undefined && row.action !== 'K';
  }

  #replaced(element: Element): Decision {
    return { kind: 'value', value: dummyFor(element.vr, ''), done: 'replaced' };
  }

  #unlistedDate(element: Element): Decision {
    if (element.value.length === 0 || this.#plan.has('retain-longitudinal-full-dates')) return KEEP;
    const shifted = this.#plan.has('retain-longitudinal-modified-dates') ? this.#shift(element) : undefined;
    return shifted ?? this.#replaced(element);
  }
}

/** As tags stand in an `ElementPath`. */
export function hexOf(tag: number): string {
  return tag.toString(16).toUpperCase().padStart(8, '0');
}
