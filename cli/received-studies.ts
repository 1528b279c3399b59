/** DICOM files on disk as the hub would know them had they been received: by study and series, with routing facts. */
import { headerAttributes } from '../core/dicom/attributes.ts';
import { readHeader } from '../core/dicom/part10.ts';
import { parseSeriesInstanceUid } from '../core/identifiers.ts';
import type { Attributes } from '../core/ledger.ts';
import type { BlobRef } from '../core/store.ts';
import type { Facts } from '../routers/match.ts';
import type { SeriesFacts } from '../routers/route.ts';
import { type LocalFiles, openLocalFiles } from './local-files.ts';

export interface ReceivedStudy {
  readonly studyInstanceUid: string;
  readonly series: readonly SeriesFacts[];
}

export interface StudiesOnDisk {
  readonly studies: readonly ReceivedStudy[];
  /** Files that are no DICOM files the hub could take, and why. */
  readonly otherFiles: LocalFiles['otherFiles'];
}

/**
 * Studies of a file or of all files below a folder; a series is known by its first instance, as in the ledger.
 *
 * @throws {HubError} `resource.not-found` when there is no such path
 */
export async function readStudies(path: string, sender: Omit<Facts, 'attributes'>): Promise<StudiesOnDisk> {
  const { items, store, otherFiles } = await openLocalFiles(path);
  const bySeries = Map.groupBy(items, (item) => `${item.studyInstanceUid} ${item.seriesInstanceUid}`);
  const studies = new Map<string, SeriesFacts[]>();
  for (const [first, ...others] of bySeries.values()) {
    if (first === undefined) continue;
    const attributes = await attributesOf(store, first.blob);
    const series = studies.get(first.studyInstanceUid) ?? [];
    series.push({
      seriesInstanceUid: parseSeriesInstanceUid(first.seriesInstanceUid),
      instances: 1 + others.length,
      facts: { ...sender, attributes },
    });
    studies.set(first.studyInstanceUid, series);
  }
  return { studies: [...studies].map(([studyInstanceUid, series]) => ({ studyInstanceUid, series })), otherFiles };
}

async function attributesOf(store: LocalFiles['store'], blob: BlobRef): Promise<Attributes> {
  const source = await store.open(blob);
  try {
    return headerAttributes((await readHeader(source)).dataSet);
  } finally {
    await source.close();
  }
}
