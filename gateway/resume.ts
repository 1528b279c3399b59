/** What stood in the spool when the hub stopped, and the ledger was not told. */
import { parseSeriesInstanceUid, parseSopInstanceUid, parseStudyInstanceUid } from '../core/identifiers.ts';
import type { Arrivals, Durable } from './arrivals.ts';
import type { SpoolPump } from './spool/pump.ts';
import type { SpooledRecord } from './spool/recovery.ts';

/** The doors open no later for a ledger that is slow or down. */
const LEDGER_PATIENCE_MS = 1_000;

/** Records of before the restart are judged like new ones, so that their repeats are known for repeats. */
export async function resume(records: readonly SpooledRecord[], arrivals: Arrivals, pump: SpoolPump): Promise<void> {
  for (const { description, digests } of records) {
    if (description.kind !== 'instance' || digests === undefined) continue;
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, patientDigest, sameUid } = description;
    const { dataSetSha256 } = digests;
    const durable: Durable = { dataSetSha256: () => Promise.resolve(dataSetSha256) };
    arrivals.add(
      {
        studyInstanceUid: parseStudyInstanceUid(studyInstanceUid),
        seriesInstanceUid: parseSeriesInstanceUid(seriesInstanceUid),
        sopInstanceUid: parseSopInstanceUid(sopInstanceUid),
        patientDigest,
        dataSetSha256,
      },
      description,
      Promise.resolve(durable),
      sameUid === 'keep-both-as-revision',
    );
  }
  await pump.resume(records, LEDGER_PATIENCE_MS);
}
