/** One instance, from its stored bytes to de-identified bytes with proof. */
import { createHash } from 'node:crypto';
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
} from '../../core/identifiers.ts';
import { encodingOf, requireTransferSyntax } from '../../core/dicom/data-set.ts';
import { deflateDataSet, inflateDataSet } from '../../core/dicom/inflate.ts';
import { checkPixelData, fileMeta, fragments, readHeader } from '../../core/dicom/part10.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { patientDigest } from '../../core/dicom/patient.ts';
import type { ByteSource } from '../../core/store.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import type { ElementPath } from './decision.ts';
import { hiddenText } from './compressed-pixels.ts';
import { holdReason } from './hold-reasons.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { rewriteHeader } from './rewrite.ts';
import type { Rewritten } from './rewrite.ts';
import type { Tally } from './tally.ts';
import { verifyOutput } from './verify.ts';

/** Emptying what was found can uncover nothing new, so two rounds settle it; a third says something else is wrong. */
const VERIFICATION_ROUNDS = 3;
const CHUNK_BYTES = 1024 * 1024;
/** Compressed pixel data is looked through in memory. */
const COMPRESSED_LIMIT_BYTES = 512 * 1024 * 1024;

export type InstanceOutcome = ReleasedInstance | HeldInstance;

export interface HeldInstance {
  readonly outcome: 'held';
  /** Fixed words: never a value. */
  readonly reason: string;
  readonly original: OriginalIdentity | undefined;
}

export interface ReleasedInstance {
  readonly outcome: 'released';
  readonly original: OriginalIdentity;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  readonly tally: Tally;
  readonly searchedBytes: number;
  /** The file, once; pixel bytes are copied from the source, which must stay open. */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Once `body` was read: true when the bytes behind its header are the pixel bytes of the source, which is read once
   * more for it.
   */
  isPixelDataEqual(): Promise<boolean>;
}

/** For telling instances apart; never in a log or report. */
export interface OriginalIdentity {
  readonly studyInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly patient: string;
}

/** @throws {HubError} `dataset.unreadable`, `dataset.uid-invalid` and their kin when the source is no sound instance */
export async function deidentifyInstance(
  source: ByteSource,
  plan: CompiledPlan,
  pseudonyms: Pseudonyms,
): Promise<InstanceOutcome> {
  const header = await readHeader(source);
  const reason = holdReason(header, plan.plan);
  if (reason !== undefined) return { outcome: 'held', reason, original: identityIfAny(header) };
  const original = identityOf(header);
  const pixelDataEnd = await checkPixelData(source, header);
  const hidden = await textInPixelData(source, header);
  if (hidden !== undefined) return { outcome: 'held', reason: hidden, original };

  const proven = rewriteAndVerify(header, plan, pseudonyms);
  if (typeof proven === 'string') return { outcome: 'held', reason: proven, original };

  const uid = (value: string) => (plan.has('retain-uids') ? value : pseudonyms.uid(value));
  const sopInstanceUid = uid(original.sopInstanceUid);
  const sopClassUid = parseSopClassUid(header.dataSet.string('SOPClassUID'));
  const meta = fileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid: header.transferSyntaxUid });
  const body = bodyOf(source, header, meta, proven.bytes, pixelDataEnd);
  return {
    outcome: 'released',
    original,
    studyInstanceUid: uid(original.studyInstanceUid),
    seriesInstanceUid: uid(parseSeriesInstanceUid(header.dataSet.string('SeriesInstanceUID'))),
    sopInstanceUid,
    sopClassUid,
    transferSyntaxUid: header.transferSyntaxUid,
    tally: proven.tally,
    searchedBytes: proven.searchedBytes,
    body: body.chunks,
    isPixelDataEqual: body.isPixelDataEqual,
  };
}

/** Rewrites until the verification pass finds nothing. @returns fixed words when it cannot be proven clean */
function rewriteAndVerify(
  header: Part10Header,
  plan: CompiledPlan,
  pseudonyms: Pseudonyms,
): (Rewritten & { readonly searchedBytes: number }) | string {
  const encoding = encodingOf(requireTransferSyntax(header.transferSyntaxUid));
  const blanked = new Set<ElementPath>();
  for (let round = 0; round < VERIFICATION_ROUNDS; round++) {
    const rewritten = rewriteHeader(header, plan, pseudonyms, blanked);
    const { findings, faults, searchedBytes } = verifyOutput(rewritten.bytes, encoding, rewritten.known, plan);
    const [fault] = faults;
    if (fault !== undefined) return `the output has a fault: ${fault}`;
    if (findings.length === 0) return { ...rewritten, searchedBytes };
    if (findings.some(({ isListed }) => isListed))
      return 'a removed value is repeated in an attribute that is kept by the policy';
    for (const { path } of findings) blanked.add(path);
  }
  return 'a removed value could not be taken out of the output';
}

interface Body {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly isPixelDataEqual: () => Promise<boolean>;
}

/** Header as rewritten, pixel data as it is in the source; what stands behind the pixel data is left out. */
function bodyOf(
  source: ByteSource,
  header: Part10Header,
  meta: Uint8Array,
  dataSet: Uint8Array,
  pixelDataEnd: number,
): Body {
  const start = header.pixelData?.elementOffset ?? pixelDataEnd;
  if (header.inflated !== undefined) return deflatedBody(meta, dataSet, header.inflated.subarray(start, pixelDataEnd));
  let written: string | undefined;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    yield Buffer.concat([meta, dataSet]);
    if (pixelDataEnd > start)
      for await (const chunk of source.stream(start, pixelDataEnd - start)) {
        hash.update(chunk);
        yield chunk;
      }
    written = hash.digest('hex');
  }
  const isPixelDataEqual = async () => {
    const hash = createHash('sha256');
    // Read again, by position: a source that ended early or moved shows here.
    for (let at = start; at < pixelDataEnd; at += CHUNK_BYTES)
      hash.update(await source.read(at, Math.min(CHUNK_BYTES, pixelDataEnd - at)));
    return hash.digest('hex') === written;
  };
  return { chunks: chunks(), isPixelDataEqual };
}

function deflatedBody(meta: Uint8Array, dataSet: Uint8Array, pixels: Uint8Array): Body {
  const deflated = deflateDataSet(Buffer.concat([dataSet, pixels]));
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield meta;
    yield deflated;
  }
  const isPixelDataEqual = async () => Buffer.compare(inflateDataSet(deflated).subarray(dataSet.length), pixels) === 0;
  return { chunks: chunks(), isPixelDataEqual };
}

async function textInPixelData(source: ByteSource, header: Part10Header): Promise<string | undefined> {
  const place = header.pixelData;
  if (place === undefined || place.length !== undefined) return undefined;
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  let isOffsetTable = true;
  for await (const { offset, length } of fragments(source, header, place)) {
    // The first item is the Basic Offset Table (PS3.5 Section A.4).
    if (isOffsetTable) {
      isOffsetTable = false;
      continue;
    }
    sizeBytes += length;
    if (sizeBytes > COMPRESSED_LIMIT_BYTES) return 'compressed pixel data too large to look through';
    parts.push(await source.read(offset, length));
  }
  return hiddenText(Buffer.concat(parts), header.transferSyntaxUid);
}

function identityOf({ dataSet }: Part10Header): OriginalIdentity {
  return {
    studyInstanceUid: parseStudyInstanceUid(dataSet.string('StudyInstanceUID')),
    sopInstanceUid: parseSopInstanceUid(dataSet.string('SOPInstanceUID')),
    patient: patientDigest(dataSet),
  };
}

function identityIfAny(header: Part10Header): OriginalIdentity | undefined {
  const { dataSet } = header;
  const isComplete = dataSet.has('StudyInstanceUID') && dataSet.has('SOPInstanceUID');
  return isComplete ? identityOf(header) : undefined;
}
