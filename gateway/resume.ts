/** What stood in the spool when the hub stopped, and the ledger was not told. */
import { parseSeriesInstanceUid, parseSopInstanceUid, parseStudyInstanceUid } from '../core/identifiers.ts';
import type { Arrivals } from './arrivals.ts';
import type { SpoolPump } from './spool/pump.ts';
import type { SpooledRecord } from './spool/recovery.ts';

/** A record of before the restart is judged like a new one, so that its repeat is known for a repeat. */
export function resume(record: SpooledRecord, arrivals: Arrivals, pump: SpoolPump): void {
  const { description } = record;
  if (description.kind === 'instance') {
    const { patientDigest, seriesInstanceUid, sameUid } = description;
    arrivals.add(
      { ...identityOf(description), patientDigest, seriesInstanceUid: parseSeriesInstanceUid(seriesInstanceUid) },
      Promise.resolve(),
      sameUid === 'keep-both-as-revision',
    );
  }
  pump.add(record);
}

/** What an instance is known by. */
export function identityOf(instance: { studyInstanceUid: string; sopInstanceUid: string; dataSetSha256: string }) {
  return {
    studyInstanceUid: parseStudyInstanceUid(instance.studyInstanceUid),
    sopInstanceUid: parseSopInstanceUid(instance.sopInstanceUid),
    dataSetSha256: instance.dataSetSha256,
  };
}
