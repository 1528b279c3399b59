/**
 * Copies received instances out of the segments as plain Part 10 files, `STUDY/SERIES/INSTANCE.dcm`, byte for byte. It
 * asks nothing but the segments, so it works beside a running hub, without one, and without a ledger.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import { fileSource } from './byte-sources.ts';
import { type Catalogue, currentContents, type InstanceEntry, isInstance, openIfThere } from './catalogue.ts';
import type { SpoolFile, SpoolFiles } from './files.ts';
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
  const current = currentContents(entries);
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
        const isCurrent = current.get(description.sopInstanceUid) === description.dataSetSha256;
        const { path, isBeside } = await freePath(file, entry, options.out, isCurrent);
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
  out: string,
  isCurrent: boolean,
): Promise<{ readonly path: string; readonly isBeside: boolean }> {
  for (const path of isCurrent ? [pathOf(out, entry, true), pathOf(out, entry, false)] : [pathOf(out, entry, false)]) {
    const isTaken = (await lstat(path).catch(() => undefined)) !== undefined;
    if (!isTaken || (await isThere(file, entry, path)))
      return { path, isBeside: isCurrent && path !== pathOf(out, entry, true) };
  }
  throw new HubError('resource.conflict', { detail: `${pathOf(out, entry, false)} is there and something else` });
}

/** UIDs are digits and dots: they cannot leave the folder. */
function pathOf(out: string, { description }: InstanceEntry, isCurrent: boolean): string {
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, dataSetSha256 } = description;
  const name = isCurrent ? sopInstanceUid : `${sopInstanceUid}.${dataSetSha256.slice(0, DIGITS_OF_DIGEST)}`;
  return join(out, studyInstanceUid, seriesInstanceUid, `${name}.dcm`);
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
    const digest = createHash('sha256');
    try {
      let at = bodyOffset;
      for await (const chunk of fileSource(file, bodyOffset, entry.sizeBytes).stream()) {
        await target.writeFile(chunk);
        digest.update(chunk.subarray(Math.max(0, Math.min(chunk.length, dataSetOffset - at))));
        at += chunk.length;
      }
      // A name is given to bytes that are on the disk: after a power cut no file is there that is not whole.
      await target.sync();
    } finally {
      await target.close();
    }
    if (digest.digest('hex') !== entry.description.dataSetSha256) {
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
    const prefix = Buffer.alloc(dataSetOffset - bodyOffset);
    await target.read(prefix, 0, prefix.length, 0);
    const expected = await fileSource(file, bodyOffset, prefix.length).read(0, prefix.length);
    const digest = createHash('sha256');
    for await (const chunk of target.createReadStream({ start: prefix.length, autoClose: false })) {
      digest.update(chunk as Buffer);
    }
    return prefix.equals(expected) && digest.digest('hex') === entry.description.dataSetSha256;
  } finally {
    await target.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
