/**
 * Copies received instances out of the segments as plain Part 10 files, `STUDY/SERIES/INSTANCE.dcm`, byte for byte. It
 * asks nothing but the segments, so it works beside a running hub, without one, and without a ledger.
 */
import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import { fileSource } from './byte-sources.ts';
import {
  type Catalogue,
  currentContents,
  type DigestOf,
  digestReader,
  type InstanceEntry,
  isInstance,
  openIfThere,
} from './catalogue.ts';
import { ContentCheck } from './content.ts';
import { type SpoolFile, type SpoolFiles, syncFolder } from './files.ts';
import { storageFailure } from './storage-failure.ts';

export interface ExportOptions {
  readonly out: string;
  /** Study Instance UID; undefined is all. */
  readonly study?: string | undefined;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Exported {
  readonly written: number;
  /** There already, with these bytes. */
  readonly already: number;
  /** Contents that are not the current one of their UID; named INSTANCE.DIGEST.dcm. */
  readonly otherContents: number;
  /** Written as INSTANCE.DIGEST.dcm too, because a file that is something else has their name. */
  readonly besides: number;
  readonly damaged: readonly { readonly studyInstanceUid: string; readonly sopInstanceUid: string }[];
  /** Refused content of the quarantine, which is not copied. */
  readonly quarantined: number;
}

const DIGITS_OF_DIGEST = 12;
const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;

/**
 * Begun again after a crash it goes on where it was: a file that has its name is whole.
 *
 * @throws {HubError} `store.full`, `store.failed`, `resource.conflict`; `command.interrupted` by the signal
 */
export async function exportInstances(
  files: Pick<SpoolFiles, 'openForReading'>,
  { entries }: Catalogue,
  options: ExportOptions,
): Promise<Exported> {
  const isWanted = (uid: string | undefined) => options.study === undefined || options.study === uid;
  const wanted = entries.filter(isInstance).filter(({ description }) => isWanted(description.studyInstanceUid));
  const quarantined = entries.filter(
    ({ description }) => description?.kind === 'quarantine' && isWanted(description.studyInstanceUid),
  ).length;
  const digestOf = digestReader(files);
  const current = await currentContents(entries, digestOf);
  const counts = { written: 0, already: 0, otherContents: 0, besides: 0 };
  const damaged: { studyInstanceUid: string; sopInstanceUid: string }[] = [];
  const folders = new Set<string>();
  const seen = new Set<string>();
  let done = 0;
  // Segment by segment: the disk reads forwards, and one file is open at a time.
  for (const [segment, ofSegment] of Map.groupBy(wanted, (entry) => entry.segment)) {
    const file = await openIfThere(files, segment);
    if (file === undefined) continue; // Removed since: it was delivered and old.
    try {
      for (const entry of ofSegment) {
        if (options.signal?.aborted === true) throw new HubError('command.interrupted');
        const { description } = entry;
        const digest = current.get(description.sopInstanceUid);
        const isCurrent = digest === undefined || digest === (await digestOf(entry));
        const { path, isBeside } = await freePath(file, entry, { out: options.out, isCurrent, digestOf });
        // A repeat that was taken while the ledger was not asked: the same content once more.
        const outcome = seen.has(path) ? 'repeat' : await copyOut(file, entry, path, folders);
        if (outcome !== 'damaged') seen.add(path);
        if (outcome === 'damaged') damaged.push(description);
        else if (outcome !== 'repeat') {
          counts[outcome] += 1;
          if (!isCurrent) counts.otherContents += 1;
          if (isBeside) counts.besides += 1;
        }
        done += 1;
        options.onProgress?.(done, wanted.length);
      }
    } finally {
      await file.close();
    }
  }
  for (const folder of folders) await syncFolder(folder);
  return {
    ...counts,
    quarantined,
    damaged: damaged.map(({ studyInstanceUid, sopInstanceUid }) => ({ studyInstanceUid, sopInstanceUid })),
  };
}

/**
 * Nothing that is there is ever overwritten: a file gets its name when it is whole, so one that is something else is not ours,
 * or was current when the folder was written last.
 *
 * @throws {HubError} `resource.conflict`
 */
async function freePath(
  file: SpoolFile,
  entry: InstanceEntry,
  { out, isCurrent, digestOf }: { readonly out: string; readonly isCurrent: boolean; readonly digestOf: DigestOf },
): Promise<{ readonly path: string; readonly isBeside: boolean }> {
  const isFree = async (path: string) =>
    (await lstat(path).catch(() => undefined)) === undefined || (await isThere(file, entry, path));
  const own = pathOf(out, entry);
  if (isCurrent && (await isFree(own))) return { path: own, isBeside: false };
  const path = pathOf(out, entry, `.${(await digestOf(entry)).slice(0, DIGITS_OF_DIGEST)}`);
  if (await isFree(path)) return { path, isBeside: isCurrent };
  throw new HubError('resource.conflict', { detail: `${path} is there and something else` });
}

/** UIDs are digits and dots: they cannot leave the folder. */
function pathOf(out: string, { description }: InstanceEntry, which = ''): string {
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = description;
  return join(out, studyInstanceUid, seriesInstanceUid, `${sopInstanceUid}${which}.dcm`);
}

async function copyOut(
  file: SpoolFile,
  entry: InstanceEntry,
  path: string,
  folders: Set<string>,
): Promise<'written' | 'already' | 'damaged'> {
  const { bodyOffset, dataSetOffset } = entry.place;
  if (await isThere(file, entry, path)) return 'already';
  const temporary = `${path}.part`;
  try {
    const made = await mkdir(dirname(path), { recursive: true });
    for (const name of [path, dirname(path), ...(made === undefined ? [] : [made])]) folders.add(dirname(name));
    // Never through a link: what it points at is not ours.
    const target = await open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    const check = new ContentCheck(entry.description);
    try {
      let at = bodyOffset;
      for await (const chunk of fileSource(file, bodyOffset, entry.sizeBytes).stream()) {
        await target.writeFile(chunk);
        check.update(chunk.subarray(Math.max(0, Math.min(chunk.length, dataSetOffset - at))));
        at += chunk.length;
      }
      // A name is given to bytes that are on the disk: after a power cut no file is there that is not whole.
      await target.sync();
    } finally {
      await target.close();
    }
    if (!check.holds()) {
      await rm(temporary);
      return 'damaged';
    }
    await rename(temporary, path);
    return 'written';
  } catch (error) {
    throw storageFailure(error);
  }
}

async function isThere(file: SpoolFile, entry: InstanceEntry, path: string): Promise<boolean> {
  const target = await open(path, 'r').catch(() => undefined);
  if (target === undefined) return false;
  try {
    const { bodyOffset, dataSetOffset } = entry.place;
    if ((await target.stat()).size !== entry.sizeBytes) return false;
    const check = new ContentCheck(entry.description);
    let at = bodyOffset;
    for await (const chunk of fileSource(file, bodyOffset, entry.sizeBytes).stream()) {
      const there = Buffer.alloc(chunk.length);
      await target.read(there, 0, there.length, at - bodyOffset);
      if (!there.equals(chunk)) return false;
      check.update(chunk.subarray(Math.max(0, Math.min(chunk.length, dataSetOffset - at))));
      at += chunk.length;
    }
    return check.holds();
  } finally {
    await target.close();
  }
}
