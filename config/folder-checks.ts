/** Watched folders that would get into each other's way, or into the hub's: what comes out of one must not go into another. */
import { resolve } from 'node:path';
import { KEPT_IN, keptIn } from './folders.ts';
import { entriesAt, isInside, type Report, valueAt } from './raw-values.ts';

const LIST = ['gateway', 'folders'];

interface Watched {
  readonly at: readonly PropertyKey[];
  readonly name: string | undefined;
  readonly path: string;
  /** Undefined: nothing that was taken is kept. */
  readonly kept: string | undefined;
}

export function reportWatchedFolders(raw: unknown, report: Report): void {
  const written = valueAt(raw, ['hub', 'data']);
  const data = resolve(typeof written === 'string' ? written : './data');
  const folders = watchedIn(raw);
  for (const [index, folder] of folders.entries()) {
    const { at, path, kept } = folder;
    if (isInside(data, path)) report([...at, 'path'], "inside the hub's own data folder (hub.data)");
    else if (isInside(path, data)) report([...at, 'path'], "holds the hub's own data folder (hub.data)");
    if (kept !== undefined && isInside(kept, path)) {
      report([...at, 'keepIn'], 'taken files would stay in the watched folder');
    } else if (kept !== undefined && !isInside(path, kept) && isInside(data, kept)) {
      report([...at, 'keepIn'], "inside the hub's own data folder (hub.data)");
    }
    for (const other of folders.slice(0, index)) reportOverlap(folder, other, report);
  }
  reportKeptInOthers(folders, report);
  reportDestinationsInside(raw, folders, report);
  reportTwoRules(raw, report);
}

function reportOverlap(folder: Watched, other: Watched, report: Report): void {
  const name = other.name ?? 'a folder above';
  const at = [...folder.at, 'path'];
  if (folder.path === other.path) report(at, `the folder of ${name}: a file would come from one or the other`);
  else if (isInside(other.path, folder.path))
    report(at, `inside the folder of ${name}, which is watched with all in it`);
  else if (isInside(folder.path, other.path)) report(at, `holds the folder of ${name}, which is watched by itself`);
}

function reportKeptInOthers(folders: readonly Watched[], report: Report): void {
  for (const [index, folder] of folders.entries()) {
    const { kept, path } = folder;
    const sharing = folders.slice(0, index).find((each) => each.kept === kept && each.path !== path);
    if (kept !== undefined && sharing !== undefined) {
      const name = sharing.name ?? 'a folder above';
      report([...folder.at, 'keepIn'], `where ${name} keeps its files: one could take the place of another`);
    }
    // Folders inside folders were told of by themselves.
    if (kept === undefined || isInside(folder.path, kept)) continue;
    const other = folders.find((each) => isInside(each.path, kept) && !isKeptBy(each, kept));
    if (other === undefined) continue;
    report(
      [...folder.at, 'keepIn'],
      `inside the folder of ${other.name ?? 'another'}, which would take the files again`,
    );
  }
}

function reportDestinationsInside(raw: unknown, folders: readonly Watched[], report: Report): void {
  for (const { index, value } of entriesAt(raw, ['destinations'])) {
    if (value['type'] !== 'folder' || typeof value['path'] !== 'string') continue;
    const path = resolve(value['path']);
    const around = folders.find((each) => isInside(each.path, path) && !isKeptBy(each, path));
    if (around === undefined) continue;
    const name = around.name ?? 'an entry of gateway.folders';
    report(
      ['destinations', index, 'path'],
      `inside the watched folder of ${name}: what is delivered would come in again`,
    );
  }
}

/** A source of two doors has one rule. */
function reportTwoRules(raw: unknown, report: Report): void {
  const ofSources = entriesAt(raw, ['gateway', 'dimse', 'sources']).filter(({ value }) => 'completion' in value);
  for (const { index, name, value } of entriesAt(raw, LIST)) {
    if (name === undefined || !('completion' in value)) continue;
    if (!ofSources.some((source) => source.name === name)) continue;
    report([...LIST, index, 'completion'], `the source ${name} has its completion under gateway.dimse.sources`);
  }
}

function watchedIn(raw: unknown): readonly Watched[] {
  return entriesAt(raw, LIST).flatMap(({ index, name, value }) => {
    const { path, keepIn, whenTaken } = value;
    if (typeof path !== 'string') return [];
    // Studies of ParaVision are kept where files are deleted, unless they are to stay.
    const studies = valueAt(value, ['paravision', 'whenTaken']) ?? 'keep';
    const keepsNothing = whenTaken === 'delete' && studies !== 'keep';
    const kept = keepsNothing ? undefined : keptIn(path, typeof keepIn === 'string' ? keepIn : KEPT_IN);
    return [{ at: [...LIST, index], name, path: resolve(path), kept }];
  });
}

function isKeptBy({ kept }: Watched, path: string): boolean {
  return kept !== undefined && isInside(kept, path);
}
