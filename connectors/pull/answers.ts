/** Reads what a source answered, by C-FIND or QIDO-RS, and believes nothing that contradicts the question. */
import {
  isUid,
  parseSeriesInstanceUid,
  parseSopInstanceUid,
  parseStudyInstanceUid,
  type SopInstanceUid,
  type StudyInstanceUid,
} from '../../core/identifiers.ts';
import { HubError } from '../../core/errors.ts';
import type { FoundStudy, PullRange } from '../../core/ledger/pulls.ts';
import type { PullQuery } from './options.ts';
import type { Found, SeriesAtSource } from './source.ts';

/** A match: texts by keyword; none where the source does not say. */
export type Answer = (keyword: AnswerKey) => readonly string[];
export type AnswerKey =
  | 'StudyInstanceUID'
  | 'SeriesInstanceUID'
  | 'SOPInstanceUID'
  | 'StudyDate'
  | 'AccessionNumber'
  | 'ModalitiesInStudy'
  | 'NumberOfStudyRelatedInstances'
  | 'NumberOfSeriesRelatedInstances';

/** More instances of a series than this nobody has made yet. */
export const MAX_INSTANCES = 200_000;
export const MAX_SERIES = 10_000;

/**
 * Each study once. Of what the source says itself, a day, an accession number or modalities other than asked for make a
 * match a stray: some sources do not look at every key, and one that ignored them all would have the hub fetch everything.
 */
export function studiesIn(answers: readonly Answer[], range: PullRange, query: PullQuery, isCut: boolean): Found {
  const studies = new Map<StudyInstanceUid, FoundStudy>();
  let [strays, nameless] = [0, 0];
  for (const answer of answers) {
    const [uid = ''] = answer('StudyInstanceUID');
    if (!isAsked(answer, range, query)) {
      strays += 1;
      continue;
    }
    if (!isUid(uid)) {
      nameless += 1;
      continue;
    }
    const studyInstanceUid = parseStudyInstanceUid(uid);
    const instances = countOf(answer('NumberOfStudyRelatedInstances')[0]);
    studies.set(studyInstanceUid, { studyInstanceUid, ...(instances === undefined ? {} : { instances }) });
  }
  return { studies: [...studies.values()], isCut, strays, nameless };
}

function isAsked(answer: Answer, range: PullRange, { modality }: PullQuery): boolean {
  const [date] = answer('StudyDate');
  if (date !== undefined && /^\d{8}$/.test(date)) {
    if ((range.from !== undefined && date < range.from) || (range.to !== undefined && date > range.to)) return false;
  }
  const [accession] = answer('AccessionNumber');
  if (range.accessionNumber !== undefined && accession !== undefined && accession !== range.accessionNumber)
    return false;
  const modalities = answer('ModalitiesInStudy');
  return modality === undefined || modalities.length === 0 || modalities.some((each) => modality.includes(each));
}

/** @returns undefined where a count is missing: instances have to be counted one by one */
export function seriesIn(answers: readonly Answer[]): readonly (Omit<SeriesAtSource, 'instances'> & {
  readonly instances: number | undefined;
})[] {
  return answers.map((answer) => {
    const [uid = ''] = answer('SeriesInstanceUID');
    if (!isUid(uid)) throw new HubError('partner.refused', { detail: 'a series without a UID' });
    return {
      seriesInstanceUid: parseSeriesInstanceUid(uid),
      instances: countOf(answer('NumberOfSeriesRelatedInstances')[0]),
    };
  });
}

export function instancesIn(answers: readonly Answer[]): readonly SopInstanceUid[] {
  const uids = answers.flatMap((answer) => answer('SOPInstanceUID').slice(0, 1));
  return [...new Set(uids.filter(isUid).map(parseSopInstanceUid))];
}

/** IS as text; `undefined` for anything else. */
function countOf(value: string | undefined): number | undefined {
  if (value === undefined || value.trim() === '') return undefined;
  const count = Number(value);
  return Number.isInteger(count) && count >= 0 ? count : undefined;
}
