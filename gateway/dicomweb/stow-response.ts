/** PS3.18 Section 10.5.3: what became of each instance, as DICOM JSON, and the status that sums it up. */
import type { HubError } from '../../core/errors.ts';

export interface InstanceOutcome {
  readonly sopClassUid?: string | undefined;
  readonly sopInstanceUid?: string | undefined;
  readonly studyInstanceUid?: string | undefined;
  readonly seriesInstanceUid?: string | undefined;
  /** Absent: it is stored. */
  readonly failure?: HubError;
}

interface Element {
  readonly vr: string;
  readonly Value: readonly unknown[];
}
type Item = Readonly<Record<string, Element>>;

const RETRIEVE_URL = '00081190';
const FAILED_SOP_SEQUENCE = '00081198';
const REFERENCED_SOP_SEQUENCE = '00081199';
const OTHER_FAILURES_SEQUENCE = '0008119A';
const REFERENCED_SOP_CLASS_UID = '00081150';
const REFERENCED_SOP_INSTANCE_UID = '00081155';
const FAILURE_REASON = '00081197';

const ABOUT_THE_REQUEST: ReadonlySet<number> = new Set([400, 413, 415]);

/** PS3.18 Table 10.5.3-1; when nothing was stored, the reason they all share. */
export function stowStatus(outcomes: readonly InstanceOutcome[]): number {
  const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure.row.http]));
  if (failures.length === 0) return 200;
  if (failures.length < outcomes.length) return 202;
  const [first = 409] = failures;
  const isOfAll = failures.every((status) => status === first);
  return isOfAll && (first >= 500 || ABOUT_THE_REQUEST.has(first)) ? first : 409;
}

/** @param base - URL of the DICOMweb root; undefined: nothing can be retrieved there */
export function stowResponse(outcomes: readonly InstanceOutcome[], base: string | undefined): Item {
  const stored = outcomes.filter(({ failure }) => failure === undefined);
  const failed = outcomes.filter(({ failure }) => failure !== undefined);
  const named = failed.filter(({ sopInstanceUid }) => sopInstanceUid !== undefined);
  const unnamed = failed.filter(({ sopInstanceUid }) => sopInstanceUid === undefined);
  const studies = new Set(stored.map(({ studyInstanceUid }) => studyInstanceUid));
  const [study] = studies;
  return {
    // Of the study, when it is one.
    ...(studies.size === 1 && study !== undefined && base !== undefined
      ? { [RETRIEVE_URL]: url(`${base}/studies/${study}`) }
      : {}),
    ...sequence(REFERENCED_SOP_SEQUENCE, stored, (one) => ({
      ...reference(one),
      ...(base === undefined ? {} : { [RETRIEVE_URL]: url(retrieveUrl(one, base)) }),
    })),
    ...sequence(FAILED_SOP_SEQUENCE, named, (one) => ({ ...reference(one), ...reason(one) })),
    // PS3.18 Section 10.5.3: for what could not be read far enough to have a name.
    ...sequence(OTHER_FAILURES_SEQUENCE, unnamed, reason),
  };
}

function sequence(tag: string, outcomes: readonly InstanceOutcome[], item: (outcome: InstanceOutcome) => Item): Item {
  return outcomes.length === 0 ? {} : { [tag]: { vr: 'SQ', Value: outcomes.map(item) } };
}

function reference({ sopClassUid, sopInstanceUid }: InstanceOutcome): Item {
  return {
    ...(sopClassUid === undefined ? {} : { [REFERENCED_SOP_CLASS_UID]: { vr: 'UI', Value: [sopClassUid] } }),
    ...(sopInstanceUid === undefined ? {} : { [REFERENCED_SOP_INSTANCE_UID]: { vr: 'UI', Value: [sopInstanceUid] } }),
  };
}

function reason({ failure }: InstanceOutcome): Item {
  return failure === undefined ? {} : { [FAILURE_REASON]: { vr: 'US', Value: [failure.row.dimse] } };
}

function retrieveUrl({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: InstanceOutcome, base: string): string {
  return `${base}/studies/${studyInstanceUid ?? ''}/series/${seriesInstanceUid ?? ''}/instances/${sopInstanceUid ?? ''}`;
}

function url(value: string): Element {
  return { vr: 'UR', Value: [value] };
}
