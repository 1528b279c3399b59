/** What the file system's errors mean for one file of a watched folder. */
import { errorCode } from '../spool/storage-failure.ts';

const VANISHED = new Set(['ENOENT', 'ENOTDIR']);
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS']);

/** It was deleted or renamed meanwhile. */
export function isVanished(error: unknown): boolean {
  return VANISHED.has(errorCode(error));
}

/** It is there, and not for us. */
export function isDenied(error: unknown): boolean {
  return DENIED.has(errorCode(error));
}

/** Whatever else a disk or a share says: it may say otherwise a moment later. */
export function isOfTheSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}
