/** By what the scanner of a study is known, from what was received: a step may see instances that say it no more. */
import type { Ledger } from '../core/ledger.ts';
import type { RunRow } from '../core/ledger/runs.ts';
import type { Device } from '../core/plugins.ts';

/** Of the first series that says it; of a study that was removed meanwhile, its source alone. */
export async function deviceOf(ledger: Pick<Ledger, 'studies'>, run: RunRow): Promise<Device> {
  const all = await ledger.studies.series(run.studyInstanceUid, run.revision);
  const series = all.find(({ attributes }) => attributes['DeviceSerialNumber'] !== undefined) ?? all[0];
  const value = (keyword: string) => series?.attributes[keyword]?.[0];
  const [serialNumber, stationName, model] = ['DeviceSerialNumber', 'StationName', 'ManufacturerModelName'].map(value);
  return {
    source: series?.provenance.source ?? (await ledger.studies.get(run.studyInstanceUid))?.source ?? 'unknown',
    ...(serialNumber === undefined ? {} : { serialNumber }),
    ...(stationName === undefined ? {} : { stationName }),
    ...(model === undefined ? {} : { model }),
  };
}
