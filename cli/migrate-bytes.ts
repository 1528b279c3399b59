/** The bytes of `hub migrate`: what has to go into the bucket, how it gets there, and what the ledger calls it then. */
import { HubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import { type BlobRef, formatBlobRef, type ObjectStore, parseBlobRef } from '../core/store.ts';
import type { SpoolFiles } from '../gateway/spool/files.ts';
import { movedRef, type MovedSegment, packBytes, planMove, uploadRun } from '../gateway/spool/move.ts';
import { PACKS } from '../gateway/spool/pack-name.ts';
import type { Row, RowMap } from '../platform/ledger/move/tables.ts';
import type { OpenStore } from '../platform/store/open.ts';
import { eachOf } from '../core/several-at-once.ts';

/** In the bucket: whose hub is moved there. */
const MARKS = 'migration/';
/** Packs under way at once; a large one has two parts of 8 MiB under way. */
const UPLOADS = 4;

interface ResultPack {
  readonly from: string;
  readonly to: string;
  readonly sizeBytes: number;
}

export interface BytesPlan {
  readonly segments: readonly MovedSegment[];
  readonly results: readonly ResultPack[];
  readonly packs: number;
  readonly bytes: number;
  /** Acknowledged objects that the ledger was not told of. */
  readonly untold: number;
  readonly mapRef: (ref: BlobRef) => BlobRef;
}

export interface BytesPorts {
  readonly files: Pick<SpoolFiles, 'list' | 'openForReading'>;
  readonly ledger: Pick<Ledger, 'instances' | 'retention'>;
  readonly node: string;
  readonly identity: string;
  /** Packs of results in the data folder. */
  readonly local: OpenStore;
  /** Undefined: the bytes stay where they are. */
  readonly target: OpenStore | undefined;
}

export async function planBytes({ files, ledger, node, identity, local, target }: BytesPorts): Promise<BytesPlan> {
  const segments = await planMove({ files, ledger, node, identity, isInPlace: target === undefined });
  const results: ResultPack[] = [];
  if (target !== undefined) {
    for await (const { pack, sizeBytes } of local.shelf.list(local.results)) {
      results.push({ from: pack, to: `${target.results}${pack.slice(local.results.length)}`, sizeBytes });
    }
  }
  const runs = new Map(segments.map(({ segment, runs: some }) => [`${PACKS}${segment}`, some]));
  const named = new Map(results.map(({ from, to }) => [from, to]));
  const all = [...runs.values()].flat();
  return {
    segments,
    results,
    packs: all.length + results.length,
    bytes:
      all.reduce((sum, run) => sum + packBytes(run), 0) + results.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    untold: segments.reduce((sum, { untold }) => sum + untold, 0),
    mapRef: (ref) => {
      const { pack, offset, length } = parseBlobRef(ref);
      const result = named.get(pack);
      return result === undefined ? movedRef(runs, ref) : formatBlobRef(result, offset, length);
    },
  };
}

/**
 * @returns true when a move of this hub has begun there
 * @throws {HubError} `move.refused` when it holds anything else, `store.*`
 */
export async function requireOwnBucket(target: OpenStore, identity: string): Promise<boolean> {
  const mark = `${MARKS}${identity}`;
  let isEmpty = true;
  for await (const { pack } of target.shelf.list(mark)) if (pack === mark) return true;
  for await (const { pack } of target.shelf.list('')) {
    isEmpty = false;
    if (pack.startsWith(MARKS))
      throw new HubError('move.refused', { detail: 'another hub was moved to the bucket, or is being moved' });
    break;
  }
  if (!isEmpty) {
    const detail = 'the bucket of the target holds something below its prefix: name an empty bucket, or another prefix';
    throw new HubError('move.refused', { detail });
  }
  return false;
}

export async function markBucket({ uploads }: OpenStore, identity: string, signal: AbortSignal): Promise<void> {
  const text = Buffer.from(`${JSON.stringify({ identity, beganAt: new Date().toISOString() })}\n`);
  await uploads?.upload(
    `${MARKS}${identity}`,
    text.length,
    async function* () {
      yield await Promise.resolve(text);
    },
    signal,
  );
}

export interface Copied {
  readonly copied: number;
  /** By an attempt before this one. */
  readonly already: number;
}

/** Packs that are there already are not sent again: a pack is there whole, or not at all. */
export async function copyBytes(
  plan: BytesPlan,
  { files, local, target, node }: BytesPorts,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<Copied> {
  const { uploads, shelf, results = '' } = target ?? {};
  if (uploads === undefined || shelf === undefined) return { copied: 0, already: 0 };
  const there = new Map<string, number>();
  for (const prefix of [`${PACKS}${node}/`, results]) {
    for await (const { pack, sizeBytes } of shelf.list(prefix)) there.set(pack, sizeBytes);
  }
  const orders = [
    ...plan.segments.flatMap(({ segment, runs }) =>
      runs.map((run) => ({
        pack: run.pack,
        sizeBytes: packBytes(run),
        send: () => uploadRun(files, uploads, { segment, run, signal }),
      })),
    ),
    ...plan.results.map(({ from, to, sizeBytes }) => ({
      pack: to,
      sizeBytes,
      send: () => uploads.upload(to, sizeBytes, () => packOf(local.objects, from, sizeBytes), signal),
    })),
  ];
  let copied = 0;
  let already = 0;
  await eachOf(orders, UPLOADS, async ({ pack, sizeBytes, send }) => {
    signal.throwIfAborted();
    const found = there.get(pack);
    if (found === sizeBytes) already += 1;
    else {
      if (found !== undefined) await shelf.remove(pack);
      await send();
      copied += 1;
    }
    onBytes(sizeBytes);
  });
  return { copied, already };
}

async function* packOf(
  objects: Pick<ObjectStore, 'open'>,
  pack: string,
  sizeBytes: number,
): AsyncGenerator<Uint8Array> {
  const source = await objects.open(formatBlobRef(pack, 0, sizeBytes));
  try {
    yield* source.stream();
  } finally {
    await source.close();
  }
}

/** References, wherever in the ledger they stand. Those in events are what was true when they were said. */
export function rowMap(mapRef: BytesPlan['mapRef'], node: string | undefined): RowMap {
  const mapped = (ref: unknown) => (typeof ref === 'string' ? mapRef(ref as BlobRef) : ref);
  const inText = (text: Row[string] | undefined, change: (value: unknown) => unknown) =>
    typeof text === 'string' ? changedText(text, change) : (text ?? null);
  return (table, row) => {
    const own = node !== undefined && row['node'] === '' ? { ...row, node } : row;
    switch (table) {
      case 'instances':
      case 'superseded_instances':
        return { ...own, blob: mapRef(row['blob'] as BlobRef) };
      case 'quarantine_items':
        return {
          ...own,
          blob: mapRef(row['blob'] as BlobRef),
          instance: inText(row['instance'], (value) => withBlob(value, mapped)),
        };
      case 'run_items':
        return {
          ...own,
          items: inText(row['items'], (value) =>
            Array.isArray(value) ? value.map((item) => withBlob(item, mapped)) : value,
          ),
        };
      default:
        return own;
    }
  };
}

/** The text as it was, where nothing changes. */
function changedText(text: string, change: (value: unknown) => unknown): string {
  const before: unknown = JSON.parse(text);
  const plain = JSON.stringify(before);
  const after = JSON.stringify(change(before));
  return after === plain ? text : after;
}

function withBlob(value: unknown, mapped: (ref: unknown) => unknown): unknown {
  if (typeof value !== 'object' || value === null || !('blob' in value)) return value;
  return { ...value, blob: mapped(value.blob) };
}
