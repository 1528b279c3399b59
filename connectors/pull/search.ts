/** Asks an origin server by QIDO-RS (PS3.18 Section 10.6). */
import { lookup } from '../../core/dicom/dictionary.ts';
import { HubError } from '../../core/errors.ts';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../../core/identifiers.ts';
import type { PullRange } from '../../core/ledger/pulls.ts';
import type { WebOrigin } from '../../peers/dicomweb/get.ts';
import { qido, type WebMatch } from '../../peers/dicomweb/qido.ts';
import { type Answer, instancesIn, MAX_INSTANCES, seriesIn, studiesIn } from './answers.ts';
import { rangeOf } from './find.ts';
import type { PullOptions } from './options.ts';
import type { Found, PullSource, SeriesAtSource } from './source.ts';

/** Of a page: some servers give no more whatever is asked for. */
const PAGE = 1000;

export function askByQido(
  origin: WebOrigin,
  { query, maxMatches, timeouts }: Pick<PullOptions, 'query' | 'maxMatches' | 'timeouts'>,
): Pick<PullSource, 'find' | 'series' | 'instances'> {
  /** All matches, a page at a time; a server that does not page gives the same page again, and is seen by it. */
  const search = async (path: string, uidTag: string, limit: number, signal: AbortSignal) => {
    const matches = new Map<string, WebMatch>();
    for (;;) {
      const size = Math.min(PAGE, limit + 1);
      const page = `${path}${path.includes('?') ? '&' : '?'}limit=${String(size)}&offset=${String(matches.size)}`;
      const found = await qido(origin, page, AbortSignal.any([signal, AbortSignal.timeout(timeouts.answerMs)]));
      const before = matches.size;
      for (const match of found) matches.set(match.values(uidTag)[0] ?? '', match);
      // A short page may be the last, or as much as the server gives at once.
      if (matches.size === before) return { matches: [...matches.values()], isCut: false };
      if (matches.size > limit) return { matches: [...matches.values()].slice(0, limit), isCut: true };
    }
  };
  const instances = async (study: StudyInstanceUid, series: SeriesInstanceUid, signal: AbortSignal) => {
    const path = `/studies/${study}/series/${series}/instances`;
    const { matches, isCut } = await search(path, tagOf('SOPInstanceUID'), MAX_INSTANCES, signal);
    if (isCut) throw new HubError('partner.refused', { detail: 'an answer without end' });
    return instancesIn(matches.map(answerOf));
  };

  return {
    find: async (range: PullRange, signal): Promise<Found> => {
      const answers: Answer[] = [];
      let isCut = false;
      for (const modality of query.modality ?? [undefined]) {
        const path = `/studies?${parametersOf(range, query, modality).join('&')}`;
        const found = await search(path, tagOf('StudyInstanceUID'), maxMatches, signal);
        answers.push(...found.matches.map(answerOf));
        isCut ||= found.isCut;
      }
      return studiesIn(answers, range, query, isCut);
    },
    series: async (study, signal): Promise<readonly SeriesAtSource[]> => {
      const path = `/studies/${study}/series?includefield=${tagOf('NumberOfSeriesRelatedInstances')}`;
      const { matches } = await search(path, tagOf('SeriesInstanceUID'), MAX_INSTANCES, signal);
      const counted: SeriesAtSource[] = [];
      for (const { seriesInstanceUid, instances: said } of seriesIn(matches.map(answerOf))) {
        const count = said ?? (await instances(study, seriesInstanceUid, signal)).length;
        counted.push({ seriesInstanceUid, instances: count });
      }
      return counted;
    },
    instances: async (study, series, signal): Promise<readonly SopInstanceUid[]> => instances(study, series, signal),
  };
}

/** PS3.18 Section 8.3.4: by tag, which every origin server takes. */
function parametersOf(range: PullRange, query: PullOptions['query'], modality: string | undefined): readonly string[] {
  const keys: Record<string, string> = {
    ...query.match,
    StudyDate: rangeOf(range.from, range.to),
    StudyTime: range.timeFrom === undefined ? '' : rangeOf(range.timeFrom, range.timeTo),
    AccessionNumber: range.accessionNumber ?? '',
    ModalitiesInStudy: modality ?? '',
    StudyDescription: query.studyDescription ?? '',
    StationName: query.stationName ?? '',
  };
  const asked = Object.entries(keys).flatMap(([keyword, value]) =>
    value === '' ? [] : [`${tagOf(keyword)}=${encodeURIComponent(value)}`],
  );
  return [
    ...asked,
    `includefield=${tagOf('NumberOfStudyRelatedInstances')}`,
    `includefield=${tagOf('ModalitiesInStudy')}`,
  ];
}

function tagOf(keyword: string): string {
  return (lookup(keyword)?.tag ?? 0).toString(16).toUpperCase().padStart(8, '0');
}

function answerOf(match: WebMatch): Answer {
  return (keyword) => match.values(tagOf(keyword)).filter((value) => value !== '');
}
