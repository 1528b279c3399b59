/** `hub qc PATH [--json FILE] [--images DIR]`: the qc processor's measures on a folder, a file or a NIfTI volume. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { HubError, toHubError } from '../core/errors.ts';
import { mosaicPng } from '../processors/pictures/mosaic.ts';
import { parseQcOptions } from '../processors/qc/options.ts';
import { reportSeries, type SeriesReport } from '../processors/qc/report.ts';
import { assembleVolumes, imagesBySeries } from '../processors/volumes/assemble.ts';
import { readNifti } from '../processors/volumes/nifti.ts';
import type { Volume } from '../processors/volumes/volume.ts';
import { openLocalFiles } from './local-files.ts';

/** Series by a name for people: this stays on the machine it was asked for on. */
interface NamedReport extends Omit<SeriesReport, 'seriesInstanceUid'> {
  readonly name: string;
  readonly seriesInstanceUid?: string;
}

/** @returns 0 done, 1 nothing could be measured, 2 wrong usage */
export async function qc(argv: readonly string[]): Promise<number> {
  const { path, json, images } = parseQcArguments(argv);
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const options = parseQcOptions(undefined);
  const files = await openLocalFiles(path);
  for (const [reason, others] of Map.groupBy(files.otherFiles, (file) => file.reason))
    say(`left out ${others.length === 1 ? others[0]?.path : `${others.length} files`}: ${reason}`);

  const series: NamedReport[] = [];
  const add = async (name: string, reports: readonly SeriesReport[], volume: Volume | undefined) => {
    for (const { seriesInstanceUid, ...report } of reports)
      series.push({ name, ...(seriesInstanceUid === '' ? {} : { seriesInstanceUid }), ...report });
    if (images !== undefined && volume !== undefined) await savePicture(images, name, series.length, volume);
    say(`${name}: ${reports.map(({ verdict, kind }) => `${kind}, ${verdict}`).join('; ')}`);
    for (const finding of new Set(reports.flatMap(({ findings }) => findings))) say(`  ${finding}`);
  };
  const signal = new AbortController().signal;
  for (const items of imagesBySeries(files.items)) {
    const uid = items[0]?.seriesInstanceUid ?? '';
    const { volumes, findings } = await assembleVolumes(items, files.store, signal);
    await add(files.seriesNames.get(uid) ?? uid, reportSeries(uid, volumes, findings, options), volumes[0]);
  }
  for (const file of files.niftiFiles) {
    try {
      const volume = readNifti(await readFile(file));
      await add(basename(file), reportSeries('', [volume], [], options), volume);
    } catch (error) {
      say(`left out ${basename(file)}: ${toHubError(error).message}`);
    }
  }

  const report = `${JSON.stringify({ series }, undefined, 2)}\n`;
  if (json === undefined) process.stdout.write(report);
  else await writeFile(json, report);
  if (series.length > 0) return 0;
  say('nothing here could be measured: no MR or CT images and no NIfTI volume');
  return 1;
}

function parseQcArguments(argv: readonly string[]): { path: string; json?: string; images?: string } {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { json: { type: 'string' }, images: { type: 'string' } },
    });
    const [path, ...more] = positionals;
    if (path === undefined || more.length > 0) throw new TypeError('one PATH is expected');
    return {
      path,
      ...(values.json === undefined ? {} : { json: values.json }),
      ...(values.images === undefined ? {} : { images: values.images }),
    };
  } catch (error) {
    throw new HubError('command.usage', { detail: error instanceof Error ? error.message : String(error) });
  }
}

async function savePicture(folder: string, name: string, number: number, volume: Volume): Promise<void> {
  await mkdir(folder, { recursive: true });
  const safe = name.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, 60);
  await writeFile(join(folder, `${String(number).padStart(3, '0')}-${safe}.png`), mosaicPng(volume));
}
