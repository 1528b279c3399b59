/** What the ledger is told of a record of the spool. */
import { HubError, toHubError } from '../../core/errors.ts';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
  parseTransferSyntaxUid,
} from '../../core/identifiers.ts';
import type { Attributes } from '../../core/ledger/common.ts';
import type { Provenance, StoredInstance } from '../../core/ledger/instances.ts';
import type { NewQuarantine } from '../../core/ledger/quarantine.ts';
import { quarantineIdOf } from '../quarantine.ts';
import type { ContentDigests } from './content.ts';
import type { Description } from './record.ts';
import type { SpooledRecord } from './recovery.ts';

/** The row of an instance. */
export function storedInstance(
  record: SpooledRecord,
  description: Extract<Description, { kind: 'instance' }>,
  { sha256, dataSetSha256 }: ContentDigests,
  attributes: Attributes,
): StoredInstance {
  return {
    ...provenanceOf(description),
    studyInstanceUid: parseStudyInstanceUid(description.studyInstanceUid),
    seriesInstanceUid: parseSeriesInstanceUid(description.seriesInstanceUid),
    sopInstanceUid: parseSopInstanceUid(description.sopInstanceUid),
    sopClassUid: parseSopClassUid(description.sopClassUid),
    transferSyntaxUid: parseTransferSyntaxUid(description.transferSyntaxUid),
    blob: record.blob,
    sizeBytes: record.sizeBytes,
    sha256,
    dataSetSha256,
    receivedAt: description.receivedAt,
    patientDigest: description.patientDigest,
    attributes,
  };
}

/** The entry of content that was refused at the door. */
export function quarantineEntry(
  record: SpooledRecord,
  description: Extract<Description, { kind: 'quarantine' }>,
): NewQuarantine {
  const { quarantineId, reason, detail, studyInstanceUid, sopInstanceUid, dataSetSha256 } = description;
  return {
    quarantineId,
    stage: 'gateway',
    reason,
    detail,
    ...(studyInstanceUid === undefined ? {} : { studyInstanceUid: parseStudyInstanceUid(studyInstanceUid) }),
    items: [
      {
        blob: record.blob,
        sizeBytes: record.sizeBytes,
        ...(sopInstanceUid === undefined ? {} : { sopInstanceUid }),
        ...(dataSetSha256 === undefined ? {} : { dataSetSha256 }),
      },
    ],
    provenance: provenanceOf(description),
    holdsStudy: false,
  };
}

/** The entry of a record that the ledger refuses. Its sender was told Success, so its study is held. */
export function refusedEntry(record: SpooledRecord, error: unknown): NewQuarantine {
  const { description } = record;
  const refusal = new HubError('ledger.refused', { code: toHubError(error).code });
  const isInstance = description.kind === 'instance';
  return {
    quarantineId: quarantineIdOf(record.blob),
    stage: 'gateway',
    reason: refusal.code,
    detail: refusal.message,
    ...(isInstance ? { studyInstanceUid: parseStudyInstanceUid(description.studyInstanceUid) } : {}),
    items: [
      {
        blob: record.blob,
        sizeBytes: record.sizeBytes,
        ...(isInstance ? { sopInstanceUid: description.sopInstanceUid } : {}),
      },
    ],
    provenance: provenanceOf(description),
    holdsStudy: isInstance,
  };
}

function provenanceOf({ provenance }: Description): Provenance {
  const { door, source, callingAeTitle, calledAeTitle, associationId } = provenance;
  return {
    door,
    source,
    associationId,
    ...(callingAeTitle === undefined ? {} : { callingAeTitle }),
    ...(calledAeTitle === undefined ? {} : { calledAeTitle }),
  };
}
