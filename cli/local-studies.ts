/** ParaVision studies below a path: their reconstructions are instances like those of DICOM files, made while they are read. */
import { basename, dirname, join, relative, sep } from 'node:path';
import type { HubError } from '../core/errors.ts';
import type { ByteSource } from '../core/store.ts';
import { itemsOf, recognise, recogniseScan, studyRootOf, type StudyFolder } from '../paravision/study-folder.ts';

/** A Part 10 file that is made of something else. */
export interface MadeInstance {
  /** What it is made of. */
  readonly path: string;
  readonly open: () => Promise<ByteSource>;
}

export interface LocalStudies {
  readonly made: readonly MadeInstance[];
  readonly broken: readonly { readonly path: string; readonly error: HubError }[];
  /** What is worth a look although it could be read: where, and why. */
  readonly remarks: readonly { readonly path: string; readonly text: string }[];
  /** Reconstructions that are no images. */
  readonly others: readonly string[];
  /** False for a file that is a part of a study, and told of with it. */
  readonly isApart: (path: string) => boolean;
}

/** What ParaVision exported beside a reconstruction stands for it. */
const EXPORTED = /[/\\](\d+)[/\\]pdata[/\\](\d+)[/\\]dicom[/\\]/;
/** Commands are interrupted between instances. */
const NEVER = new AbortController().signal;

/** @param paths - of all files below the root */
export async function localStudies(root: string, paths: readonly string[]): Promise<LocalStudies> {
  const studies = await studiesAmong(root, paths);
  const exported = new Set(paths.flatMap((path) => exportedOf(path) ?? []));
  const made: MadeInstance[] = [];
  const broken: { path: string; error: HubError }[] = [];
  const remarks: { path: string; text: string }[] = [];
  const others: string[] = [];
  for (const study of studies)
    for await (const item of itemsOf(study)) {
      const path = join(study.path, item.name);
      if (exported.has(path)) continue;
      if (item.kind === 'image') {
        made.push({ path: join(path, '2dseq'), open: async () => (await item.open(NEVER)).source });
        if (item.remark !== undefined) remarks.push({ path, text: item.remark });
      } else if (item.kind === 'broken') broken.push({ path, error: item.error });
      else others.push(`${relative(root, path) || item.name} (${item.reason})`);
    }
  const folders = studies.flatMap(({ path, scans }) => scans.map((scan) => `${join(path, scan)}${sep}`));
  const subjects = new Set(studies.map(({ path }) => join(path, 'subject')));
  return {
    ...{ made, broken, remarks, others },
    isApart: (path) =>
      exportedOf(path) !== undefined || !(subjects.has(path) || folders.some((folder) => path.startsWith(folder))),
  };
}

async function studiesAmong(root: string, paths: readonly string[]): Promise<readonly StudyFolder[]> {
  const scan = await recogniseScan(root);
  if (scan !== undefined) return [scan];
  const candidates = new Set(paths.flatMap((path) => studyRootOf(path) ?? []).map((folder) => folder || '.'));
  const studies: StudyFolder[] = [];
  for (const folder of [...candidates].toSorted()) {
    const study = await recognise(folder);
    if (study !== undefined) studies.push(study);
  }
  return studies;
}

/** The folder of the reconstruction that the file was exported from. */
function exportedOf(path: string): string | undefined {
  if (!EXPORTED.test(path)) return undefined;
  let folder = dirname(path);
  while (basename(folder) !== 'dicom') folder = dirname(folder);
  return dirname(folder);
}
