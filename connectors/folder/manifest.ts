/** `manifest.json` of a study's folder: written last, so that a reader who finds a file in it knows the file is whole. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import { syncFolder, writeAtomically } from './atomic-file.ts';

export const MANIFEST = 'manifest.json';

const file = z.strictObject({
  path: z.string(),
  sizeBytes: z.int(),
  sha256: z.string(),
  mediaType: z.string(),
  sopInstanceUid: z.string().optional(),
});
const manifestSchema = z.strictObject({
  format: z.literal('hub-folder-1'),
  studyInstanceUid: z.string(),
  /** Highest revision of the study that was delivered here. */
  revision: z.int(),
  deliveries: z.array(
    z.strictObject({
      deliveryId: z.string(),
      /** In folders of our own only: what our routes are called is no partner's business. */
      route: z.string().optional(),
      revision: z.int(),
      files: z.int(),
    }),
  ),
  files: z.array(file),
});
type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = z.infer<typeof file>;

/** Adds a delivery's files to what earlier deliveries of the study brought; a file of the same path takes its place. */
export async function extendManifest(
  folder: string,
  delivery: {
    readonly deliveryId: string;
    readonly studyInstanceUid: string;
    readonly route: string;
    readonly revision: number;
    readonly partner?: string;
  },
  files: readonly ManifestFile[],
): Promise<void> {
  const before = await readManifest(folder);
  const { deliveryId, revision } = delivery;
  const route = delivery.partner === undefined ? { route: delivery.route } : {};
  const byPath = new Map((before?.files ?? []).map((each) => [each.path, each]));
  for (const each of files) byPath.set(each.path, each);
  const after: Manifest = {
    format: 'hub-folder-1',
    studyInstanceUid: delivery.studyInstanceUid,
    revision: Math.max(before?.revision ?? 0, revision),
    deliveries: [
      ...(before?.deliveries ?? []).filter((each) => each.deliveryId !== deliveryId),
      { deliveryId, ...route, revision, files: files.length },
    ],
    files: [...byPath.values()].sort((one, other) => (one.path < other.path ? -1 : 1)),
  };
  await writeAtomically(join(folder, MANIFEST), deliveryId, [Buffer.from(`${JSON.stringify(after, undefined, 2)}\n`)]);
  await syncFolder(folder);
}

async function readManifest(folder: string): Promise<Manifest | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, MANIFEST), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = manifestSchema.safeParse(parseJson(text));
  // Somebody's own file of that name must not be written over.
  if (!parsed.success)
    throw new HubError('partner.refused', { detail: `${MANIFEST} in the folder was not written by a hub` });
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the schema refuses undefined and says so.
    return undefined;
  }
}
