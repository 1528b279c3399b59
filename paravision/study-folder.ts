/**
 * ParaVision study folders: `subject`, and a folder for each scan (EXPNO) with `acqp`, `method` and a folder `pdata/M` for
 * each reconstruction (PROCNO). Every scan is spoken of, whether there is a picture in it or not.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { type ErrorCode, HubError } from '../core/errors.ts';
import { type Converted, convert } from './converted.ts';
import type { JcampFile } from './jcamp.ts';
import { isFolder, isParameterFile, namesIn, openInPlace, readParameters } from './files.ts';
import type { Place } from './identity.ts';
import { Parameters } from './parameters.ts';
import { Reconstruction } from './reconstruction.ts';
import { visuFrom } from './without-visu.ts';

export type StudyItem =
  /** A picture; `open` makes the Part 10 file. */
  | (ItemPlace & {
      readonly kind: 'image';
      readonly open: (signal: AbortSignal) => Promise<Converted>;
      /** What a person should look at although it could be converted. */
      readonly remark?: string;
    })
  /** Aborted, cut off, contradicting itself. */
  | (ItemPlace & { readonly kind: 'broken'; readonly error: HubError })
  /** Spectroscopy, an adjustment: nothing that could be one. */
  | (ItemPlace & { readonly kind: 'no-image'; readonly reason: string });

export interface ItemPlace {
  /** Name of the scan folder. */
  readonly scan: string;
  /** `N`, or `N/pdata/M` of a reconstruction. */
  readonly name: string;
}

export interface StudyFolder {
  readonly path: string;
  /** Below the study folder, in the order of their numbers. */
  readonly scans: readonly string[];
  /** Somebody asked for this one scan: where it is a link, what that leads to is meant. */
  readonly isAsked?: true;
  /** Its name, where the folder has another: a study that says nothing else of itself is told apart by it. */
  readonly called?: string | undefined;
}

/** Of a scan, and of a derived data set, which has no acquisition. */
const OF_A_SCAN = /^(?:(.*)[/\\])?[1-9]\d{0,4}[/\\](?:acqp|pdata[/\\]\d+[/\\]visu_pars)$/su;
const NUMBER = /^[1-9]\d{0,4}$/;
/** So many scan folders are asked whether they are some, before a folder of numbers is none. */
const MOST_ASKED = 3;
const WITHOUT_VISU =
  'visu_pars is missing, as after an aborted reconstruction or in old studies; geometry and scale were put together from acqp, method and reco';
const TURNED =
  'its slices are said to lie beside each other (VisuCorePosition does not go with VisuCoreOrientation, as after a change by hand); they were stacked along the orientation';
/** Of `visu_pars`, what all scans of a study have alike. */
const OF_THE_STUDY = /^Visu(?:Study|Subject(?!Position))/;

/**
 * Whether a folder is a study of ParaVision's, or one scan of one.
 *
 * @param names - of its entries, when they are known
 */
export async function recognise(path: string, names?: readonly string[]): Promise<StudyFolder | undefined> {
  const entries = names ?? (await namesIn(path));
  const numbered = entries.filter((name) => NUMBER.test(name)).toSorted((a, b) => Number(a) - Number(b));
  if (numbered.length === 0) return undefined;
  const isStudy =
    (entries.includes('subject') && (await isParameterFile(join(path, 'subject')))) ||
    (await anyOf(
      numbered.slice(0, MOST_ASKED),
      async (name) => (await isFolder(join(path, name))) && isScan(join(path, name)),
    ));
  return isStudy ? { path, scans: numbered } : undefined;
}

/** As a watched folder asks for it. */
export const paravisionStudies = {
  recognise: async (path: string, names: readonly string[], called?: string) => {
    const folder = await recognise(path, names);
    return folder === undefined ? undefined : { items: () => itemsOf({ ...folder, called }) };
  },
  rootOf: studyRootOf,
};

/** The folder that is a study if a file of this name is what it is called; undefined where the name says nothing. */
export function studyRootOf(name: string): string | undefined {
  const found = OF_A_SCAN.exec(name);
  return found === null ? undefined : (found[1] ?? '');
}

/** Whether a folder is one scan: then its study folder is the one above it. */
export async function recogniseScan(path: string): Promise<StudyFolder | undefined> {
  const absolute = resolve(path);
  const name = basename(absolute);
  if (!NUMBER.test(name) || !(await isScan(absolute))) return undefined;
  return { path: dirname(absolute), scans: [name], isAsked: true };
}

/**
 * What there is in a study, scan by scan.
 *
 * @throws the disk's errors as they are; what is wrong with a scan is an item
 */
export async function* itemsOf({ path, scans, isAsked, called }: StudyFolder): AsyncGenerator<StudyItem> {
  const study = called ?? basename(resolve(path));
  for (const scan of scans) {
    if (isAsked !== true && !(await isFolder(join(path, scan)))) continue;
    const inner = await namesIn(join(path, scan));
    // A folder of a number that is no scan: somebody's own. An acqp of nothing is a scan's that the disk had no room for.
    if (!inner.includes('acqp') && !(await isScan(join(path, scan), inner))) continue;
    const numbers = await reconstructionsOf(join(path, scan));
    if (numbers.length === 0) {
      yield { kind: 'broken', scan, name: scan, error: incomplete('there is no reconstruction below pdata') };
      continue;
    }
    for (const number of numbers.toSorted((a, b) => Number(a) - Number(b)))
      yield await itemOf(path, { study, scan, number }).catch((error: unknown): StudyItem => {
        const name = `${scan}/pdata/${number}`;
        if (!(error instanceof HubError)) throw error;
        if (error.fields['isNoImage'] === true) return { kind: 'no-image', scan, name, reason: 'spectroscopy' };
        return { kind: 'broken', scan, name, error };
      });
  }
}

async function itemOf(
  path: string,
  { study, scan, number }: { readonly study: string; readonly scan: string; readonly number: string },
): Promise<StudyItem> {
  const name = `${scan}/pdata/${number}`;
  const { parameters, isWithoutVisu } = await parametersOf(path, scan, name);
  const images = await openInPlace(join(path, name, '2dseq'));
  if (images === undefined) throw incomplete('there is no 2dseq');
  const { sizeBytes } = images;
  await images.close();
  if (sizeBytes === 0) throw incomplete('2dseq is empty');
  const reconstruction = new Reconstruction(parameters, sizeBytes);
  const place: Place = { study, scan: Number(scan), reconstruction: Number(number) };
  const open = async (signal: AbortSignal): Promise<Converted> => {
    const source = await openInPlace(join(path, name, '2dseq'));
    if (source === undefined) throw incomplete('there is no 2dseq');
    try {
      if (source.sizeBytes !== sizeBytes) throw incomplete('2dseq changed while it was read');
      return await convert(reconstruction, place, source, signal);
    } catch (error) {
      await source.close();
      throw error;
    }
  };
  const remarks = [...(isWithoutVisu ? [WITHOUT_VISU] : []), ...(reconstruction.geometry.isTurned ? [TURNED] : [])];
  return { kind: 'image', scan, name, open, ...(remarks.length === 0 ? {} : { remark: remarks.join('; ') }) };
}

/** `visu_pars` first, where it is; what it does not say stands in the others. */
async function parametersOf(
  study: string,
  scan: string,
  name: string,
): Promise<{ readonly parameters: Parameters; readonly isWithoutVisu: boolean }> {
  const visu = await readParameters(study, `${name}/visu_pars`);
  const acqp = await readParameters(study, `${scan}/acqp`);
  const method = await readParameters(study, `${scan}/method`);
  const reco = await readParameters(study, `${name}/reco`);
  const subject = await readParameters(study, 'subject');
  const others = [method, acqp, reco, subject].filter((file) => file !== undefined);
  if (visu !== undefined) return { parameters: new Parameters([visu, ...others]), isWithoutVisu: false };
  if (acqp === undefined || reco === undefined) throw incomplete('visu_pars is missing, and acqp or reco as well');
  const made = visuFrom(acqp, method, reco);
  const whose = subject === undefined ? await studyOfOthers(study) : undefined;
  const files = [made, ...others, ...(whose === undefined ? [] : [whose])];
  return { parameters: new Parameters(files), isWithoutVisu: true };
}

/** Without `subject` and `visu_pars` of its own, a scan is of whom the study's other scans are of. */
async function studyOfOthers(study: string): Promise<JcampFile | undefined> {
  for (const scan of (await namesIn(study)).filter((name) => NUMBER.test(name)).toSorted()) {
    if (!(await isFolder(join(study, scan)))) continue;
    for (const number of (await reconstructionsOf(join(study, scan))).toSorted()) {
      const visu = await readParameters(study, `${scan}/pdata/${number}/visu_pars`).catch((error: unknown) => {
        // It is told of where it stands.
        if (error instanceof HubError) return undefined;
        throw error;
      });
      if (visu === undefined) continue;
      const shared = [...visu.parameters].filter(([name]) => OF_THE_STUDY.test(name));
      return { name: visu.name, parameters: new Map(shared) };
    }
  }
  return undefined;
}

/** Names of the folders below `pdata`. @param scan - its folder */
async function reconstructionsOf(scan: string): Promise<readonly string[]> {
  const folder = join(scan, 'pdata');
  if (!(await isFolder(folder))) return [];
  const numbers: string[] = [];
  for (const name of await namesIn(folder))
    if (NUMBER.test(name) && (await isFolder(join(folder, name)))) numbers.push(name);
  return numbers;
}

async function isScan(path: string, names?: readonly string[]): Promise<boolean> {
  const entries = names ?? (await namesIn(path));
  if (entries.includes('acqp') && (await isParameterFile(join(path, 'acqp')))) return true;
  // Derived data sets have no acquisition of their own.
  if (!entries.includes('pdata')) return false;
  const numbers = await reconstructionsOf(path);
  return await anyOf(numbers.slice(0, MOST_ASKED), async (number) =>
    isParameterFile(join(path, 'pdata', number, 'visu_pars')),
  );
}

async function anyOf(names: readonly string[], test: (name: string) => Promise<boolean>): Promise<boolean> {
  for (const name of names) if (await test(name)) return true;
  return false;
}

function incomplete(reason: string): HubError {
  return new HubError('paravision.incomplete' satisfies ErrorCode, { reason });
}
