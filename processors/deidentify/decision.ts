/** What becomes of one element: the table's action, or a rule by kind, in the order in which they bind. */
import { decodeText, latin1 } from '../../core/dicom/character-sets.ts';
import { isPrivate, keywordOf, lookup } from '../../core/dicom/dictionary.ts';
import type { Element, Item } from '../../core/dicom/element.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { isKnownVr } from '../../core/dicom/walker.ts';
import { withoutPadding } from '../../core/padding.ts';
import { iodOf, ONLY_WITH, resolveCode } from './attribute-types.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import { contentAction, hasReferencesByPlace } from './content-items.ts';
import type { ContentAction } from './content-items.ts';
import { CLEANED_VRS, cleanedText, isPublicCode } from './descriptions.ts';
import { blankFor, dummyFor } from './dummies.ts';
import { isCurveOrOverlay, keptGraphics } from './graphics.ts';
import type { PlannedRow } from './plan.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { ownTokensOf } from './own-tokens.ts';
import { isSafeWord, tokensOf } from './safe-words.ts';
import { hexOf } from './scope.ts';
import type { Decision, ElementPath, Mode, Scope } from './scope.ts';
import { isInstanceUid, shiftedValue, uidValues } from './value-rules.ts';

const KEEP: Decision = { kind: 'keep' };
const REMOVE: Decision = { kind: 'drop', done: 'removed' };
const EMPTY: Decision = { kind: 'value', value: '', done: 'emptied' };

const HAS_CODES: ReadonlySet<Mode> = new Set(['cleaned', 'content'] as const);
/** Where the value of a content item stands (PS3.3 Table C.17.3-7). */
const CONTENT_VALUES = new Set<number>([TAG.TextValue, TAG.PersonName, TAG.Date, TAG.Time, TAG.DateTime, TAG.UID]);

/** Table E.1-1 has no row for the value of a text; Table E.3.4-1 speaks of it. */
const TEXT_VALUE: PlannedRow = {
  tag: TAG.TextValue,
  keyword: 'TextValue',
  action: 'D',
  basic: 'D',
  vrs: ['UT'],
  role: 'description',
  isOfTable: true,
};

/** Decides for one instance: its IOD, its patient, and what the verification pass wants gone are given. */
export class Decider {
  readonly #plan: CompiledPlan;
  readonly #pseudonyms: Pseudonyms;
  readonly #blanked: ReadonlySet<ElementPath>;
  readonly #iod: number | undefined;
  readonly #isOfAnimal: boolean;
  readonly #patientPseudonym: string;
  readonly #shiftDays: number;
  readonly #ownTokens: ReadonlySet<string>;
  readonly #graphics: ReadonlySet<number>;
  readonly #hasReferencesByPlace: boolean;

  constructor(
    { dataSet }: Part10Header,
    plan: CompiledPlan,
    pseudonyms: Pseudonyms,
    blanked: ReadonlySet<ElementPath>,
  ) {
    this.#plan = plan;
    this.#pseudonyms = pseudonyms;
    this.#blanked = blanked;
    this.#iod = iodOf(dataSet.string('SOPClassUID') ?? '');
    this.#isOfAnimal = dataSet.has('PatientSpeciesDescription') || dataSet.has('PatientSpeciesCodeSequence');
    const issuer = dataSet.string('IssuerOfPatientID') ?? '';
    const id = dataSet.string('PatientID') ?? '';
    this.#patientPseudonym = pseudonyms.patientId(issuer, id);
    this.#shiftDays = pseudonyms.shiftDays(issuer, id);
    this.#ownTokens = ownTokensOf(dataSet, plan);
    this.#graphics = plan.has('clean-graphics') ? keptGraphics(dataSet.item) : new Set();
    this.#hasReferencesByPlace = plan.has('clean-structured-content') && hasReferencesByPlace(dataSet.item);
  }

  /** All that a decision is a matter of, besides the plan, the element itself, and what is to be blanked. */
  get circumstances(): string {
    return JSON.stringify([
      ...[this.#iod, this.#isOfAnimal, this.#patientPseudonym, this.#shiftDays, this.#hasReferencesByPlace],
      ...[[...this.#ownTokens], [...this.#graphics]],
    ]);
  }

  /** @param privateName - of a private element that may stay; empty for the creator of its block */
  decide(element: Element, scope: Scope, privateName: string | undefined): Decision {
    const { tag } = element;
    // Group lengths are retired and wrong once the group changes (PS3.5 Section 7.2).
    if ((tag & 0xffff) === 0) return { kind: 'drop', done: undefined };
    if (isPrivate(tag)) return this.#decidePrivate(element, scope, privateName);
    const row = this.#plan.action(tag);
    if (scope.content !== undefined && CONTENT_VALUES.has(tag))
      return this.#contentValue(element, row ?? TEXT_VALUE, scope, scope.content);
    if (row?.isOfTable === false && this.#isBlanked(element, scope)) return blanked(element);
    if (row !== undefined) return this.#listed(element, row, scope);
    if (isCurveOrOverlay(tag)) return scope.isTopLevel && this.#graphics.has(tag) ? KEEP : REMOVE;
    if (tag >>> 16 >= 0xfffa) return REMOVE;
    // Pictures in items: nothing was looked at there, and no IOD has any but icons.
    if (tag >>> 16 === 0x7fe0 && !scope.isTopLevel && !scope.sequences.endsWith('IconImageSequence/')) return REMOVE;
    // Command, file meta and directory groups have no place in a data set.
    if (tag >>> 16 <= 0x0006) return REMOVE;
    return this.#isBlanked(element, scope) ? blanked(element) : this.#unlisted(element, scope);
  }

  #isBlanked({ tag }: Element, { path }: Scope): boolean {
    return this.#blanked.size > 0 && this.#blanked.has(path + hexOf(tag));
  }

  /** The scope of one item of a sequence that is entered; `undefined` when the item goes. */
  enterItem(item: Item, inner: Scope): Scope | undefined {
    const scope = { ...inner, content: undefined, isPublicCode: HAS_CODES.has(inner.mode) && isPublicCode(item) };
    if (inner.mode !== 'content') return scope;
    const content = contentAction(item, this.#plan);
    if (content !== 'remove') return { ...scope, content };
    return this.#hasReferencesByPlace ? { ...scope, mode: 'replaced' } : undefined;
  }

  #decidePrivate(element: Element, scope: Scope, name: string | undefined): Decision {
    if (name === undefined || scope.mode === 'replaced' || this.#blanked.has(scope.path + hexOf(element.tag)))
      return { kind: 'drop', done: 'private-removed' };
    return element.items === undefined ? KEEP : { kind: 'enter', mode: scope.mode };
  }

  #listed(element: Element, row: PlannedRow, scope: Scope): Decision {
    if (scope.mode === 'graphics' && element.tag === TAG.UnformattedTextValue)
      return this.#clean(element, scope) ?? this.#basic(element, row, scope);
    switch (row.action) {
      case 'shift':
        return this.#shift(element) ?? this.#basic(element, row, scope);
      case 'descriptor':
        return this.#clean(element, scope, this.#basic(element, row, scope)) ?? this.#basic(element, row, scope);
      case 'graphics':
      case 'content':
        return element.items === undefined
          ? this.#basic(element, row, scope)
          : { kind: 'enter', mode: row.action, orElse: row.basic === 'Z' ? EMPTY : REMOVE };
      case 'K':
        return this.#retain(element, row, scope);
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

  /** Kept is what is of its attribute's VR: what was sent with another one is not what the table speaks of. */
  #retain(element: Element, row: PlannedRow, scope: Scope): Decision {
    if (element.items !== undefined) return { kind: 'enter', mode: scope.mode };
    if (element.vr === 'UN') return REMOVE;
    const isStated = element.encodedVr === undefined || element.encodedVr === 'UN' || row.vrs.includes(element.vr);
    return isStated || row.basic === 'K' ? KEEP : this.#basic(element, row, scope);
  }

  #contentValue(element: Element, row: PlannedRow, scope: Scope, content: ContentAction): Decision {
    const basic = () => this.#basic(element, row, scope);
    if (element.tag === TAG.UID) return this.#plan.has('retain-uids') ? KEEP : this.#newUids(element);
    switch (content) {
      case 'keep':
        return this.#isBlanked(element, scope) ? blanked(element) : this.#retain(element, row, scope);
      case 'clean':
        return this.#clean(element, scope) ?? basic();
      case 'shift':
        return this.#shift(element) ?? basic();
      case 'replace':
      case 'remove':
        return basic();
      default:
        return content satisfies never;
    }
  }

  #basic(element: Element, row: PlannedRow, scope: Scope): Decision {
    const isEmpty = element.items === undefined ? element.value.length === 0 : element.items.length === 0;
    const code = resolveCode(row.basic, row.keyword, {
      iod: this.#iod,
      sequences: scope.sequences,
      isOfAnimal: this.#isOfAnimal,
      isEmpty,
    });
    if (code === 'X' || code === 'C') return REMOVE;
    if (code === 'K') return this.#retain(element, row, scope);
    // What cannot be read as its VR cannot be replaced by a value of it.
    if (element.vr === 'UN' && row.keyword !== 'SelectorUNValue') return REMOVE;
    if (element.items !== undefined) {
      if (code === 'Z') return isEmpty ? KEEP : EMPTY;
      return { kind: 'enter', mode: code === 'U' ? scope.mode : 'replaced' };
    }
    if (element.vr === 'UI' || (code === 'U' && row.vrs.includes('UI'))) return this.#newUids(element);
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
    if (element.vr === 'TM' || element.vr === 'SH') return KEEP;
    this.#pseudonyms.mapped?.shifted(element.value, this.#shiftDays);
    return { kind: 'value', value, done: 'shifted' };
  }

  /** @param orElse - what becomes of a sequence that has nothing harmless in it */
  #clean(element: Element, scope: Scope, orElse: Decision = REMOVE): Decision | undefined {
    if (element.items !== undefined) return { kind: 'enter', mode: 'cleaned', orElse };
    if (!CLEANED_VRS.has(element.vr)) return undefined;
    const text = withoutPadding(decodeText(element.value, scope.characterSets));
    const cleaned = cleanedText(text, this.#ownTokens, element.vr);
    if (cleaned === '') return undefined;
    return cleaned === text ? KEEP : { kind: 'value', value: cleaned, done: 'cleaned' };
  }

  #unlisted(element: Element, scope: Scope): Decision {
    const { vr, value } = element;
    if (this.#hasLostItsCondition(element.tag)) return REMOVE;
    if (element.items !== undefined)
      return scope.mode === 'cleaned'
        ? { kind: 'enter', mode: 'cleaned', orElse: REMOVE }
        : { kind: 'enter', mode: scope.mode };
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
        return this.#inMode(element, scope);
      case 'CS':
      case 'DS':
      case 'IS':
      case 'OW':
        return this.#inMode(element, scope);
      case 'OD':
      case 'OF':
      case 'OL':
      case 'OV':
        // Bytes that nobody looks at as text, in a sequence of which nothing is to be read.
        return value.length > 0 && (scope.mode === 'replaced' || scope.mode === 'cleaned') ? EMPTY : KEEP;
      default:
        return isKnownVr(vr) ? KEEP : REMOVE;
    }
  }

  /** Of text and numbers: what the sequence around them leaves of them. */
  #inMode(element: Element, scope: Scope): Decision {
    const { vr, value } = element;
    if (value.length === 0) return KEEP;
    switch (scope.mode) {
      case 'replaced':
        // Codes such as Value Type hold a structure together; what is no word of the standard goes.
        if (vr !== 'CS') return this.#replaced(element);
        return isCodeOfStructure(latin1(value)) || isTemplate(element) ? KEEP : this.#replaced(element);
      case 'cleaned':
        if (scope.isPublicCode || vr === 'DS' || vr === 'IS') return KEEP;
        return this.#clean(element, scope) ?? REMOVE;
      case 'content':
        // What a code of nobody else's scheme means is a text that somebody wrote.
        if (element.tag !== TAG.CodeMeaning || scope.isPublicCode) return KEEP;
        return this.#clean(element, scope) ?? this.#replaced(element);
      case 'open':
      case 'graphics':
        return KEEP;
      default:
        return scope.mode satisfies never;
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

/** `CONTAINER`, `Y`, `LAYER1`: words of the standard, a letter, and a number behind a word. */
function isCodeOfStructure(value: string): boolean {
  const tokens = tokensOf(value);
  return tokens.length > 0 && tokens.every((token) => token.length === 1 || isSafeWord(token.replace(/\d{1,2}$/, '')));
}

/** Template Identifier (0040,DB00): the number of a template of PS3.16, which demands its sequence. */
function isTemplate({ tag, value }: Element): boolean {
  return tag === TAG.TemplateIdentifier && /^\d{1,5}[ \0]?$/.test(latin1(value));
}

/** What repeated a removed value. */
function blanked({ vr }: Element): Decision {
  return { kind: 'value', value: blankFor(vr), done: 'blanked' };
}
