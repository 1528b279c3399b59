/** `hub qc PATH [--json FILE] [--images DIR]`: the qc processor's measures on a folder, a file or a NIfTI volume. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { mosaicPng } from '../processors/pictures/mosaic.ts';
import { parseQcOptions } from '../processors/qc/options.ts';
import { reportSeries, type SeriesReport } from '../processors/qc/report.ts';
import { assembleVolumes, imagesBySeries } from '../processors/volumes/assemble.ts';
import { readNifti } from '../processors/volumes/nifti.ts';
import type { Volume } from '../processors/volumes/volume.ts';
import { onlyPath, readArguments } from './arguments.ts';
import { EXIT } from './exit-codes.ts';
import { commandFailure, sentenceOf } from './failure.ts';
import { leftOutLines, openLocalFiles, seriesName } from './local-files.ts';
import { interruptible } from './signals.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  json: { type: 'string', value: 'FILE', about: 'write the report there, not to standard output' },
  images: { type: 'string', value: 'DIR', about: 'write a mosaic picture of each series' },
} as const;

/** Series by a name for people: this stays on the machine it was asked for on. */
interface NamedReport extends Omit<SeriesReport, 'seriesInstanceUid'> {
  readonly name: string;
  readonly seriesInstanceUid?: string;
}

/** 0 done, 1 nothing could be measured. */
export async function qc(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const path = onlyPath(positionals);
  const options = parseQcOptions(undefined);
  const files = await openLocalFiles(path);
  for (const line of leftOutLines(files)) to.err(line);

  const series: NamedReport[] = [];
  const add = async (name: string, reports: readonly SeriesReport[], volume: Volume | undefined) => {
    for (const { seriesInstanceUid, ...report } of reports)
      series.push({ name, ...(seriesInstanceUid === '' ? {} : { seriesInstanceUid }), ...report });
    if (values.images !== undefined && volume !== undefined)
      await savePicture(values.images, name, series.length, volume);
    to.err(`${name}: ${reports.map(({ verdict, kind }) => `${kind}, ${verdict}`).join('; ')}`);
    for (const finding of new Set(reports.flatMap(({ findings }) => findings))) to.err(`  ${finding}`);
  };
  await interruptible(async (signal) => {
    for (const instances of imagesBySeries(files.instances)) {
      const uid = instances[0]?.seriesInstanceUid ?? '';
      const { volumes, findings } = await assembleVolumes(instances, files.store, signal);
      await add(seriesName(files, uid), reportSeries(uid, volumes, findings, options), volumes[0]);
    }
  });
  for (const file of files.niftiFiles) {
    try {
      const volume = readNifti(await readFile(file));
      await add(basename(file), reportSeries('', [volume], [], options), volume);
    } catch (error) {
      to.err(`cannot be taken: ${basename(file)}: ${sentenceOf(commandFailure(error))}`);
    }
  }

  if (values.json === undefined) to.out(json({ series }));
  else await writeFile(values.json, `${json({ series })}\n`);
  if (series.length > 0) return EXIT.done;
  to.err(`nothing below ${path} could be measured: no MR or CT images and no NIfTI volume`);
  return EXIT.failed;
}

async function savePicture(folder: string, name: string, number: number, volume: Volume): Promise<void> {
  await mkdir(folder, { recursive: true });
  const safe = name.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, 60);
  await writeFile(join(folder, `${String(number).padStart(3, '0')}-${safe}.png`), mosaicPng(volume));
}
