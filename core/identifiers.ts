/**
 * The identifiers that travel with a study, as branded types: a string becomes one of these once, at the edge,
 * and is trusted afterwards. Nothing that does not match names a file, a row or a metric.
 */
import { HubError } from './errors.ts';
import { withoutTrailingPadding } from './padding.ts';

declare const brand: unique symbol;
type Brand<Name extends string> = string & { readonly [brand]: Name };

export type StudyInstanceUid = Brand<'StudyInstanceUid'>;
export type SeriesInstanceUid = Brand<'SeriesInstanceUid'>;
export type SopInstanceUid = Brand<'SopInstanceUid'>;
export type SopClassUid = Brand<'SopClassUid'>;
export type TransferSyntaxUid = Brand<'TransferSyntaxUid'>;
export type AeTitle = Brand<'AeTitle'>;

/** PS3.5 Section 9.1: digits and dots, at most 64 characters. Leading zeros occur in the field and are let through. */
const UID = /^[0-9]+(\.[0-9]+)*$/;
const UID_MAX_LENGTH = 64;

export const parseStudyInstanceUid = (value: unknown): StudyInstanceUid =>
  parseUid(value, 'StudyInstanceUID') as StudyInstanceUid;
export const parseSeriesInstanceUid = (value: unknown): SeriesInstanceUid =>
  parseUid(value, 'SeriesInstanceUID') as SeriesInstanceUid;
export const parseSopInstanceUid = (value: unknown): SopInstanceUid =>
  parseUid(value, 'SOPInstanceUID') as SopInstanceUid;
export const parseSopClassUid = (value: unknown): SopClassUid => parseUid(value, 'SOPClassUID') as SopClassUid;
export const parseTransferSyntaxUid = (value: unknown): TransferSyntaxUid =>
  parseUid(value, 'TransferSyntaxUID') as TransferSyntaxUid;

/**
 * PS3.5 Table 6.2-1, VR AE: at most 16 characters of the default repertoire, no backslash, leading and trailing
 * spaces not significant.
 *
 * @throws {HubError} `ae-title.invalid`
 */
export function parseAeTitle(value: unknown): AeTitle {
  const title = typeof value === 'string' ? value.trim() : '';
  if (!/^[\x20-\x5b\x5d-\x7e]{1,16}$/.test(title)) throw new HubError('ae-title.invalid', {});
  return title as AeTitle;
}

/** True when the value could stand as a UID, without throwing. */
export function isUid(value: string): boolean {
  return value.length <= UID_MAX_LENGTH && UID.test(value);
}

function parseUid(value: unknown, attribute: string): string {
  // PS3.5 Section 9.1: a UID is padded with one NUL to even length; some senders pad with a space.
  const uid = typeof value === 'string' ? withoutTrailingPadding(value) : '';
  if (uid === '') throw new HubError('dataset.uid-missing', { attribute });
  if (!isUid(uid)) throw new HubError('dataset.uid-invalid', { attribute });
  return uid;
}
