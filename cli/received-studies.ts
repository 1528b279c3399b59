/** DICOM files on disk as the hub would know them had they been received: by study and series, with routing facts. */
import { parseSeriesInstanceUid } from '../core/identifiers.ts';
import type { Facts } from '../routers/match.ts';
import type { SeriesFacts } from '../routers/route.ts';
import type { LocalFiles } from './local-files.ts';

export interface ReceivedStudy {
  readonly studyInstanceUid: string;
  readonly series: readonly SeriesFacts[];
}

/** A series is known by its first instance, as in the ledger. @throws {HubError} `dataset.uid-invalid` */
export function receivedStudies(
  { series }: Pick<LocalFiles, 'series'>,
  sender: Omit<Facts, 'attributes'>,
): readonly ReceivedStudy[] {
  const byStudy = Map.groupBy(series, ({ studyInstanceUid }) => studyInstanceUid);
  return [...byStudy].map(([studyInstanceUid, ofStudy]) => ({
    studyInstanceUid,
    series: ofStudy.map(({ seriesInstanceUid, instances, attributes }) => ({
      seriesInstanceUid: parseSeriesInstanceUid(seriesInstanceUid),
      instances,
      facts: { ...sender, attributes },
    })),
  }));
}
