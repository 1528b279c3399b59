/** What stood in the spool when the hub stopped, and the ledger was not told. */
import { parseSeriesInstanceUid, parseSopInstanceUid, parseStudyInstanceUid } from '../core/identifiers.ts';
import type { Arrivals } from './arrivals.ts';
import type { SpoolPump } from './spool/pump.ts';
import type { SpooledRecord } from './spool/recovery.ts';

/** The doors open no later for a ledger that is slow or down. */
const LEDGER_PATIENCE_MS = 1_000;

/** Records of before the restart are judged like new ones, so that their repeats are known for repeats. */
export async function resume(records: readonly SpooledRecord[], arrivals: Arrivals, pump: SpoolPump): Promise<void> {
  for (const { description } of records) {
    if (description.kind !== 'instance') continue;
    const { patientDigest, seriesInstanceUid, sameUid } = description;
    arrivals.add(
      { ...identityOf(description), patientDigest, seriesInstanceUid: parseSeriesInstanceUid(seriesInstanceUid) },
      Promise.resolve(),
      sameUid === 'keep-both-as-revision',
    );
  }
  await pump.resume(records, LEDGER_PATIENCE_MS);
}

/** What an instance is known by. */
export function identityOf(instance: { studyInstanceUid: string; sopInstanceUid: string; dataSetSha256: string }) {
  return {
    studyInstanceUid: parseStudyInstanceUid(instance.studyInstanceUid),
    sopInstanceUid: parseSopInstanceUid(instance.sopInstanceUid),
    dataSetSha256: instance.dataSetSha256,
  };
}
