/**
 * Puts what a spool holds into an object store, for a hub that moves there for good: the same packs that shipping makes
 * (runs of records, as they lie in their segment), so that retention, verification and a rebuild know them. Unlike there,
 * the name of a pack follows from what is in it: a move that was cut off finds what it has copied already.
 */
import { createHash } from 'node:crypto';
import { HubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import { type BlobRef, formatBlobRef, type PackUploads, parseBlobRef } from '../../core/store.ts';
import { fileSource } from './byte-sources.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
import { packName } from './pack-name.ts';
import { SEGMENT_MAGIC } from './record.ts';
import { placeOf, readHead } from './recovery.ts';

/** A run ends before it is larger, unless it is one object: as in shipping. */
const RUN_BYTES = 16 * 1024 * 1024;

/** The bytes [from, to) of a segment, and the pack that they are. */
interface Run {
  readonly from: number;
  readonly to: number;
  readonly pack: string;
}

export interface MovedSegment {
  readonly segment: string;
  /** Those that something is needed of, in order. */
  readonly runs: readonly Run[];
  /** Whole objects behind what the ledger knows: acknowledged, and not told yet. */
  readonly untold: number;
}

type Reading = Pick<SpoolFiles, 'list' | 'openForReading'>;

export interface MovePlanPorts {
  readonly files: Reading;
  readonly ledger: Pick<Ledger, 'instances' | 'retention'>;
  /** Under which the hub goes on. */
  readonly node: string;
  /** Of the hub that is moved: its packs are never taken for those of another one. */
  readonly identity: string;
  /** Only what is untold is looked for. */
  readonly isInPlace: boolean;
}

/** Reads the heads of all records. @throws {HubError} `store.failed` */
export async function planMove(ports: MovePlanPorts): Promise<readonly MovedSegment[]> {
  const { files, ledger, isInPlace } = ports;
  const told = new Map((await ledger.instances.spoolPositions()).map(({ segment, offset }) => [segment, offset]));
  const plan: MovedSegment[] = [];
  for (const segment of await files.list()) {
    const file = await files.openForReading(segment);
    try {
      const sizeBytes = await file.sizeBytes();
      const end = Math.max(told.get(segment) ?? 0, SEGMENT_MAGIC.length);
      const needed = isInPlace ? [] : (await ledger.retention.needed(segment)).map(({ blob }) => parseBlobRef(blob));
      plan.push({
        segment,
        runs: needed.length === 0 ? [] : await runsOf(file, sizeBytes, { ...ports, segment, end, needed }),
        untold: await countUntold(file, end, sizeBytes),
      });
    } finally {
      await file.close();
    }
  }
  return plan;
}

interface Place {
  readonly offset: number;
  readonly length: number;
}

/** Where records begin and end decides, not what is needed: an attempt after this one makes the same packs of them. */
async function runsOf(
  file: SpoolFile,
  sizeBytes: number,
  of: Pick<MovePlanPorts, 'node' | 'identity'> & { segment: string; end: number; needed: readonly Place[] },
): Promise<readonly Run[]> {
  const ranges: { from: number; to: number }[] = [];
  let offset = SEGMENT_MAGIC.length;
  while (offset < of.end) {
    const place = await placeOf(file, offset, sizeBytes);
    // A header that the disk has changed: what lies behind it is copied object by object.
    if (place === undefined) break;
    const last = ranges.at(-1);
    if (last !== undefined && place.endOffset - last.from <= RUN_BYTES) last.to = place.endOffset;
    else ranges.push({ from: offset, to: place.endOffset });
    offset = place.endOffset;
  }
  for (const { offset: from, length } of of.needed) {
    if (from >= offset && from + length <= sizeBytes && from >= (ranges.at(-1)?.to ?? 0))
      ranges.push({ from, to: from + length });
  }
  return ranges
    .filter(({ from, to }) => of.needed.some((place) => place.offset >= from && place.offset + place.length <= to))
    .map(({ from, to }) => {
      const text = `${of.identity} ${of.segment} ${String(from)} ${String(to)}`;
      const mark = createHash('sha256').update(text).digest('hex').slice(0, 12);
      return { from, to, pack: packName({ node: of.node, segment: of.segment, from, to, mark }) };
    });
}

/** As a recovery would count them: a beginning that nothing follows was never acknowledged. */
async function countUntold(file: SpoolFile, from: number, sizeBytes: number): Promise<number> {
  let untold = 0;
  for (let offset = from; offset < sizeBytes;) {
    const place = await placeOf(file, offset, sizeBytes);
    if (place === undefined) break;
    const isWhole = (await readHead(file, offset, place).catch(() => undefined)) !== undefined;
    if (!isWhole && (await placeOf(file, place.endOffset, sizeBytes)) === undefined) break;
    untold += 1;
    offset = place.endOffset;
  }
  return untold;
}

export const packBytes = ({ from, to }: Pick<Run, 'from' | 'to'>): number => SEGMENT_MAGIC.length + to - from;

/** Where an object lies once its segment is moved; a reference to what is not moved stays what it is. */
export function movedRef(plan: ReadonlyMap<string, readonly Run[]>, ref: BlobRef): BlobRef {
  const { pack, offset, length } = parseBlobRef(ref);
  const runs = plan.get(pack) ?? [];
  // The last run that begins at or before the object.
  let [low, high] = [0, runs.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle]?.from ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  const run = runs[low - 1];
  if (run === undefined || offset + length > run.to) return ref;
  return formatBlobRef(run.pack, SEGMENT_MAGIC.length + offset - run.from, length);
}

/** Uploads one pack, unread bytes of the disk streamed. @throws {HubError} `store.*` */
export async function uploadRun(
  files: Reading,
  uploads: PackUploads,
  { segment, run, signal }: { readonly segment: string; readonly run: Run; readonly signal: AbortSignal },
): Promise<void> {
  const file = await files.openForReading(segment);
  try {
    await uploads.upload(run.pack, packBytes(run), () => bytesOf(file, run), signal);
  } catch (error) {
    throw signal.aborted ? new HubError('command.interrupted', {}, error) : error;
  } finally {
    await file.close();
  }
}

async function* bytesOf(file: SpoolFile, { from, to }: Run): AsyncGenerator<Uint8Array> {
  yield SEGMENT_MAGIC;
  yield* fileSource(file, from, to - from).stream();
}
