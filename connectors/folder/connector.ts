/** Delivers into a folder: instances where its layout says, artefacts below the study's folder, and a manifest at the end. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { HubError } from '../../core/errors.ts';
import type { Diagnosis } from '../../core/diagnosis.ts';
import type { Connector, ConnectorContext, DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import { layOut, nameOf } from '../file-layout.ts';
import { extendManifest, formatManifest, MANIFEST, type Manifest, parseManifest } from '../study-manifest.ts';
import { studyTurns } from '../study-turns.ts';
import { hasContent, syncFolder, writeAtomically } from './atomic-file.ts';
import { probeFolder } from './probe.ts';
import type { FolderOptions } from './options.ts';

export function open({ path, layout: template }: FolderOptions, context: ConnectorContext): Connector {
  const root = resolve(path);
  const turns = studyTurns();
  const translated = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw translate(error);
    }
  };
  return {
    deliver: (order, onDelivered) =>
      turns.run(order.studyInstanceUid, () =>
        translated(() => deliver({ root, template }, context, order, onDelivered)),
      ),
    reconcile: (order) => translated(() => reconcile({ root, template }, order)),
    close: () => turns.idle(),
  };
}

export function probe({ path }: FolderOptions): AsyncIterable<Diagnosis> {
  return probeFolder(resolve(path));
}

interface Place {
  readonly root: string;
  readonly template: string;
}

async function deliver(
  { root, template }: Place,
  { store }: ConnectorContext,
  order: DeliveryOrder,
  onDelivered: (sopInstanceUid: string) => void,
): Promise<void> {
  const plan = layOut(order, template);
  const studyFolder = join(root, plan.folder);
  const folders = new Set([root, ...foldersUpTo(root, studyFolder)]);
  for (const { item, path } of plan.files) {
    order.signal.throwIfAborted();
    const target = join(studyFolder, path);
    await mkdir(dirname(target), { recursive: true });
    for (const each of foldersUpTo(studyFolder, dirname(target))) folders.add(each);
    if (await hasContent(target, item.sizeBytes, item.sha256)) continue;
    const source = await store.open(item.blob);
    try {
      await writeAtomically(target, order.deliveryId, source.stream());
    } finally {
      await source.close();
    }
  }
  // The names must be durable before the manifest promises them.
  await mkdir(studyFolder, { recursive: true });
  for (const each of folders) await syncFolder(each);
  const manifest = extendManifest(await readManifest(studyFolder), order, plan.files);
  await writeAtomically(join(studyFolder, MANIFEST), order.deliveryId, [formatManifest(manifest)]);
  await syncFolder(studyFolder);
  for (const { item } of plan.files) if (item.kind === 'instance') onDelivered(item.sopInstanceUid);
}

/** Size and digest of each file, as the folder gives them back. */
async function reconcile({ root, template }: Place, order: DeliveryOrder): Promise<Reconciliation> {
  const plan = layOut(order, template);
  const missing: string[] = [];
  for (const { item, path } of plan.files) {
    order.signal.throwIfAborted();
    if (!(await hasContent(join(root, plan.folder, path), item.sizeBytes, item.sha256))) missing.push(nameOf(item));
  }
  return { missing, detail: 'size and digest of each file' };
}

/** Below the first, up to the last and it. */
function foldersUpTo(root: string, last: string): readonly string[] {
  const found: string[] = [];
  for (let each = last; each.length > root.length; each = dirname(each)) found.push(each);
  return found;
}

async function readManifest(studyFolder: string): Promise<Manifest | undefined> {
  try {
    return parseManifest(await readFile(join(studyFolder, MANIFEST), 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
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
