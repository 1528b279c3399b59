/** What a backup says of itself. A folder without it is none: it is written last. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';

export const MANIFEST = 'backup.json';

/** Below the data folder, with `/`: nothing that could lead out of it. */
const path = z
  .string()
  .regex(/^(?:ledger\.db|(?:spool|store|keys)\/[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*)$/);

const manifest = z.strictObject({
  schema: z.literal('hub.backup/1'),
  hub: z.string(),
  node: z.string(),
  /** When the ledger was copied: what was acknowledged before is in the backup. */
  takenAt: z.iso.datetime(),
  files: z.array(
    z.strictObject({
      path,
      sizeBytes: z.int().min(0),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      /** Nanoseconds since 1970, as text: tells the next backup that a file has not changed. */
      modified: z.string().regex(/^\d+$/),
    }),
  ),
  /** Files that the disk did not give back. */
  unreadable: z.array(path),
});

export type BackupManifest = z.infer<typeof manifest>;
export type BackedUpFile = BackupManifest['files'][number];

/** @throws {HubError} `backup.unusable` when there is none, or it is not one of this version of the hub */
export async function readManifest(backup: string): Promise<BackupManifest> {
  let text: string;
  try {
    text = await readFile(join(backup, MANIFEST), 'utf8');
  } catch (error) {
    throw new HubError('backup.unusable', { detail: `${backup} has no ${MANIFEST}: it is no finished backup` }, error);
  }
  const parsed = manifest.safeParse(parseJson(text));
  if (!parsed.success) throw new HubError('backup.unusable', { detail: `${MANIFEST} is damaged or of a newer hub` });
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
