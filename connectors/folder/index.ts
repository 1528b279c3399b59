/** Delivers into a folder: `<study>/<series>/<instance>.dcm`, artefacts under `<study>/`, and a manifest at the end. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type {
  Connector,
  ConnectorContext,
  ConnectorPlugin,
  DeliveryOrder,
  Reconciliation,
} from '../../core/plugins.ts';
import type { RunItem } from '../../core/store.ts';
import { destinationOptions, verifyAfter } from '../destination-options.ts';
import { hasContent, syncFolder, writeAtomically } from './atomic-file.ts';
import { extendManifest, MANIFEST, type ManifestFile } from './manifest.ts';
import { probeFolder } from './probe.ts';

const options = z.strictObject({
  ...destinationOptions,
  type: z.literal('folder'),
  verify: verifyAfter,
  path: z.string().min(1).describe('Folder that gets one folder a study; made when it is not there.'),
});
type FolderOptions = z.infer<typeof options>;

export const folder: ConnectorPlugin<FolderOptions> = {
  type: 'folder',
  options,
  open: (given, context) => openFolder(resolve(given.path), context),
  probe: (given) => probeFolder(resolve(given.path)),
};

function openFolder(root: string, context: ConnectorContext): Connector {
  /** The last delivery into each study's folder: two at once would each write a manifest without the other's files. */
  const busy = new Map<string, Promise<void>>();
  return {
    deliver: async (order, onDelivered) => {
      const study = order.studyInstanceUid;
      const before = busy.get(study) ?? Promise.resolve();
      const work = before.then(() => deliver(root, context, order, onDelivered));
      const settled = work.then(
        () => undefined,
        () => undefined,
      );
      busy.set(study, settled);
      try {
        await work;
      } catch (error) {
        throw translate(error);
      } finally {
        if (busy.get(study) === settled) busy.delete(study);
      }
    },
    reconcile: async (order) => {
      try {
        return await reconcile(root, order);
      } catch (error) {
        throw translate(error);
      }
    },
    close: async () => {
      await Promise.all(busy.values());
    },
  };
}

async function deliver(
  root: string,
  { store }: ConnectorContext,
  order: DeliveryOrder,
  onDelivered: (sopInstanceUid: string) => void,
): Promise<void> {
  const studyFolder = join(root, uidAsName(order.studyInstanceUid));
  const files: ManifestFile[] = [];
  const folders = new Set([root, studyFolder]);
  for (const item of order.items) {
    order.signal.throwIfAborted();
    const path = pathOf(item, resultsOf(order));
    const target = join(studyFolder, path);
    const { sizeBytes, sha256 } = item;
    await mkdir(dirname(target), { recursive: true });
    for (let each = dirname(target); each !== studyFolder; each = dirname(each)) folders.add(each);
    if (!(await hasContent(target, sizeBytes, sha256))) {
      const source = await store.open(item.blob);
      try {
        await writeAtomically(target, order.deliveryId, source.stream());
      } finally {
        await source.close();
      }
    }
    files.push(
      item.kind === 'instance'
        ? { path, sizeBytes, sha256, mediaType: 'application/dicom', sopInstanceUid: item.sopInstanceUid }
        : { path, sizeBytes, sha256, mediaType: item.mediaType },
    );
  }
  // The names must be durable before the manifest promises them.
  await mkdir(studyFolder, { recursive: true });
  for (const each of folders) await syncFolder(each);
  await extendManifest(studyFolder, order, files);
  for (const { sopInstanceUid } of files) if (sopInstanceUid !== undefined) onDelivered(sopInstanceUid);
}

/** Size and digest of each file, as the folder gives them back. */
async function reconcile(root: string, order: DeliveryOrder): Promise<Reconciliation> {
  const studyFolder = join(root, uidAsName(order.studyInstanceUid));
  const missing: string[] = [];
  for (const item of order.items) {
    order.signal.throwIfAborted();
    const target = join(studyFolder, pathOf(item, resultsOf(order)));
    if (await hasContent(target, item.sizeBytes, item.sha256)) continue;
    missing.push(item.kind === 'instance' ? item.sopInstanceUid : item.name);
  }
  return { missing, detail: 'size and digest of each file' };
}

/** Pictures and reports speak of one revision: the next one's stand beside them, and what a webhook named stays as it was. */
function resultsOf({ revision, deliveryId }: DeliveryOrder): string {
  return `results/r${String(revision)}-${deliveryId.slice(0, 8)}`;
}

/** Below the study's folder, with forward slashes. */
function pathOf(item: RunItem, results: string): string {
  switch (item.kind) {
    case 'instance':
      return `${uidAsName(item.seriesInstanceUid)}/${uidAsName(item.sopInstanceUid)}.dcm`;
    case 'artefact':
      assert(ARTEFACT_NAME.test(item.name) && item.name !== MANIFEST, 'an artefact is named by UIDs and fixed words');
      return `${results}/${item.name}`;
    default:
      return item satisfies never;
  }
}

/** Segments of harmless characters that do not begin with a dot: no way out of the folder, no clash with parts being written. */
const ARTEFACT_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

function uidAsName(uid: string): string {
  if (!isUid(uid)) throw new HubError('dataset.uid-invalid');
  return uid;
}

function translate(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof HubError || !('syscall' in error) || !('code' in error))
    return error;
  const code = String(error.code);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new HubError('store.full', { detail: 'the destination folder is full' }, error);
  // A share that is not mounted or writable now may be so later.
  return new HubError('partner.unreachable', { detail: `the folder cannot be written: ${code}` }, error);
}
