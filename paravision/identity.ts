/**
 * UIDs that are the same whenever a reconstruction is converted again. ParaVision's own are used where they are valid and
 * speak of this very scan; what was copied or renumbered has the UID of what it was copied from, and gets one of its own.
 */
import { createHash } from 'node:crypto';
import { isUid } from '../core/identifiers.ts';
import type { Parameters } from './parameters.ts';

export interface Place {
  /** Of the study folder: what is left to tell studies apart by when ParaVision gave them no UID. */
  readonly study: string;
  /** EXPNO: the name of the scan folder. */
  readonly scan: number;
  /** PROCNO: the name of the folder below `pdata`. */
  readonly reconstruction: number;
}

export interface Uids {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly frameOfReferenceUid: string;
  readonly dimensionOrganizationUid: string;
}

/** VisuSeriesNumber of ParaVision 5, and what its DICOM export has as Series Number to this day. */
export function seriesNumber({ scan, reconstruction }: Place): number {
  return scan * 0x10000 + reconstruction;
}

export function uidsOf(parameters: Parameters, place: Place): Uids {
  const study = validUid(parameters, 'VisuStudyUid') ?? validUid(parameters, 'SUBJECT_study_instance_uid');
  const studyInstanceUid = study ?? derivedUid('study', ...studyIdentity(parameters, place));
  const dataSet = validUid(parameters, 'VisuUid');
  const numbers = [String(place.scan), String(place.reconstruction)];
  const sopInstanceUid =
    dataSet !== undefined && isWhereItWasMade(parameters, place)
      ? dataSet
      : derivedUid('instance', dataSet ?? studyInstanceUid, ...numbers);
  const position = parameters.text('VisuSubjectPosition') ?? '';
  return {
    studyInstanceUid,
    sopInstanceUid,
    seriesInstanceUid: derivedUid('series', studyInstanceUid, sopInstanceUid, ...numbers),
    // The axes are those of the subject as it lies: turned round, it is another system.
    frameOfReferenceUid: derivedUid('frame of reference', studyInstanceUid, position),
    dimensionOrganizationUid: derivedUid('dimensions', sopInstanceUid),
  };
}

/** PS3.5 Section B.2: `2.25.` and the decimal of 128 bits, here of a digest. */
function derivedUid(...parts: readonly string[]): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(['paravision', ...parts]))
    .digest('hex');
  return `2.25.${BigInt(`0x${digest.slice(0, 32)}`).toString()}`;
}

function isWhereItWasMade(parameters: Parameters, { scan, reconstruction }: Place): boolean {
  const legacy = parameters.number('VisuSeriesNumber');
  const madeAs = parameters.number('VisuExperimentNumber') ?? (legacy === undefined ? undefined : legacy >>> 16);
  const processed = parameters.number('VisuProcessingNumber') ?? (legacy === undefined ? undefined : legacy & 0xffff);
  return (madeAs ?? scan) === scan && (processed ?? reconstruction) === reconstruction;
}

function studyIdentity(parameters: Parameters, { study }: Place): readonly string[] {
  const known = ['VisuSubjectId', 'SUBJECT_id', 'VisuStudyDate', 'SUBJECT_date', 'VisuStudyNumber', 'SUBJECT_study_nr'];
  const values = known.map((name) => parameters.text(name) ?? '');
  return values.some((value) => value !== '') ? values : [study];
}

function validUid(parameters: Parameters, name: string): string | undefined {
  const uid = parameters.text(name);
  return uid !== undefined && isUid(uid) && uid.includes('.') ? uid : undefined;
}
