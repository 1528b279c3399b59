/** `manifest.json` of a study's folder: written last, so that a reader who finds a file in it knows the file is whole. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import type { DeliveryOrder } from '../core/plugins.ts';
import type { StudyFile } from './file-layout.ts';

export const MANIFEST = 'manifest.json';
/** Of a study of 100,000 instances; a longer one is none of ours. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

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
export type Manifest = z.infer<typeof manifestSchema>;
type ManifestFile = z.infer<typeof file>;

/** Adds a delivery's files to what earlier deliveries of the study brought; a file of the same path takes its place. */
export function extendManifest(
  before: Manifest | undefined,
  order: Pick<DeliveryOrder, 'deliveryId' | 'studyInstanceUid' | 'route' | 'revision' | 'partner'>,
  files: readonly StudyFile[],
): Manifest {
  const { deliveryId, revision } = order;
  const route = order.partner === undefined ? { route: order.route } : {};
  const byPath = new Map((before?.files ?? []).map((each) => [each.path, each]));
  for (const each of files) byPath.set(each.path, entryOf(each));
  return {
    format: 'hub-folder-1',
    studyInstanceUid: order.studyInstanceUid,
    revision: Math.max(before?.revision ?? 0, revision),
    deliveries: [
      ...(before?.deliveries ?? []).filter((each) => each.deliveryId !== deliveryId),
      { deliveryId, ...route, revision, files: files.length },
    ],
    files: [...byPath.values()].sort((one, other) => (one.path < other.path ? -1 : 1)),
  };
}

export function formatManifest(manifest: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** @throws {HubError} `partner.refused`: somebody's own file of that name must not be written over */
export function parseManifest(text: string): Manifest {
  const parsed = manifestSchema.safeParse(parseJson(text));
  if (!parsed.success)
    throw new HubError('partner.refused', { detail: `${MANIFEST} in the folder was not written by a hub` });
  return parsed.data;
}

function entryOf({ item, path }: StudyFile): ManifestFile {
  const { sizeBytes, sha256 } = item;
  return item.kind === 'instance'
    ? { path, sizeBytes, sha256, mediaType: 'application/dicom', sopInstanceUid: item.sopInstanceUid }
    : { path, sizeBytes, sha256, mediaType: item.mediaType };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the schema refuses undefined and says so.
    return undefined;
  }
}
