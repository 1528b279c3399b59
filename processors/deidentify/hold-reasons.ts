/** What is held without looking further: content whose pixels or documents may name the patient (PS3.15 Section E.3.1). */
import { isPrivate } from '../../core/dicom/dictionary.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import type { Plan } from './plan.ts';

/** Storage SOP classes that are processed without being named in the policy (PS3.4 Table B.5-1). */
const STORAGE = '1.2.840.10008.5.1.4.1.1.';
const TRUSTED_CLASSES = new Set(
  [
    ...['1', '1.1', '1.1.1', '1.2', '1.2.1', '1.3', '1.3.1'], // CR, DX, mammography, intra-oral
    ...['2', '2.1', '2.2', '4', '4.1', '4.2', '4.3', '4.4'], // CT, MR, spectroscopy, legacy converted
    ...['11.1', '11.2', '11.3', '11.4', '11.8'], // presentation states
    ...['12.1', '12.1.1', '12.2', '12.2.1', '13.1.1', '13.1.2', '13.1.3'], // XA, RF, 3D X-ray
    ...['20', '30', '66.1', '66.2', '66.3', '66.4', '66.5', '66.7', '67', '68.1', '68.2'], // NM, registrations, SEG
    ...['88.11', '88.22', '88.33', '88.34', '88.59', '88.67'], // SR, key objects, dose report
    ...['128', '128.1', '130'], // PET
    ...['481.1', '481.2', '481.3', '481.4', '481.5', '481.8'], // radiotherapy
  ].map((suffix) => STORAGE + suffix),
);
const SECONDARY_CAPTURE = new Set(['7', '7.1', '7.2', '7.3', '7.4'].map((suffix) => STORAGE + suffix));
const DOCUMENT_PREFIX = `${STORAGE}104.`;
/** MPEG-2, H.264, HEVC: PS3.5 Section A.4.8 to A.4.11. */
const VIDEO_SYNTAX = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/;
const SCREEN_SAVE = /SCREEN|SECONDARY CAPTURE|REPORT|PROOF SHEET|PATIENT_PROTOCOL/;

/** Why an instance cannot be released, in fixed words; `undefined` when nothing speaks against it. */
export function holdReason(header: Part10Header, plan: Plan): string | undefined {
  const { dataSet } = header;
  const sopClassUid = dataSet.string('SOPClassUID');
  if (sopClassUid === undefined) return 'no SOP class';
  for (const keyword of ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID'])
    if (dataSet.string(keyword) === undefined) return `no ${keyword}`;
  if (dataSet.string('PatientID') === undefined)
    return 'no patient ID: instances of one patient cannot be told from others';
  if (dataSet.string('BurnedInAnnotation')?.toUpperCase() === 'YES') return 'burned-in annotation';
  if (hasEmbeddedOverlay(header)) return 'an overlay inside the pixel data';
  if (VIDEO_SYNTAX.test(header.transferSyntaxUid)) return 'video';
  if (plan.classes.includes(sopClassUid)) return undefined;
  if (SECONDARY_CAPTURE.has(sopClassUid)) return 'secondary capture';
  if (sopClassUid.startsWith(DOCUMENT_PREFIX) || dataSet.has('EncapsulatedDocument')) return 'encapsulated document';
  if (!TRUSTED_CLASSES.has(sopClassUid)) return 'SOP class is not one the policy names';
  if (dataSet.string('ConversionType') !== undefined) return 'converted from another source';
  if (dataSet.string('Modality') === 'OT') return 'modality OT';
  if (dataSet.strings('ImageType').some((value) => SCREEN_SAVE.test(value.toUpperCase()))) return 'screen save';
  return undefined;
}

/** Overlay without Overlay Data: its bits stand in unused bits of the pixels (PS3.5 Section 8.1.2, retired). */
function hasEmbeddedOverlay({ dataSet }: Part10Header): boolean {
  return dataSet.item.elements.some(({ tag }) => {
    const isOverlay = tag >>> 24 === 0x60 && !isPrivate(tag) && (tag & 0xffff) === (TAG.OverlayRows & 0xffff);
    return isOverlay && dataSet.element(((tag & 0xffff0000) | (TAG.OverlayData & 0xffff)) >>> 0) === undefined;
  });
}
