/** The UIDs of a returned object: what it is, what it refers to, and what else it names. */
import { latin1 } from '../../core/dicom/character-sets.ts';
import { DataSet } from '../../core/dicom/data-set.ts';
import { keywordOf } from '../../core/dicom/dictionary.ts';
import type { Element, Item } from '../../core/dicom/element.ts';
import { TAG } from '../../core/dicom/tags.ts';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
} from '../../core/identifiers.ts';
import { withoutTrailingPadding } from '../../core/padding.ts';
import { isInstanceUid, uidValues } from '../deidentify/value-rules.ts';

export interface UidsOfObject {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly patientId: string;
  /** A frame that the object may define itself. */
  readonly ownFrame: string | undefined;
  /** Each must lead back. */
  readonly references: ReadonlySet<string>;
  /** Tracking, device, dimension and other UIDs: those that were given new names lead back, others are the partner's. */
  readonly others: ReadonlySet<string>;
}

/** Names of instances, series, studies and frames of reference, whatever role they have. */
const REFERENCE = /(?:SOPInstanceUID|SOPInstanceUIDInFile|SeriesInstanceUID|StudyInstanceUID|FrameOfReferenceUID)$/;
/** A clock or a machine, no place in a patient. */
const NO_REFERENCE: ReadonlySet<string> = new Set([
  'SynchronizationFrameOfReferenceUID',
  'EquipmentFrameOfReferenceUID',
]);
/** Concepts of PS3.16 whose UID is a reference: Study, Series Instance UID, Frame of Reference UID, Procedure Study Instance UID. */
const REFERENCE_CONCEPTS: ReadonlySet<string> = new Set(['110180', '112002', '112227', '121018']);
/** They lie in a frame of their images and cannot define one: Segmentation, Label Map Segmentation, RT Structure Set. */
const WITHIN_A_FRAME: ReadonlySet<string> = new Set([
  '1.2.840.10008.5.1.4.1.1.66.4',
  '1.2.840.10008.5.1.4.1.1.66.7',
  '1.2.840.10008.5.1.4.1.1.481.3',
]);
const OWN: ReadonlySet<number> = new Set([TAG.StudyInstanceUID, TAG.SeriesInstanceUID, TAG.SOPInstanceUID]);

/** @throws {HubError} `dataset.uid-missing`, `dataset.uid-invalid` */
export function uidsOfObject(dataSet: DataSet): UidsOfObject {
  const sopClassUid = parseSopClassUid(dataSet.string('SOPClassUID'));
  const mayDefineFrame = !WITHIN_A_FRAME.has(sopClassUid);
  const references = new Set<string>();
  const others = new Set<string>();
  let ownFrame: string | undefined;
  const visit = (item: Item, isTopLevel: boolean): void => {
    for (const element of item.elements) {
      for (const inner of element.items ?? []) visit(inner, false);
      if (element.vr !== 'UI' || (isTopLevel && OWN.has(element.tag))) continue;
      for (const uid of uidValues(element.value)) {
        if (!isInstanceUid(element.tag, uid)) continue;
        if (isTopLevel && element.tag === TAG.FrameOfReferenceUID && mayDefineFrame) ownFrame = uid;
        else if (isReference(element, item)) references.add(uid);
        else others.add(uid);
      }
    }
  };
  visit(dataSet.item, true);
  return {
    studyInstanceUid: parseStudyInstanceUid(dataSet.string('StudyInstanceUID')),
    seriesInstanceUid: parseSeriesInstanceUid(dataSet.string('SeriesInstanceUID')),
    sopInstanceUid: parseSopInstanceUid(dataSet.string('SOPInstanceUID')),
    sopClassUid,
    patientId: dataSet.string('PatientID') ?? '',
    ownFrame,
    references,
    others,
  };
}

function isReference({ tag }: Element, item: Item): boolean {
  if (tag === TAG.UID) return REFERENCE_CONCEPTS.has(conceptOf(item));
  const keyword = keywordOf(tag) ?? '';
  return REFERENCE.test(keyword) && !NO_REFERENCE.has(keyword);
}

/** Code of the concept name of a content item, of the scheme DCM. */
function conceptOf(item: Item): string {
  const [concept] = item.elements.find(({ tag }) => tag === TAG.ConceptNameCodeSequence)?.items ?? [];
  const text = (wanted: number) => {
    const found = concept?.elements.find(({ tag }) => tag === wanted);
    return found === undefined ? '' : withoutTrailingPadding(latin1(found.value));
  };
  return text(TAG.CodingSchemeDesignator) === 'DCM' ? text(TAG.CodeValue) : '';
}
