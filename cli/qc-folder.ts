/** What `hub qc` leaves in folders: pictures and charts of each scan, DICOM objects and reports of each study. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HUB } from '../processors/objects/hub.ts';
import { QualityResults } from '../processors/objects/quality-results.ts';
import { chartsOf } from '../processors/pictures/scan-charts.ts';
import { picturesOf } from '../processors/pictures/scan-pictures.ts';
import type { Examined } from '../processors/qc/examine.ts';
import { QUALITY_OUTPUTS } from '../processors/qc/outputs.ts';
import { type Verdict, worst } from '../processors/qc/verdict.ts';
import { makeFolder } from './out-folder.ts';

const MAX_NAME = 60;

/** `001-T2_TurboRARE`: numbered, because names of series are free text and come twice. */
function startOf(number: number, name: string): string {
  const safe = name.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, MAX_NAME);
  return `${String(number).padStart(3, '0')}-${safe}`;
}

/** @param number - of the scan, from 1 @returns the files */
export async function savePictures(
  folder: string,
  name: string,
  number: number,
  { volume, measured }: Pick<Examined, 'volume' | 'measured'>,
): Promise<readonly string[]> {
  if (volume === undefined) return [];
  await makeFolder(folder);
  const files = [
    ...picturesOf(volume, measured).map(({ name: what, png }) => ({ file: `${what}.png`, content: png })),
    ...(measured === undefined ? [] : chartsOf(volume, measured)).map(({ name: what, svg }) => ({
      file: `${what}.svg`,
      content: String(svg),
    })),
  ].map(({ file, content }) => ({ path: join(folder, `${startOf(number, name)}-${file}`), content }));
  for (const { path, content } of files) await writeFile(path, content);
  return files.map(({ path }) => path);
}

interface Study {
  readonly folder: string;
  readonly results: QualityResults;
  readonly verdicts: Verdict[];
}

/** The objects a route's `outputs` name, all of them. One study: the folder itself; several: a folder each below it. */
export class QualityFolder {
  readonly #folder: string;
  readonly #studies: ReadonlyMap<string, Study>;
  readonly #files: string[] = [];

  /** @param studyInstanceUids - of all that is measured; empty for what is of no study */
  constructor(folder: string, studyInstanceUids: readonly string[]) {
    this.#folder = folder;
    const uids = [...new Set(studyInstanceUids)];
    this.#studies = new Map(
      uids.map((uid, index) => [
        uid,
        {
          folder: uids.length === 1 ? folder : join(folder, `study-${String(index + 1)}`),
          results: new QualityResults({ hub: HUB, outputs: QUALITY_OUTPUTS, volumes: undefined }),
          verdicts: [],
        },
      ]),
    );
  }

  /** One series. @param number - of its first scan, from 1 */
  async add(name: string, number: number, examined: readonly Examined[]): Promise<void> {
    const [first] = examined;
    if (first !== undefined)
      this.#files.push(...(await savePictures(join(this.#folder, 'pictures'), name, number, first)));
    for (const [index, { volume, report }] of examined.entries()) {
      const study = volume === undefined ? undefined : this.#studies.get(volume.studyInstanceUid);
      if (volume === undefined || study === undefined) continue;
      study.verdicts.push(report.verdict);
      const page = study.results.add(volume, report);
      if (page !== undefined)
        await this.write(study.folder, `${startOf(number + index, name)}-overview.dcm`, page.bytes);
    }
  }

  /** @param findings - what only the whole of it shows @returns all files, in the order they were written */
  async finish(findings: readonly string[]): Promise<readonly string[]> {
    for (const { folder, results, verdicts } of this.#studies.values()) {
      const { report, document, pdf } = await results.finish(worst(verdicts), this.#studies.size === 1 ? findings : []);
      if (report !== undefined) await this.write(folder, 'measurements.dcm', report.bytes);
      if (document !== undefined) await this.write(folder, 'report.dcm', document.bytes);
      if (pdf !== undefined) await this.write(folder, 'report.pdf', pdf);
    }
    return this.#files;
  }

  async write(folder: string, name: string, content: string | Uint8Array): Promise<void> {
    await makeFolder(folder);
    const path = join(folder, name);
    await writeFile(path, content);
    this.#files.push(path);
  }
}
