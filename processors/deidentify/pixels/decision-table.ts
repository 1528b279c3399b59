/**
 * What may be released, cleaned, or has to be held for what its header says of its pixels: one table, read from the top.
 * Content that may show text or be a document is held by default (PS3.15 Section E.3.1); a policy may name SOP classes,
 * or have pixels cleaned.
 */
import { isPrivate } from '../../../core/dicom/dictionary.ts';
import { MEDIA_STORAGE_DIRECTORY, type Part10Header } from '../../../core/dicom/part10.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import type { PixelPolicy } from './cleaning.ts';
import { headVerdict } from './human-head.ts';

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
/** What a person looks at as a picture, and a text detector can: those above, and ultrasound where a policy names it. */
const PICTURE_CLASSES = new Set(
  [
    ...[...['1', '1.1', '1.1.1', '1.2', '1.2.1', '1.3', '1.3.1', '2', '2.1', '2.2', '4', '4.1', '4.3', '4.4']],
    ...['12.1', '12.1.1', '12.2', '12.2.1', '13.1.1', '13.1.2', '13.1.3', '20', '128', '128.1', '130', '481.1'],
    ...['3.1', '6.1', '6.2', '6.3'],
  ].map((suffix) => STORAGE + suffix),
);
const RAW_DATA = `${STORAGE}66`;
const DOCUMENT_PREFIX = `${STORAGE}104.`;
/** MPEG-2, H.264, HEVC: PS3.5 Section A.4.8 to A.4.11. */
const VIDEO_SYNTAX = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/;
const SCREEN_SAVE = /SCREEN|SECONDARY CAPTURE|REPORT|PROOF SHEET|PATIENT_PROTOCOL/;

/** What takes a row back: nothing, a policy that names the SOP class, pixels that are cleaned of text, or either. */
type Remedy = 'none' | 'class' | 'text' | 'class-or-text';

interface Row {
  /** Fixed words. */
  readonly reason: string;
  readonly remedy: Remedy;
  readonly holds: (header: Part10Header) => boolean;
}

const lacks = (keyword: string) => ({
  reason: `no ${keyword}`,
  remedy: 'none' as const,
  holds: ({ dataSet }: Part10Header) => dataSet.string(keyword) === undefined,
});

const ROWS: readonly Row[] = [
  {
    reason: 'a DICOMDIR',
    remedy: 'none',
    holds: ({ meta }) => meta.string('MediaStorageSOPClassUID') === MEDIA_STORAGE_DIRECTORY,
  },
  { ...lacks('SOPClassUID'), reason: 'no SOP class' },
  lacks('StudyInstanceUID'),
  lacks('SeriesInstanceUID'),
  lacks('SOPInstanceUID'),
  { ...lacks('PatientID'), reason: 'no patient ID: instances of one patient cannot be told from others' },
  {
    reason: 'burned-in annotation',
    remedy: 'text',
    holds: ({ dataSet }) => dataSet.string('BurnedInAnnotation')?.toUpperCase() === 'YES',
  },
  { reason: 'an overlay inside the pixel data', remedy: 'none', holds: hasEmbeddedOverlay },
  { reason: 'video', remedy: 'none', holds: ({ transferSyntaxUid }) => VIDEO_SYNTAX.test(transferSyntaxUid) },
  {
    reason: 'secondary capture',
    remedy: 'class-or-text',
    holds: (header) => SECONDARY_CAPTURE.has(sopClassOf(header)),
  },
  {
    reason: 'encapsulated document',
    remedy: 'class',
    holds: (header) => sopClassOf(header).startsWith(DOCUMENT_PREFIX) || header.dataSet.has('EncapsulatedDocument'),
  },
  { reason: 'raw data', remedy: 'class', holds: (header) => sopClassOf(header) === RAW_DATA },
  {
    reason: 'SOP class is not one the policy names',
    remedy: 'class',
    holds: (header) => !TRUSTED_CLASSES.has(sopClassOf(header)) && !SECONDARY_CAPTURE.has(sopClassOf(header)),
  },
  {
    reason: 'converted from another source',
    remedy: 'class-or-text',
    holds: ({ dataSet }) => dataSet.string('ConversionType') !== undefined,
  },
  { reason: 'modality OT', remedy: 'class-or-text', holds: ({ dataSet }) => dataSet.string('Modality') === 'OT' },
  {
    reason: 'screen save',
    remedy: 'class-or-text',
    holds: ({ dataSet }) => dataSet.strings('ImageType').some((value) => SCREEN_SAVE.test(value.toUpperCase())),
  },
  {
    reason: 'a derived image that does not say whether text is burned in',
    remedy: 'class-or-text',
    holds: isSilentDerivedImage,
  },
];

/** What the policy says of one instance before its pixels are looked at. */
export type PixelDecision =
  | { readonly decision: 'hold'; readonly reason: string }
  /** `suspicion`: why it would be held if its pixels were not cleaned; fixed words. */
  | { readonly decision: 'release'; readonly suspicion: string | undefined };

export interface DecidingPolicy {
  /** SOP classes the policy names. */
  readonly classes: readonly string[];
  readonly pixels: PixelPolicy;
}

export function decidePixels(header: Part10Header, { classes, pixels }: DecidingPolicy): PixelDecision {
  const isNamed = classes.includes(sopClassOf(header));
  let suspicion: string | undefined;
  for (const { reason, remedy, holds } of ROWS) {
    if (isNamed && (remedy === 'class' || remedy === 'class-or-text')) continue;
    if (!holds(header)) continue;
    const canBeCleaned = (remedy === 'text' || remedy === 'class-or-text') && pixels.text !== 'quarantine';
    if (!canBeCleaned) return { decision: 'hold', reason };
    suspicion ??= reason;
  }
  return faceDecision(header, pixels) ?? { decision: 'release', suspicion };
}

/** A head under a policy that minds, and what may be one. Heads that are to be defaced are decided by their volumes. */
function faceDecision({ dataSet, pixelData }: Part10Header, { faces }: PixelPolicy): PixelDecision | undefined {
  if (faces === 'keep' || pixelData === undefined) return undefined;
  const verdict = headVerdict(dataSet);
  if (verdict === 'unsure') return { decision: 'hold', reason: 'it may show a human head: the header does not say' };
  if (verdict === 'human-head' && faces === 'quarantine') return { decision: 'hold', reason: 'a human head' };
  return undefined;
}

/** True for what shows a picture: a mask, a dose or a list of codes has no room for a name. */
export function isPicture(header: Part10Header): boolean {
  const sopClassUid = sopClassOf(header);
  return header.pixelData !== undefined && (PICTURE_CLASSES.has(sopClassUid) || !TRUSTED_CLASSES.has(sopClassUid));
}

/** PS3.3 Section C.7.6.1.1.2: the first value of Image Type; what a scanner made itself is ORIGINAL. */
function isSilentDerivedImage(header: Part10Header): boolean {
  const { dataSet } = header;
  const [origin] = dataSet.strings('ImageType');
  if (!isPicture(header) || origin === undefined || origin === '') return false;
  return origin.toUpperCase() !== 'ORIGINAL' && dataSet.string('BurnedInAnnotation')?.toUpperCase() !== 'NO';
}

/** Overlay without Overlay Data: its bits stand in unused bits of the pixels (PS3.5 Section 8.1.2, retired). */
function hasEmbeddedOverlay({ dataSet }: Part10Header): boolean {
  return dataSet.item.elements.some(({ tag }) => {
    const isOverlay = tag >>> 24 === 0x60 && !isPrivate(tag) && (tag & 0xffff) === (TAG.OverlayRows & 0xffff);
    return isOverlay && dataSet.element(((tag & 0xffff0000) | (TAG.OverlayData & 0xffff)) >>> 0) === undefined;
  });
}

function sopClassOf({ dataSet }: Part10Header): string {
  return dataSet.string('SOPClassUID') ?? '';
}
