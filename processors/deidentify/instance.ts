/** One instance, from its stored bytes to de-identified bytes with proof. */
import {
  parseSeriesInstanceUid,
  parseSopClassUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
} from '../../core/identifiers.ts';
import { encodingOf, requireTransferSyntax } from '../../core/dicom/data-set.ts';
import { checkPixelData, fileMeta, fragments, readHeader } from '../../core/dicom/part10.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import { patientDigest } from '../../core/dicom/patient.ts';
import type { ByteSource } from '../../core/store.ts';
import type { CompiledPlan } from './compiled-plan.ts';
import type { ElementPath } from './scope.ts';
import { bodyOf } from './body.ts';
import { beginsFrame, hiddenText, isOffsetTable } from './compressed-pixels.ts';
import { changesFor, UNTOUCHED, withClaims } from './pixels/claims.ts';
import type { AttributeChange, PixelClaims, PixelCleaner } from './pixels/cleaning.ts';
import { decidePixels } from './pixels/decision-table.ts';
import { textBehindFrames } from './pixels/pixel-tail.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { makerNumbers } from './maker-numbers.ts';
import { rewriteHeader } from './rewrite.ts';
import type { Rewritten } from './rewrite.ts';
import { tokensOf } from './safe-words.ts';
import { memoryOf } from './study-memory.ts';
import type { Tally } from './tally.ts';
import { verifyOutput } from './verify.ts';

/** Emptying what was found can uncover nothing new, so two rounds settle it; a third says something else is wrong. */
const VERIFICATION_ROUNDS = 3;
/** A compressed frame is looked through in memory. */
const FRAME_LIMIT_BYTES = 64 * 1024 * 1024;

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
  /** How much of what the study says it was searched for: the generation of the study's secrets then. */
  readonly searchedFor: number;
  /** So many values were emptied because they repeat what was removed. */
  readonly blanked: number;
  /** What was done to its pixels; all of it nothing where the policy touches none. */
  readonly pixels: PixelClaims;
  /** The file, once; pixel bytes are copied from the source, which must stay open. Good until the next instance is begun. */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Once `body` was read: true when the pixels behind its header are those of the source, which is read once more for
   * it, outside of what was blanked.
   */
  readonly isPixelDataEqual: () => Promise<boolean>;
}

/** For telling instances apart; never in a log or report. */
export interface OriginalIdentity {
  readonly studyInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly patient: string;
  /** What else says who the patient is: two instances of one patient do not contradict each other in it. */
  readonly birthDate: string | undefined;
  /** Components of the name, in lower case. */
  readonly nameParts: readonly string[];
}

/**
 * @param cleaner - absent where only the reasons are wanted: what comes out then must not be written
 * @throws {HubError} `dataset.unreadable`, `dataset.uid-invalid` and their kin when the source is no sound instance
 */
export async function deidentifyInstance(
  source: ByteSource,
  plan: CompiledPlan,
  pseudonyms: Pseudonyms,
  cleaner: PixelCleaner | undefined,
  signal: AbortSignal,
): Promise<InstanceOutcome> {
  const { buffers } = memoryOf(pseudonyms);
  const header = await readHeader(source, buffers.header);
  // By the header alone first: what is held for it is not worth a look at its pixels.
  const decided = decidePixels(header, plan.plan);
  if (decided.decision === 'hold') return { outcome: 'held', reason: decided.reason, original: identityIfAny(header) };
  const original = identityOf(header);
  const pixelDataEnd = await checkPixelData(source, header);
  const hidden = await textInPixelData(source, header, pixelDataEnd);
  if (hidden !== undefined) return { outcome: 'held', reason: hidden, original };

  const cleaned = (await cleaner?.clean({ source, header }, signal)) ?? UNTOUCHED;
  if (cleaned.outcome === 'held') return { outcome: 'held', reason: cleaned.reason, original };
  // What is cleaned is written anew, frame by frame; what is copied is copied whole.
  const behind = cleaned.outcome === 'untouched' ? await textBehindFrames(source, header) : undefined;
  if (behind !== undefined) return { outcome: 'held', reason: behind, original };

  const claimed = withClaims(plan, cleaned.claims);
  const changes = [...changesFor(cleaned), ...makerNumbers(header, plan)];
  const proven = rewriteAndVerify(header, claimed, pseudonyms, changes);
  if (typeof proven === 'string') return { outcome: 'held', reason: proven, original };
  pseudonyms.mapped?.released(header, proven.bytes);

  const uid = (value: string) => (plan.has('retain-uids') ? value : pseudonyms.uid(value));
  const sopInstanceUid = uid(original.sopInstanceUid);
  const sopClassUid = parseSopClassUid(header.dataSet.string('SOPClassUID'));
  const transferSyntaxUid = cleaned.outcome === 'cleaned' ? cleaned.transferSyntaxUid : header.transferSyntaxUid;
  const meta = fileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid });
  const body = bodyOf({ source, header }, { meta, dataSet: proven.bytes, pixelDataEnd, cleaned }, buffers);
  return {
    outcome: 'released',
    original,
    studyInstanceUid: uid(original.studyInstanceUid),
    seriesInstanceUid: uid(parseSeriesInstanceUid(header.dataSet.string('SeriesInstanceUID'))),
    sopInstanceUid,
    sopClassUid,
    transferSyntaxUid,
    tally: proven.tally,
    searchedBytes: proven.searchedBytes,
    searchedFor: proven.searchedFor,
    blanked: proven.blanked,
    pixels: cleaned.claims,
    body: body.chunks,
    isPixelDataEqual: body.isPixelDataEqual,
  };
}

/** Rewrites until the verification pass finds nothing. @returns fixed words when it cannot be proven clean */
function rewriteAndVerify(
  header: Part10Header,
  plan: CompiledPlan,
  pseudonyms: Pseudonyms,
  changes: readonly AttributeChange[],
): (Rewritten & Pick<ReleasedInstance, 'searchedBytes' | 'searchedFor' | 'blanked'>) | string {
  const encoding = encodingOf(requireTransferSyntax(header.transferSyntaxUid));
  const memory = memoryOf(pseudonyms);
  const blanked = new Set<ElementPath>();
  for (let round = 0; round < VERIFICATION_ROUNDS; round++) {
    const writer = memory.buffers.writer(header.end);
    const rewritten = rewriteHeader(header, plan, pseudonyms, blanked, changes, writer);
    const { findings, faults, searchedBytes } = verifyOutput(rewritten.bytes, encoding, plan, memory);
    const [fault] = faults;
    if (fault !== undefined) return `the output has a fault: ${fault}`;
    if (findings.length === 0)
      return { ...rewritten, searchedBytes, searchedFor: memory.secrets.generation, blanked: blanked.size };
    if (findings.some(({ isListed }) => isListed))
      return 'a removed value is repeated in an attribute that is kept by the policy';
    for (const { path } of findings) blanked.add(path);
  }
  return 'a removed value could not be taken out of the output';
}

/** Frame by frame: a stream of two gigabytes is never in memory at once. */
async function textInPixelData(
  source: ByteSource,
  header: Part10Header,
  pixelDataEnd: number,
): Promise<string | undefined> {
  const { pixelData: place, transferSyntaxUid } = header;
  if (place === undefined || place.length !== undefined) return undefined;
  const [rows, columns] = ['Rows', 'Columns'].map((keyword) => header.dataSet.numbers(keyword)[0]);
  const planeBytes = rows === undefined || columns === undefined ? undefined : rows * columns;
  let frame: Uint8Array[] = [];
  let sizeBytes = 0;
  let isFirst = true;
  const look = () => hiddenText(Buffer.concat(frame), transferSyntaxUid, planeBytes);
  for await (const { offset, length } of fragments(source, header, place)) {
    if (length > FRAME_LIMIT_BYTES) return 'compressed pixel data too large to look through';
    const fragment = header.inflated?.subarray(offset, offset + length) ?? (await source.read(offset, length));
    // The first item is the Basic Offset Table (PS3.5 Section A.4).
    if (isFirst) {
      isFirst = false;
      if (!isOffsetTable(fragment, pixelDataEnd - offset)) return 'an offset table that is none';
      continue;
    }
    if (frame.length > 0 && beginsFrame(fragment, transferSyntaxUid)) {
      const found = look();
      if (found !== undefined) return found;
      frame = [];
      sizeBytes = 0;
    }
    sizeBytes += length;
    if (sizeBytes > FRAME_LIMIT_BYTES) return 'compressed pixel data too large to look through';
    frame.push(fragment);
  }
  return look();
}

function identityOf({ dataSet }: Part10Header): OriginalIdentity {
  return {
    studyInstanceUid: parseStudyInstanceUid(dataSet.string('StudyInstanceUID')),
    sopInstanceUid: parseSopInstanceUid(dataSet.string('SOPInstanceUID')),
    patient: patientDigest(dataSet),
    birthDate: dataSet.string('PatientBirthDate')?.replaceAll('.', ''),
    nameParts: tokensOf(dataSet.strings('PatientName').join(' ')),
  };
}

function identityIfAny(header: Part10Header): OriginalIdentity | undefined {
  const { dataSet } = header;
  const isComplete = dataSet.has('StudyInstanceUID') && dataSet.has('SOPInstanceUID');
  return isComplete ? identityOf(header) : undefined;
}
