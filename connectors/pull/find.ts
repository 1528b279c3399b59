/** Asks a PACS by C-FIND (PS3.4 Section C.4.1): UIDs and counts, and the keys themselves to see that they were looked at. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { HubError } from '../../core/errors.ts';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../../core/identifiers.ts';
import type { PullRange } from '../../core/ledger/pulls.ts';
import { type Finder, openFinder } from '../../peers/dimse/c-find.ts';
import type { Identifier } from '../../peers/dimse/identifier.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { type Answer, instancesIn, MAX_INSTANCES, MAX_SERIES, seriesIn, studiesIn } from './answers.ts';
import type { PullOptions } from './options.ts';
import type { Found, PullSource, SeriesAtSource } from './source.ts';

type Asker = Pick<PullSource, 'find' | 'series' | 'instances'> & {
  /** SOP classes of the study's instances, as far as the source says them. */
  sopClasses(
    study: StudyInstanceUid,
    series: readonly SeriesInstanceUid[],
    signal: AbortSignal,
  ): Promise<readonly string[]>;
};

export function askByFind(peer: () => Peer, options: Pick<PullOptions, 'query' | 'maxMatches' | 'priority'>): Asker {
  const asking = async <Result>(signal: AbortSignal, ask: (finder: Finder) => Promise<Result>): Promise<Result> => {
    const finder = await openFinder(peer(), signal, options.priority);
    const result = await ask(finder);
    await finder.close();
    return result;
  };
  const imagesOf = async (finder: Finder, study: StudyInstanceUid, series: SeriesInstanceUid) => {
    const identifier = {
      QueryRetrieveLevel: 'IMAGE',
      StudyInstanceUID: study,
      SeriesInstanceUID: series,
      SOPInstanceUID: '',
      SOPClassUID: '',
    };
    const { matches, isCut } = await finder.find(identifier, MAX_INSTANCES);
    if (isCut) throw new HubError('partner.refused', { detail: 'an answer without end' });
    return matches;
  };

  return {
    find: async (range, signal) => asking(signal, (finder) => studiesOf(finder, range, options)),
    series: async (study, signal) =>
      asking(signal, async (finder) => {
        const identifier = {
          QueryRetrieveLevel: 'SERIES',
          StudyInstanceUID: study,
          SeriesInstanceUID: '',
          NumberOfSeriesRelatedInstances: '',
        };
        const { matches, isCut } = await finder.find(identifier, MAX_SERIES);
        if (isCut) throw new HubError('partner.refused', { detail: 'an answer without end' });
        const counted: SeriesAtSource[] = [];
        for (const { seriesInstanceUid, instances } of seriesIn(matches.map(answerOf))) {
          // Optional for an SCP (PS3.4 Table C.6-5): where it is missing, the instances are counted.
          const count =
            instances ?? instancesIn((await imagesOf(finder, study, seriesInstanceUid)).map(answerOf)).length;
          counted.push({ seriesInstanceUid, instances: count });
        }
        return counted;
      }),
    instances: async (study, series, signal): Promise<readonly SopInstanceUid[]> =>
      asking(signal, async (finder) => instancesIn((await imagesOf(finder, study, series)).map(answerOf))),
    sopClasses: async (study, series, signal) =>
      asking(signal, async (finder) => {
        const classes = new Set<string>();
        for (const each of series) {
          for (const match of await imagesOf(finder, study, each)) classes.add(match.string('SOPClassUID') ?? '');
        }
        return [...classes].filter((uid) => uid !== '');
      }),
  };
}

async function studiesOf(
  finder: Finder,
  range: PullRange,
  { query, maxMatches }: Pick<PullOptions, 'query' | 'maxMatches'>,
): Promise<Found> {
  const answers: Answer[] = [];
  let isCut = false;
  // PS3.4 Section C.2.2.2: a key is matched with one value; several modalities are several questions.
  for (const modality of query.modality ?? ['']) {
    const found = await finder.find(identifierOf(range, query, modality), maxMatches);
    const narrows = query.studyDescription ?? query.stationName ?? query.match;
    if (found.ignoresKeys && narrows !== undefined) throw new HubError('pull.keys-ignored');
    answers.push(...found.matches.map(answerOf));
    isCut ||= found.isCut;
  }
  return studiesIn(answers, range, query, isCut);
}

function identifierOf(range: PullRange, query: PullOptions['query'], modality: string): Identifier {
  return {
    ...query.match,
    QueryRetrieveLevel: 'STUDY',
    StudyInstanceUID: query.match?.['StudyInstanceUID'] ?? '',
    StudyDate: rangeOf(range.from, range.to),
    ...(range.timeFrom === undefined ? {} : { StudyTime: rangeOf(range.timeFrom, range.timeTo) }),
    AccessionNumber: range.accessionNumber ?? '',
    ModalitiesInStudy: modality,
    ...(query.studyDescription === undefined ? {} : { StudyDescription: query.studyDescription }),
    ...(query.stationName === undefined ? {} : { StationName: query.stationName }),
    NumberOfStudyRelatedInstances: '',
  };
}

/** PS3.4 Section C.2.2.2.5 */
export function rangeOf(from: string | undefined, to: string | undefined): string {
  if (from === to) return from ?? '';
  return `${from ?? ''}-${to ?? ''}`;
}

function answerOf(match: DataSet): Answer {
  return (keyword) => match.strings(keyword).filter((value) => value !== '');
}
