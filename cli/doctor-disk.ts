/** Whether the data folder can keep the promise: on a disk of this machine that really syncs, with room, and nobody looking in. */
import { randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Diagnosis, fine, skipped, warning, wrong } from '../core/diagnosis.ts';
import type { Config } from '../wiring/shapes.ts';

const SYNCS = 5;
const BLOCK = 4096;
/** Faster than any disk answers over a bus; what does not reach a disk takes a few microseconds. */
const TOO_FAST_MS = 0.015;
const SLOW_MS = 50;
/** Of the way to the watermark, what is left when the warning begins. */
const NEAR = 0.1;

/** statfs(2): what holds nothing over a power cut, and what is not of this machine. */
const FILE_SYSTEMS: Readonly<Record<number, { readonly name: string; readonly trouble?: 'memory' | 'network' }>> = {
  0xef53: { name: 'ext4' },
  0x58465342: { name: 'XFS' },
  0x9123683e: { name: 'Btrfs' },
  0x2fc12fc1: { name: 'ZFS' },
  0x794c7630: { name: 'overlay (inside a container image)' },
  0x01021994: { name: 'tmpfs', trouble: 'memory' },
  0x858458f6: { name: 'ramfs', trouble: 'memory' },
  0x6969: { name: 'NFS', trouble: 'network' },
  0xff534d42: { name: 'CIFS', trouble: 'network' },
  0xfe534d42: { name: 'SMB', trouble: 'network' },
  0x517b: { name: 'SMB', trouble: 'network' },
  0x01021997: { name: '9p', trouble: 'network' },
  0x65735546: { name: 'FUSE', trouble: 'network' },
  0x00c36400: { name: 'Ceph', trouble: 'network' },
};

export async function* examineDisk(config: Config): AsyncGenerator<Diagnosis> {
  const data = resolve(config.hub.data);
  const folder = await nearest(data);
  if (folder !== data) {
    yield skipped(
      'data.folder',
      `${data} is not there yet`,
      `The first start makes it; below, ${folder} is looked at.`,
    );
  }
  const { type } = await statfs(folder);
  yield fileSystem(type, folder);
  yield measured(folder);
  yield await room(folder, config.gateway.disk);
  if (folder === data) yield* permissions(data);
}

async function nearest(path: string): Promise<string> {
  const isThere = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isThere || path === dirname(path) ? path : await nearest(dirname(path));
}

function fileSystem(type: number, folder: string): Diagnosis {
  const known = FILE_SYSTEMS[type];
  const name = known?.name ?? `file system 0x${type.toString(16)}`;
  const trouble = known?.trouble;
  switch (trouble) {
    case 'memory':
      return warning(
        'data.file-system',
        `The data folder is on ${name}: in memory`,
        'With the power goes everything that was received, though its sender was told that it is safe.',
        'Put hub.data on a disk of this machine. For a demonstration it does not matter.',
      );
    case 'network':
      return warning(
        'data.file-system',
        `The data folder is on ${name}: not on a disk of this machine`,
        'Locks and syncs of such file systems are often not honoured; the ledger may be damaged, and receiving stops with the network.',
        'Put hub.data on a disk of this machine (ext4, XFS).',
      );
    case undefined:
      return fine('data.file-system', `${folder} is on ${name}`);
    default:
      return trouble satisfies never;
  }
}

/** The sync that every acknowledgement waits for, as it is on this disk. */
function measured(folder: string): Diagnosis {
  const path = join(folder, `.hub-doctor-${randomBytes(6).toString('hex')}`);
  const tookMs: number[] = [];
  try {
    const file = openSync(path, 'wx', 0o600);
    try {
      const block = randomBytes(BLOCK);
      for (let round = 0; round < SYNCS; round += 1) {
        writeSync(file, block);
        const startedMs = performance.now();
        fdatasyncSync(file);
        tookMs.push(performance.now() - startedMs);
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    return wrong(
      'data.write',
      `The data folder cannot be written: ${String(error.code)}`,
      `The user of this command (${process.getuid?.() ?? ''}) may not write in ${folder}, it is mounted read-only, or it is full.`,
      `Run this command as the hub's user. "ls -ld ${folder}", "findmnt -T ${folder}" and "df -h ${folder}" show which it is.`,
    );
  } finally {
    rmSync(path, { force: true });
  }
  const medianMs = tookMs.toSorted((one, other) => one - other)[SYNCS >> 1] ?? 0;
  const what = `A sync takes ${medianMs.toFixed(2)} ms`;
  if (medianMs < TOO_FAST_MS) {
    return warning(
      'data.sync',
      what,
      'No disk is that fast: something in between says "done" before the bytes are safe.',
      "Switch the sync back on where it was switched off: the virtual machine's disk cache mode (not writeback or unsafe), mount options (no nobarrier), eatmydata.",
    );
  }
  if (medianMs > SLOW_MS) {
    return warning(
      'data.sync',
      what,
      'Each image waits for one before its sender is answered: scanners will find the hub slow.',
      'Look at the disk ("iostat -x 1") for a failing drive or another program that writes much; an SSD takes 1 ms.',
    );
  }
  return fine('data.sync', `The data folder can be written; ${what.toLowerCase()}`);
}

async function room(folder: string, limits: Config['gateway']['disk']): Promise<Diagnosis> {
  const { blocks, bfree, bavail, bsize } = await statfs(folder);
  const used = (blocks - bfree) / Math.max(1, blocks - bfree + bavail);
  const freeBytes = bavail * bsize;
  const what = `${(used * 100).toFixed(0)} % of the disk is used, ${gigabytes(freeBytes)} are free`;
  const watermark = `gateway.disk lets it receive up to ${(limits.maxUsedFraction * 100).toFixed(0)} % used and down to ${gigabytes(limits.minFreeBytes)} free`;
  const remedy = `Free space on the disk of ${folder} ("df -h ${folder}"), or move hub.data to a larger one while the hub is stopped. Never delete files in the data folder by hand.`;
  if (used > limits.maxUsedFraction || freeBytes < limits.minFreeBytes) {
    return wrong(
      'disk',
      what,
      `${watermark}: now it refuses every image (C-STORE status A700, STOW-RS 507); senders try again later.`,
      remedy,
    );
  }
  const isNear = used > limits.maxUsedFraction - NEAR || freeBytes < limits.minFreeBytes * (1 + NEAR);
  return isNear ? warning('disk', what, `${watermark}: that is near.`, remedy) : fine('disk', what);
}

/** Keys make pseudonyms reversible: theirs are the eyes that count. */
async function* permissions(data: string): AsyncGenerator<Diagnosis> {
  const keys = join(data, 'keys');
  const open: string[] = [];
  const names = await readdir(keys).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  });
  if (names === 'ENOENT') {
    yield fine('keys', 'No keys are kept yet');
    return;
  }
  if (typeof names === 'string') {
    yield wrong(
      'keys',
      `${keys} cannot be read: ${names}`,
      'It belongs to another user than the one who runs this command.',
      "Run this command as the hub's user; the data folder must belong to that user alone.",
    );
    return;
  }
  for (const path of [keys, ...names.map((name) => join(keys, name))]) {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) open.push(path);
  }
  yield open.length === 0
    ? fine('keys', 'Nobody else on this machine can read the keys')
    : wrong(
        'keys',
        'Others on this machine can read keys',
        `${open.join(', ')}. With the keys, pseudonyms can be traced back to patients.`,
        `chmod 700 ${keys}; chmod 600 ${keys}/*`,
      );
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
