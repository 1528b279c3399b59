/**
 * Writes the header of a returned object anew: UIDs, dates and identifiers that were given to the partner become those of
 * the original, patient and study are those of the original, and who returned it is added. Everything else is copied.
 */
import { decodeText, parseCharacterSets } from '../../core/dicom/character-sets.ts';
import { DataSet, parseDataSet } from '../../core/dicom/data-set.ts';
import type { Element, Encoding, Item } from '../../core/dicom/element.ts';
import { IMPLEMENTATION_VERSION_NAME, type Part10Header } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { toLittleEndian } from '../../core/dicom/to-explicit.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { withoutPadding } from '../../core/padding.ts';
import { isOfPatientOrStudy } from '../crosswalk/patient-and-study.ts';
import { ByteWriter } from '../deidentify/byte-writer.ts';
import { shiftDate, shiftDateTime } from '../deidentify/dates.ts';
import { uidValues } from '../deidentify/value-rules.ts';
import { characterSetOf, hasOwnSet, inUtf8, isAscii, type TextMode, textModeOf } from './character-set.ts';
import { equipmentItems, type EquipmentElement } from './equipment.ts';
import type { WayBack } from './way-back.ts';

/** Which elsewhere than at the top say whose it is. */
const IDENTIFIERS: ReadonlySet<number> = new Set([TAG.PatientID, TAG.AccessionNumber, TAG.StudyID]);

/** @param partner - who returned it @returns the data set up to the pixel data, in the encoding of the object */
export function restoreHeader(header: Part10Header, wayBack: WayBack, partner: string): Uint8Array {
  return new Restorer(header, wayBack, partner).run();
}

class Restorer {
  readonly #header: Part10Header;
  readonly #wayBack: WayBack;
  readonly #partner: string;
  readonly #writer: ByteWriter;
  readonly #original: DataSet;
  readonly #mode: TextMode;

  constructor(header: Part10Header, wayBack: WayBack, partner: string) {
    this.#header = header;
    this.#wayBack = wayBack;
    this.#partner = partner;
    this.#writer = new ByteWriter(header.end + wayBack.study.attributes.length);
    const attributes = Buffer.from(wayBack.study.attributes, 'base64');
    this.#original = parseDataSet(attributes, EXPLICIT_VR_LITTLE_ENDIAN);
    this.#mode = textModeOf(header.dataSet, this.#original, wayBack.texts.values());
  }

  run(): Uint8Array {
    const { item, characterSets } = this.#header.dataSet;
    const { encoding } = item;
    const set = characterSetOf(this.#mode, this.#original);
    const inserts = new Map<number, (existing: Element | undefined) => void>();
    for (const element of this.#original.item.elements)
      if (isOfPatientOrStudy(element.tag)) inserts.set(element.tag, () => this.#put(element, encoding, this.#original));
    if (set !== undefined)
      inserts.set(TAG.SpecificCharacterSet, () => this.#writer.element(TAG.SpecificCharacterSet, 'CS', set, encoding));
    inserts.set(TAG.ContributingEquipmentSequence, (existing) => this.#equipment(existing, encoding, characterSets));
    const pending = [...inserts.keys()].toSorted((one, other) => one - other);
    for (const element of item.elements) {
      while (pending[0] !== undefined && pending[0] < element.tag) inserts.get(pending.shift() ?? 0)?.(undefined);
      if (pending[0] === element.tag) inserts.get(pending.shift() ?? 0)?.(element);
      else if (!inserts.has(element.tag) && !isOfPatientOrStudy(element.tag))
        this.#element(element, encoding, characterSets, true);
    }
    for (const tag of pending) inserts.get(tag)?.(undefined);
    return this.#writer.written();
  }

  #item(item: Item, characterSets: readonly string[]): void {
    const own = item.elements.find(({ tag }) => tag === TAG.SpecificCharacterSet);
    const sets = own === undefined ? characterSets : parseCharacterSets(own.value);
    for (const element of item.elements) this.#element(element, item.encoding, sets, own === undefined);
  }

  /** @param isInherited - its text is read as that of the data set around it */
  #element(element: Element, encoding: Encoding, characterSets: readonly string[], isInherited: boolean): void {
    const { tag, items } = element;
    // Group lengths are wrong now (PS3.5 Section 7.2), and so are signatures.
    if ((tag & 0xffff) === 0 || tag === TAG.DigitalSignaturesSequence) return;
    if (items !== undefined) {
      const { explicit } = encoding;
      const vr = explicit ? (element.encodedVr ?? 'SQ') : undefined;
      const open = this.#writer.open(tag, vr, element.undefinedLength, encoding);
      for (const item of items) this.#copyItem(item, characterSets);
      this.#writer.close(open, TAG.SequenceDelimitationItem, element.encodedVr !== 'UN' && encoding.bigEndian);
      return;
    }
    const value = this.#restored(element, characterSets, isInherited);
    if (value === undefined) this.#writer.bytes(this.#header.bytes.subarray(element.start, element.end));
    else this.#writer.element(tag, writableVr(element), value, encoding);
  }

  #copyItem(item: Item, characterSets: readonly string[]): void {
    const open = this.#writer.open(TAG.Item, undefined, item.undefinedLength, item.encoding);
    this.#item(item, characterSets);
    this.#writer.close(open, TAG.ItemDelimitationItem);
  }

  /** Undefined: as it is. */
  #restored(
    { tag, vr, value }: Element,
    characterSets: readonly string[],
    isInherited: boolean,
  ): string | Uint8Array | undefined {
    if (value.length === 0) return undefined;
    if (vr === 'UI') return this.#uids(value);
    if (vr === 'DA' || vr === 'DT') return this.#dates(vr, value);
    if (IDENTIFIERS.has(tag) || tag === TAG.PatientName) {
      const restored = this.#identifier(tag, withoutPadding(decodeText(value, characterSets)), isInherited);
      if (restored !== undefined) return restored;
    }
    if (this.#mode !== 'utf-8' || !isInherited) return undefined;
    const text = inUtf8(vr, value, characterSets);
    return text === value ? undefined : text;
  }

  #uids(value: Uint8Array): string | undefined {
    const uids = uidValues(value);
    const { originals } = this.#wayBack;
    if (!uids.some((uid) => (originals.get(uid) ?? uid) !== uid)) return undefined;
    return uids.map((uid) => originals.get(uid) ?? uid).join('\\');
  }

  /** Dates that the partner was given move back; its own, when it made the object, are as they are. */
  #dates(vr: 'DA' | 'DT', value: Uint8Array): string | undefined {
    const { days } = this.#wayBack;
    if (days.size === 0) return undefined;
    const shift = vr === 'DA' ? shiftDate : shiftDateTime;
    const values = withoutPadding(Buffer.from(value).toString('latin1')).split('\\');
    const moved = values.map((one) => {
      const by = days.get(one.trim().replaceAll('.', '').slice(0, 8));
      return by === undefined ? one : shift(one, by) || one;
    });
    return moved.every((one, index) => one === values[index]) ? undefined : moved.join('\\');
  }

  #identifier(tag: number, text: string, isInherited: boolean): string | Uint8Array | undefined {
    const { texts } = this.#wayBack;
    if (tag === TAG.PatientName) {
      // The released name is a pseudonym of the ID; the name itself stands with the patient.
      if (!texts.has(text)) return undefined;
      const name = this.#original.element(TAG.PatientName);
      const bytes = name === undefined ? new Uint8Array(0) : this.#textOfOriginal('PN', name.value, this.#original);
      return isInherited || isAscii(Buffer.from(bytes).toString('latin1')) ? bytes : '';
    }
    const original = texts.get(text);
    return original === undefined ? undefined : Buffer.from(original, 'utf8');
  }

  #textOfOriginal(vr: string, value: Uint8Array, { characterSets }: DataSet): Uint8Array {
    return this.#mode === 'utf-8' ? inUtf8(vr, value, characterSets) : value;
  }

  /** An element of the original, in the encoding of the object. */
  #put(element: Element, encoding: Encoding, within: DataSet): void {
    const { tag, vr, items } = element;
    if (items === undefined) {
      const text = this.#textOfOriginal(vr, element.value, within);
      const value = toLittleEndian(vr, Buffer.from(text), encoding.bigEndian);
      this.#writer.element(tag, vr, value, encoding);
      return;
    }
    const open = this.#writer.open(tag, encoding.explicit ? 'SQ' : undefined, false, encoding);
    for (const item of items) {
      const inner = new DataSet(item, within.characterSets);
      const isOwn = hasOwnSet(item);
      const header = this.#writer.open(TAG.Item, undefined, false, encoding);
      for (const each of item.elements)
        if (isOwn && each.items === undefined)
          this.#writer.element(
            each.tag,
            each.vr,
            toLittleEndian(each.vr, Buffer.from(each.value), encoding.bigEndian),
            encoding,
          );
        else this.#put(each, encoding, inner);
      this.#writer.close(header, TAG.ItemDelimitationItem);
    }
    this.#writer.close(open, TAG.SequenceDelimitationItem);
  }

  #equipment(existing: Element | undefined, encoding: Encoding, characterSets: readonly string[]): void {
    const open = this.#writer.open(
      TAG.ContributingEquipmentSequence,
      encoding.explicit ? 'SQ' : undefined,
      false,
      encoding,
    );
    for (const item of existing?.items ?? []) this.#copyItem(item, characterSets);
    for (const elements of equipmentItems(this.#partner, IMPLEMENTATION_VERSION_NAME)) this.#own(elements, encoding);
    this.#writer.close(open, TAG.SequenceDelimitationItem);
  }

  #own(elements: readonly EquipmentElement[], encoding: Encoding): void {
    const header = this.#writer.open(TAG.Item, undefined, false, encoding);
    for (const { tag, vr, value } of elements)
      if (typeof value === 'string') this.#writer.element(tag, vr, value, encoding);
      else {
        const open = this.#writer.open(tag, encoding.explicit ? vr : undefined, false, encoding);
        for (const inner of value) this.#own(inner, encoding);
        this.#writer.close(open, TAG.SequenceDelimitationItem);
      }
    this.#writer.close(header, TAG.ItemDelimitationItem);
  }
}

/** The VR a replaced value is written with: what was sent as UN is written as what it is. */
function writableVr(element: Element): string {
  return element.encodedVr === undefined || element.encodedVr === 'UN' ? element.vr : element.encodedVr;
}
