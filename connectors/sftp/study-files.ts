/** A study's files on an SFTP server: what is there whole is left, the rest is sent beside its name and renamed, the manifest last. */
import { HubError } from '../../core/errors.ts';
import type { DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import { eachOf } from '../../core/several-at-once.ts';
import type { ObjectStore } from '../../core/store.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { layOut, nameOf, type StudyFile } from '../file-layout.ts';
import {
  extendManifest,
  formatManifest,
  MANIFEST,
  type Manifest,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from '../study-manifest.ts';
import { openSession, type Server, type Session } from './session.ts';

interface Place {
  readonly path: string;
  readonly layout: string;
  readonly parallel: number;
}

export async function deliverStudy(
  server: Server,
  store: ObjectStore,
  { path: root, layout, parallel }: Place,
  order: DeliveryOrder,
  onDelivered: (sopInstanceUid: string) => void,
): Promise<void> {
  const { folder, files } = layOut(order, layout);
  const studyFolder = below(root, folder);
  attemptNotes()?.asked(`SFTP to ${server.host}, ${String(files.length)} files`);
  const session = await openSession(server, order.signal);
  try {
    const known = new Map((await readManifest(session, studyFolder))?.files.map((each) => [each.path, each.sha256]));
    const folders = new Set<string>();
    await eachOf(files, parallel, async ({ item, path }) => {
      order.signal.throwIfAborted();
      const target = `${studyFolder}/${path}`;
      if (!(await isWhole(session, target, { item, path }, order, known.get(path)))) {
        const parent = target.slice(0, target.lastIndexOf('/'));
        if (!folders.has(parent)) await session.makeFolders(parent);
        folders.add(parent);
        const source = await store.open(item.blob);
        try {
          await writeAtomically(session, target, order.deliveryId, source.stream());
        } finally {
          await source.close();
        }
      }
      if (item.kind === 'instance') onDelivered(item.sopInstanceUid);
    });
    await session.makeFolders(studyFolder);
    // Read again: another hub may have extended it while the files went.
    const manifest = extendManifest(await readManifest(session, studyFolder), order, files);
    await writeAtomically(session, `${studyFolder}/${MANIFEST}`, order.deliveryId, [formatManifest(manifest)]);
    attemptNotes()?.answered(`${String(files.length)} files and their manifest are there`);
  } finally {
    session.close();
  }
}

/** Stat of each file: that the bytes are right was seen to when they were sent. */
export async function reconcileStudy(
  server: Server,
  { path: root, layout, parallel }: Place,
  order: DeliveryOrder,
): Promise<Reconciliation> {
  const { folder, files } = layOut(order, layout);
  attemptNotes()?.asked(`SFTP stat to ${server.host}, ${String(files.length)} files`);
  const missing: string[] = [];
  const session = await openSession(server, order.signal);
  try {
    await eachOf(files, parallel, async ({ item, path }) => {
      if ((await session.look(`${below(root, folder)}/${path}`)) !== item.sizeBytes) missing.push(nameOf(item));
    });
  } finally {
    session.close();
  }
  attemptNotes()?.answered(`${String(files.length - missing.length)} have their size`);
  return { missing, detail: 'size of each file' };
}

/** Of the right size, and confirmed before, or in the manifest with its digest, or read back and found to have it. */
async function isWhole(
  session: Session,
  target: string,
  { item }: StudyFile,
  order: DeliveryOrder,
  digest: string | undefined,
): Promise<boolean> {
  if ((await session.look(target)) !== item.sizeBytes) return false;
  if (item.kind === 'instance' && order.delivered.has(item.sopInstanceUid)) return true;
  return digest === item.sha256 || (await session.digest(target)) === item.sha256;
}

/** A crash at any point leaves the old file or the new one under the name, never a part; a retry writes over what a killed attempt left. */
async function writeAtomically(
  session: Session,
  target: string,
  token: string,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const slash = target.lastIndexOf('/');
  const part = `${target.slice(0, slash)}/.${target.slice(slash + 1)}.${token}.part`;
  try {
    await session.write(part, body);
    await session.replace(part, target);
  } catch (error) {
    // What went wrong is what is told; a connection that is gone can remove nothing.
    await session.remove(part).catch(() => undefined);
    throw error;
  }
}

async function readManifest(session: Session, studyFolder: string): Promise<Manifest | undefined> {
  const bytes = await session.read(`${studyFolder}/${MANIFEST}`, MAX_MANIFEST_BYTES);
  return bytes === undefined ? undefined : parseManifest(bytes.toString('utf8'));
}

/** @throws {HubError} `partner.refused` for a root that is none */
export function below(root: string, path: string): string {
  const trimmed = root.replace(/\/+$/, '');
  if (path === '') throw new HubError('partner.refused', { detail: 'no folder for the study' });
  return trimmed === '' && root.startsWith('/') ? `/${path}` : `${trimmed}/${path}`;
}
