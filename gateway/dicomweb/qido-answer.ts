/** What is told of one match (PS3.18 Section 10.6.3.3), as a data set of the DICOM JSON model. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { keywordOf, lookup } from '../../core/dicom/dictionary.ts';
import {
  BINARY_VRS,
  dataSetToJson,
  type JsonDataSet,
  type JsonElement,
  jsonKey,
  type JsonValue,
  textToJson,
  UTF_8,
} from '../../core/dicom/json-model.ts';
import type { Attributes } from '../../core/ledger/common.ts';
import type { Found, SearchLevel } from '../../core/search.ts';
import { ALWAYS, KEPT, RETURNED } from './qido-attributes.ts';

/** What a request wants told of each match. */
export interface Wanted {
  readonly level: SearchLevel;
  readonly include: readonly string[] | 'all';
  /** Levels above that the path does not fix: their attributes are told of each match. */
  readonly above: readonly ('study' | 'series')[];
}

/** Keywords to ask the search for. */
export function fieldsOf(wanted: Wanted, level: 'study' | 'series'): readonly string[] {
  const { include } = wanted;
  if (wanted.level !== level && !wanted.above.includes(level)) return [];
  if (include === 'all') return KEPT[level];
  return KEPT[level].filter((keyword) => RETURNED[level].includes(keyword) || include.includes(keyword));
}

/** Attributes asked for by `includefield` that no answer of this level can have. */
export function unanswerable({ level, include }: Wanted): readonly string[] {
  if (include === 'all' || level === 'instance') return [];
  const known = new Set([...KEPT.study, ...(level === 'series' ? KEPT.series : []), ...MADE]);
  return include.filter((field) => !known.has(field));
}

/** Attributes the hub counts or makes itself. */
const MADE = [
  'SpecificCharacterSet',
  'InstanceAvailability',
  'RetrieveURL',
  'ModalitiesInStudy',
  'NumberOfStudyRelatedSeries',
  'NumberOfStudyRelatedInstances',
  'NumberOfSeriesRelatedInstances',
  'StudyInstanceUID',
  'SeriesInstanceUID',
  'SOPInstanceUID',
  'SOPClassUID',
];

/**
 * @param base - URL of the DICOMweb root
 * @param header - of the instance, where one is searched for
 */
export function answerOf(found: Found, wanted: Wanted, base: string, header?: DataSet): JsonDataSet {
  const { studyInstanceUid, study, series, instance } = found;
  const answer = new Map<string, JsonElement>();
  const put = (keyword: string, ...values: readonly (string | number)[]): void => {
    const entry = lookup(keyword);
    if (entry === undefined) throw new TypeError(`not a keyword of PS3.6: ${keyword}`);
    answer.set(jsonKey(entry.tag), values.length === 0 ? { vr: entry.vr } : { vr: entry.vr, Value: values });
  };

  if (header !== undefined) putHeader(answer, header, wanted);
  const isOfStudy = wanted.level === 'study' || wanted.above.includes('study');
  if (study !== undefined && isOfStudy) {
    putTexts(answer, study.attributes, 'study', fieldsOf(wanted, 'study'));
    put('ModalitiesInStudy', ...study.modalities);
    put('NumberOfStudyRelatedSeries', study.series);
    put('NumberOfStudyRelatedInstances', study.instances);
  }
  if (series !== undefined) {
    putTexts(answer, series.attributes, 'series', fieldsOf(wanted, 'series'));
    put('NumberOfSeriesRelatedInstances', series.instances);
  }
  let url = `${base}/studies/${studyInstanceUid}`;
  put('StudyInstanceUID', studyInstanceUid);
  const seriesInstanceUid = series?.seriesInstanceUid ?? instance?.seriesInstanceUid;
  if (seriesInstanceUid !== undefined) {
    put('SeriesInstanceUID', seriesInstanceUid);
    url += `/series/${seriesInstanceUid}`;
  }
  if (instance !== undefined) {
    put('SOPInstanceUID', instance.sopInstanceUid);
    put('SOPClassUID', instance.sopClassUid);
    url += `/instances/${instance.sopInstanceUid}`;
  }
  put('SpecificCharacterSet', UTF_8);
  put('InstanceAvailability', 'ONLINE');
  put('RetrieveURL', url);
  return Object.fromEntries([...answer].toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function putTexts(
  answer: Map<string, JsonElement>,
  attributes: Attributes,
  level: SearchLevel,
  fields: readonly string[],
): void {
  for (const keyword of fields) {
    const values = attributes[keyword];
    if (values === undefined && !ALWAYS[level].has(keyword)) continue;
    const told = textToJson(keyword, values ?? []);
    if (told !== undefined) answer.set(told.key, told.element);
  }
}

function withoutBytes(dataSet: JsonDataSet): JsonDataSet {
  const kept = Object.entries(dataSet).filter(
    ([, { vr, BulkDataURI: uri }]) => uri === undefined && !BINARY_VRS.has(vr),
  );
  return Object.fromEntries(
    kept.map(([key, element]) => {
      const { vr, Value: values } = element;
      return [
        key,
        vr === 'SQ' && values !== undefined ? { vr, Value: values.filter(isItem).map(withoutBytes) } : element,
      ];
    }),
  );
}

/** Of a sequence, that is. */
function isItem(value: JsonValue): value is JsonDataSet {
  return typeof value === 'object' && value !== null;
}

/** The instance's own header: all of it without its bytes, or what is returned and asked for. */
function putHeader(answer: Map<string, JsonElement>, header: DataSet, wanted: Wanted): void {
  const { include, above } = wanted;
  const levels: readonly SearchLevel[] = ['instance', ...above];
  const fields = new Set(include === 'all' ? [] : [...levels.flatMap((level) => RETURNED[level]), ...include]);
  // Bytes are fetched with WADO-RS; a search does not carry them.
  const json = withoutBytes(dataSetToJson(header, { bulkDataUri: () => '' }));
  for (const [key, element] of Object.entries(json)) {
    if (include !== 'all' && !fields.has(keywordOf(Number.parseInt(key, 16)) ?? key)) continue;
    answer.set(key, element);
  }
  for (const level of levels) {
    for (const keyword of ALWAYS[level]) {
      const told = textToJson(keyword, []);
      if (told !== undefined && !answer.has(told.key)) answer.set(told.key, told.element);
    }
  }
}
