/** The query of a search request (PS3.18 Sections 8.3.4 and 10.6.1.2), from text to conditions. What is not understood is refused. */
import { isPrivate, keywordOf, lookup } from '../../core/dicom/dictionary.ts';
import { HubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import { type Condition, type Match, SEARCHABLE, type SearchKey, type SearchLevel } from '../../core/search.ts';
import { suggest } from '../../core/suggestion.ts';

export interface QidoQuery {
  readonly conditions: readonly Condition[];
  /** Keywords, or tags that have none (`00191001`); `all` of the level and above. */
  readonly include: readonly string[] | 'all';
  readonly offset: number;
  readonly limit: number;
  readonly wantsFuzzy: boolean;
}

export interface QidoLimits {
  readonly maxResults: number;
}

const LEVELS: readonly SearchLevel[] = ['study', 'series', 'instance'];
const MAX_VALUES = 1_000;
const WHOLE = /^\d{1,10}$/;
/** PS3.5 Table 6.2-1; 60 is a leap second. */
const TIME = /^(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?$/;
/** PS3.4 Section C.2.2.2.4: wild cards mean something in these VRs. */
const WILDCARD_VRS = new Set(['AE', 'CS', 'LO', 'LT', 'PN', 'SH', 'ST', 'UC', 'UR', 'UT']);
/** In code strings neither occurs, so several modalities may be asked for like several UIDs. */
const LIST_VRS = new Set(['UI', 'CS']);

/** @throws {HubError} `request.invalid` whose detail never repeats a value */
export function parseQidoQuery(parameters: URLSearchParams, level: SearchLevel, limits: QidoLimits): QidoQuery {
  const values = new Map<SearchKey, string[]>();
  const include = new Set<string>();
  let includesAll = false;
  for (const [name, value] of parameters) {
    switch (name.toLowerCase()) {
      case 'limit':
      case 'offset':
      case 'fuzzymatching':
      case 'accept':
      case 'charset':
        break;
      case 'includefield':
        for (const field of value.split(',').map((one) => one.trim())) {
          if (field === 'all') includesAll = true;
          else if (field !== '') include.add(fieldOf(field));
        }
        break;
      default: {
        const key = searchKeyOf(name, level);
        values.set(key, [...(values.get(key) ?? []), value]);
      }
    }
  }
  return {
    conditions: [...values].flatMap(([key, given]) => {
      const match = matchOf(key, given);
      return match === undefined ? [] : [{ key, match }];
    }),
    // PS3.18 Section 8.3.4.1: what is matched is returned, too.
    include: includesAll ? 'all' : [...include, ...values.keys()],
    offset: wholeNumber(parameters, 'offset') ?? 0,
    limit: Math.min(wholeNumber(parameters, 'limit') ?? limits.maxResults, limits.maxResults),
    wantsFuzzy: wantsFuzzy(parameters),
  };
}

/** By keyword or tag. @throws {HubError} `request.invalid` when this level cannot be searched by it */
function searchKeyOf(name: string, level: SearchLevel): SearchKey {
  if (name.includes('.')) throw refused('attributes inside of sequences are not searchable', level);
  const keyword = keywordOfName(name);
  // What is no attribute may be anything, a value in the wrong place too: it is not repeated.
  if (keyword === undefined) {
    throw refused(`a parameter is no attribute of PS3.6${suggest(name, Object.keys(SEARCHABLE))}`, level);
  }
  if (!isSearchKey(keyword)) throw refused(`${keyword} is not searchable`, level);
  const of = SEARCHABLE[keyword];
  if (LEVELS.indexOf(of) > LEVELS.indexOf(level)) {
    const hint = keyword === 'Modality' ? '; did you mean ModalitiesInStudy?' : '';
    throw refused(`${keyword} belongs to a lower level than is searched${hint}`, level);
  }
  return keyword;
}

function refused(detail: string, level: SearchLevel): HubError {
  const searchable = Object.entries(SEARCHABLE)
    .filter(([, of]) => LEVELS.indexOf(of) <= LEVELS.indexOf(level))
    .map(([keyword]) => keyword);
  return new HubError('request.invalid', { detail: `${detail}. Searchable here: ${searchable.join(', ')}` });
}

/** @throws {HubError} `request.invalid` for what is neither a keyword nor a tag */
function fieldOf(name: string): string {
  // Of a path into sequences the outermost one is told, with all that is in it.
  const [outermost = ''] = name.split('.');
  const keyword = keywordOfName(outermost);
  if (keyword !== undefined) return keyword;
  if (/^[0-9A-Fa-f]{8}$/.test(outermost) && isPrivate(Number.parseInt(outermost, 16))) return outermost.toUpperCase();
  throw new HubError('request.invalid', { detail: 'includefield names no attribute of PS3.6' });
}

function keywordOfName(name: string): string | undefined {
  if (/^[0-9A-Fa-f]{8}$/.test(name)) return keywordOf(Number.parseInt(name, 16));
  return lookup(name) === undefined ? undefined : name;
}

function isSearchKey(keyword: string): keyword is SearchKey {
  return Object.hasOwn(SEARCHABLE, keyword);
}

/** Undefined: universal matching (PS3.4 Section C.2.2.2.3). */
function matchOf(key: SearchKey, given: readonly string[]): Match | undefined {
  const vr = lookup(key)?.vr ?? '';
  const values = (LIST_VRS.has(vr) ? given.flatMap((value) => value.split(/[,\\]/)) : given)
    .map((value) => value.trim())
    .filter((value) => value !== '');
  if (values.length > MAX_VALUES) throw invalid(key, `has more than ${MAX_VALUES} values`);
  const [first] = values;
  if (first === undefined || values.some((value) => WILDCARD_VRS.has(vr) && /^\*+$/.test(value))) return undefined;
  if (vr === 'UI') {
    if (!values.every(isUid)) throw invalid(key, 'is not a UID or a list of UIDs');
    return { kind: 'any', values };
  }
  if (values.length > 1 && !LIST_VRS.has(vr)) throw invalid(key, 'is given twice');
  switch (vr) {
    case 'DA':
      return rangeOf(key, first, isDate, 'a date YYYYMMDD or a range of dates');
    case 'TM':
      return rangeOf(key, first, isTime, 'a time HHMMSS or a range of times');
    case 'IS':
      if (!/^[+-]?\d{1,12}$/.test(first)) throw invalid(key, 'is not a whole number');
      return { kind: 'any', values: [first] };
    default:
      if (!values.some((value) => /[*?]/.test(value))) return { kind: 'any', values };
      if (values.length > 1) throw invalid(key, 'is a list with wild cards');
      return { kind: 'wildcard', pattern: first };
  }
}

/** PS3.4 Section C.2.2.2.5 */
function rangeOf(key: SearchKey, text: string, isOne: (end: string) => boolean, what: string): Match {
  if (isOne(text)) return { kind: 'any', values: [text] };
  const ends = text.split('-').map((end) => end.trim());
  const [from = '', to = ''] = ends;
  const isRange = ends.length === 2 && (from !== '' || to !== '');
  if (!isRange || (from !== '' && !isOne(from)) || (to !== '' && !isOne(to))) throw invalid(key, `is not ${what}`);
  return { kind: 'range', ...(from === '' ? {} : { from }), ...(to === '' ? {} : { to }) };
}

/** A day of the calendar: what names none would match nothing, and its sender would take that for an answer. */
function isDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})$/.exec(text) ?? [];
  if (day === undefined) return false;
  const written = `${year}-${month}-${day}`;
  const date = new Date(`${written}T00:00:00Z`); // The 31st of a shorter month would be a day of the next.
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(written);
}

function isTime(text: string): boolean {
  return TIME.test(text);
}

/** PS3.18 Section 8.3.4.2 */
function wantsFuzzy(parameters: URLSearchParams): boolean {
  const [value = 'false', ...more] = valuesOf(parameters, 'fuzzymatching').map((one) => one.toLowerCase());
  if (more.length > 0 || (value !== 'true' && value !== 'false')) {
    throw new HubError('request.invalid', { detail: 'fuzzymatching is true or false' });
  }
  return value === 'true';
}

function wholeNumber(parameters: URLSearchParams, name: 'limit' | 'offset'): number | undefined {
  const [value, ...more] = valuesOf(parameters, name);
  if (value === undefined) return undefined;
  if (more.length > 0 || !WHOLE.test(value)) {
    throw new HubError('request.invalid', { detail: `${name} is one whole number, 0 or more` });
  }
  return Number(value);
}

/** Of a parameter that is no attribute, in whatever case it is written. */
function valuesOf(parameters: URLSearchParams, name: 'limit' | 'offset' | 'fuzzymatching'): readonly string[] {
  return [...parameters].filter(([given]) => given.toLowerCase() === name).map(([, value]) => value);
}

function invalid(key: SearchKey, detail: string): HubError {
  return new HubError('request.invalid', { detail: `${key} ${detail}` });
}
