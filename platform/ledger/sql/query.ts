/** Searches as SQL: conditions that indexes serve, a page of keys, and what is told of the rows behind them. */
import type { SeriesInstanceUid, SopClassUid, SopInstanceUid, StudyInstanceUid } from '../../../core/identifiers.ts';
import type { Attributes } from '../../../core/ledger/common.ts';
import {
  type Condition,
  type Found,
  type Match,
  MORE_COUNTED,
  type Search,
  type SearchKey,
  type SearchLevel,
  type SearchResult,
  SEARCHABLE,
} from '../../../core/search.ts';
import type { BlobRef } from '../../../core/store.ts';
import type { Dialect } from './dialect.ts';
import type { Database, Parameter, Script } from './script.ts';
import { nameGroup } from './person-name.ts';

/** `h` study_headers, `t` studies, `f` series_headers, `s` series, `i` instances. Names have a column for each component group. */
const COLUMNS: Readonly<Record<Exclude<SearchKey, 'ModalitiesInStudy'>, readonly [string, ...string[]]>> = {
  StudyInstanceUID: ['t.study_instance_uid'],
  StudyDate: ['h.study_date'],
  StudyTime: ['h.study_time'],
  AccessionNumber: ['h.accession_number'],
  ReferringPhysicianName: ['h.physician_name', 'h.physician_name_ideographic', 'h.physician_name_phonetic'],
  PatientName: ['h.patient_name', 'h.patient_name_ideographic', 'h.patient_name_phonetic'],
  PatientID: ['h.patient_id'],
  PatientBirthDate: ['h.patient_birth_date'],
  StudyID: ['h.study_id'],
  StudyDescription: ['h.study_description'],
  SeriesInstanceUID: ['s.series_instance_uid'],
  Modality: ['f.modality'],
  SeriesNumber: ['f.series_number'],
  SeriesDescription: ['f.series_description'],
  PerformedProcedureStepStartDate: ['f.step_start_date'],
  PerformedProcedureStepStartTime: ['f.step_start_time'],
  SOPInstanceUID: ['i.sop_instance_uid'],
  SOPClassUID: ['i.sop_class_uid'],
  InstanceNumber: ['i.instance_number'],
};
const INTEGER_KEYS: ReadonlySet<SearchKey> = new Set(['SeriesNumber', 'InstanceNumber']);
const TIME_KEYS: ReadonlySet<SearchKey> = new Set(['StudyTime', 'PerformedProcedureStepStartTime']);

/** What a level's rows are, which tables its conditions may need, and its integer key: the order of arrival. */
const LEVELS = {
  study: { from: 'study_headers h', key: 'h.study', study: 'h.study' },
  series: { from: 'series_headers f', key: 'f.series', study: 'f.study' },
  instance: { from: 'instances i', key: 'i.instance', study: 'i.study' },
} as const satisfies Record<SearchLevel, unknown>;

/** What was removed after its delivery is not here to be found; new instances may have come to other series since. */
const HAS_INSTANCES = (series: string): string =>
  `EXISTS (SELECT 1 FROM instances n WHERE n.study = ${series}.study AND n.series = ${series}.series)`;

interface Sql {
  readonly text: string;
  readonly parameters: readonly Parameter[];
}

/** @returns answers a search over one connection */
export function openSearch(db: Database): (search: Search) => Script<SearchResult> {
  const details = openDetails(db);
  return function* (search) {
    const { from, parameters } = matching(search, db.dialect);
    const { key } = LEVELS[search.level];
    // One more than asked for says that the page is not the last.
    const rows = yield* db
      .query<{ key: number }>(`SELECT ${key} AS key ${from} ORDER BY ${key} LIMIT ? OFFSET ?`)
      .all(...parameters, search.limit + 1, search.offset);
    const page = rows.slice(0, search.limit).map((row) => row.key);
    const more =
      rows.length <= search.limit
        ? 0
        : ((yield* db
            .query<{ more: number }>(`SELECT count(*) AS more FROM (SELECT 1 ${from} LIMIT ? OFFSET ?) AS rest`)
            .get(...parameters, MORE_COUNTED, search.offset + search.limit))?.more ?? 0);
    return { found: yield* details(search, page), more };
  };
}

/** FROM and WHERE of a search; for tests that look at what a database makes of it. */
export function matching(
  { level, conditions }: Search,
  dialect: Dialect,
): { readonly from: string; readonly parameters: Parameter[] } {
  const { from, study } = LEVELS[level];
  // Nothing counts the rows for SQLite's planner: of two indexes it may take the one that half of all series are in.
  const isNarrow =
    level === 'instance' || conditions.some(({ key }) => SEARCHABLE[key] === 'study' && key !== 'ModalitiesInStudy');
  const sql = conditions.map((condition) => conditionSql(condition, study, isNarrow, dialect));
  const where = sql.map(({ text }) => text);
  // What was removed after its delivery is not here to be found.
  const ofSeries = level === 'series' ? ' AND n.series = f.series' : '';
  if (level !== 'instance') where.push(`EXISTS (SELECT 1 FROM instances n WHERE n.study = ${study}${ofSeries})`);
  const uses = (table: string): boolean => where.some((text) => text.includes(`${table}.`));
  const joins = [
    level === 'instance' && uses('f') ? ' JOIN series_headers f ON f.series = i.series' : '',
    level !== 'study' && uses('s') ? ` JOIN series s ON s.series = ${level === 'series' ? 'f' : 'i'}.series` : '',
    level !== 'study' && uses('h') ? ` JOIN study_headers h ON h.study = ${study}` : '',
    uses('t') ? ` JOIN studies t ON t.study = ${study}` : '',
  ].join('');
  return {
    from: `FROM ${from}${joins}${where.length === 0 ? '' : ` WHERE ${where.join(' AND ')}`}`,
    parameters: sql.flatMap(({ parameters }) => parameters),
  };
}

/** @param isNarrow - another condition finds the rows; an index on what series have in common is not to be used */
function conditionSql({ key, match }: Condition, study: string, isNarrow: boolean, dialect: Dialect): Sql {
  if (key === 'ModalitiesInStudy') {
    const inner = matchSql('m.modality', match, dialect);
    return {
      text: `EXISTS (SELECT 1 FROM series_headers m WHERE m.study = ${study} AND ${inner.text} AND ${HAS_INSTANCES('m')})`,
      parameters: inner.parameters,
    };
  }
  const [indexed, ...groups] = COLUMNS[key];
  const column = isNarrow && indexed.startsWith('f.') ? dialect.unindexed(indexed) : indexed;
  if (groups.length > 0) return nameSql([column, ...groups], match, dialect);
  if (INTEGER_KEYS.has(key) && match.kind === 'any') return equalSql(column, match.values.map(Number));
  if (TIME_KEYS.has(key) && match.kind === 'any') {
    // 101530 and 101530.000 are the same time.
    return anySql(match.values.map((value) => fractionSql(column, value)));
  }
  return matchSql(column, match, dialect);
}

function matchSql(column: string, match: Match, dialect: Dialect): Sql {
  switch (match.kind) {
    case 'any':
      return equalSql(column, match.values);
    case 'wildcard':
      return patternSql(column, match.pattern, dialect);
    case 'range': {
      const ends: Sql[] = [];
      if (match.from !== undefined) ends.push({ text: `${column} >= ?`, parameters: [match.from] });
      // A time of lower precision stands for all of it: `10` ends with 10:59:59. No digit is behind `:`.
      if (match.to !== undefined) ends.push({ text: `${column} < ?`, parameters: [`${match.to}:`] });
      // An empty value is in no range.
      return allSql([...ends, { text: `${column} <> ''`, parameters: [] }]);
    }
    default:
      return match satisfies never;
  }
}

/** PS3.4 Section C.2.2.2.1, and PS3.5 Section 6.2.1.1: a name matches when one of its component groups does. */
function nameSql(columns: readonly string[], match: Match, dialect: Dialect): Sql {
  if (match.kind === 'range') throw new TypeError('a name has no range');
  const texts = match.kind === 'any' ? match.values : [match.pattern];
  return anySql(
    texts.map((text) => {
      const groups = text.split('=').slice(0, columns.length);
      // Without `=` any group may be meant; with it each one given must match its own.
      const wanted =
        groups.length === 1
          ? columns.map((column) => [column, 0] as const)
          : columns.map((column, n) => [column, n] as const);
      const sql = wanted.flatMap(([column, group]) => {
        const folded = nameGroup(text, group);
        return folded === undefined
          ? []
          : [match.kind === 'any' ? equalSql(column, [folded]) : patternSql(column, folded, dialect)];
      });
      return groups.length === 1 ? anySql(sql) : allSql(sql);
    }),
  );
}

function equalSql(column: string, values: readonly (string | number)[]): Sql {
  if (values.length === 1) return { text: `${column} = ?`, parameters: values };
  return { text: `${column} IN (${values.map(() => '?').join(', ')})`, parameters: values };
}

/** The prefix before the first wildcard is a range that an index serves. */
function patternSql(column: string, pattern: string, dialect: Dialect): Sql {
  const like: Sql = { text: dialect.like(column), parameters: [dialect.patternOf(pattern)] };
  const prefix = /^[^*?]*/.exec(pattern)?.[0] ?? '';
  if (prefix === '') return like;
  return allSql([{ text: `${column} >= ? AND ${column} < ?`, parameters: [prefix, `${prefix}\u{10ffff}`] }, like]);
}

function fractionSql(column: string, value: string): Sql {
  const plain = value.replace(/\.0*$|(\.\d*?)0+$/, '$1');
  const separator = plain.includes('.') ? '' : '.';
  return anySql([
    { text: `${column} = ?`, parameters: [plain] },
    // Behind it only zeros.
    { text: `rtrim(${column}, '0') = ?`, parameters: [`${plain}${separator}`] },
  ]);
}

function anySql(parts: readonly Sql[]): Sql {
  return joined(parts, ' OR ', '1 = 0');
}

function allSql(parts: readonly Sql[]): Sql {
  return joined(parts, ' AND ', '1 = 1');
}

function joined(parts: readonly Sql[], operator: string, none: string): Sql {
  const [first] = parts;
  if (first === undefined) return { text: none, parameters: [] };
  if (parts.length === 1) return first;
  return {
    text: `(${parts.map(({ text }) => text).join(operator)})`,
    parameters: parts.flatMap(({ parameters }) => parameters),
  };
}

/** What is told of each row of a page, read row by row by its key. */
function openDetails(db: Database): (search: Search, page: readonly number[]) => Script<readonly Found[]> {
  const study = db.query<{
    study_instance_uid: StudyInstanceUid;
    instances: number;
    series: number;
    /** A backslash between them, which no value has (PS3.5 Section 6.1.3). */
    modalities: string | null;
    attributes: string;
  }>(
    `SELECT t.study_instance_uid, t.instances,
            (SELECT count(*) FROM series_headers f WHERE f.study = t.study AND ${HAS_INSTANCES('f')}) AS series,
            (SELECT string_agg(modality, '\\') FROM (
               SELECT DISTINCT f.modality FROM series_headers f
               WHERE f.study = t.study AND f.modality IS NOT NULL AND ${HAS_INSTANCES('f')}) AS each) AS modalities,
            (SELECT s.attributes FROM series s WHERE s.study = t.study ORDER BY s.series LIMIT 1) AS attributes
     FROM studies t WHERE t.study = ?`,
  );
  const series = db.query<{
    study: number;
    series_instance_uid: SeriesInstanceUid;
    attributes: string;
    instances: number;
  }>(
    `SELECT s.study, s.series_instance_uid, s.attributes,
            (SELECT count(*) FROM instances i WHERE i.study = s.study AND i.series = s.series) AS instances
     FROM series s WHERE s.series = ?`,
  );
  const instance = db.query<{
    study_instance_uid: StudyInstanceUid;
    series_instance_uid: SeriesInstanceUid;
    sop_instance_uid: SopInstanceUid;
    sop_class_uid: SopClassUid;
    blob: BlobRef;
  }>(
    `SELECT t.study_instance_uid, s.series_instance_uid, i.sop_instance_uid, i.sop_class_uid, i.blob
     FROM instances i JOIN studies t USING (study) JOIN series s USING (series) WHERE i.instance = ?`,
  );

  const ofStudy = function* (key: number, fields: readonly string[]): Script<Found | undefined> {
    const row = yield* study.get(key);
    if (row === undefined) return undefined;
    return {
      studyInstanceUid: row.study_instance_uid,
      study: {
        attributes: picked(row.attributes, fields),
        modalities: row.modalities === null ? [] : row.modalities.split('\\').toSorted(),
        series: row.series,
        instances: row.instances,
      },
    };
  };

  return function* (search, page) {
    /** Series of one study stand side by side. */
    let last: { readonly key: number; readonly found: Found | undefined } | undefined;
    const all: Found[] = [];
    for (const key of page) {
      switch (search.level) {
        case 'study': {
          const found = yield* ofStudy(key, search.studyFields);
          if (found !== undefined) all.push(found);
          break;
        }
        case 'series': {
          const row = yield* series.get(key);
          if (row === undefined) break;
          if (last?.key !== row.study) last = { key: row.study, found: yield* ofStudy(row.study, search.studyFields) };
          if (last.found === undefined) break;
          const { series_instance_uid: seriesInstanceUid, instances } = row;
          const attributes = picked(row.attributes, search.seriesFields);
          all.push({ ...last.found, series: { seriesInstanceUid, attributes, instances } });
          break;
        }
        case 'instance': {
          const row = yield* instance.get(key);
          if (row === undefined) break;
          all.push({
            studyInstanceUid: row.study_instance_uid,
            instance: {
              seriesInstanceUid: row.series_instance_uid,
              sopInstanceUid: row.sop_instance_uid,
              sopClassUid: row.sop_class_uid,
              blob: row.blob,
            },
          });
          break;
        }
        default:
          return search.level satisfies never;
      }
    }
    return all;
  };
}

function picked(attributes: string, fields: readonly string[]): Attributes {
  const all = JSON.parse(attributes) as Attributes;
  const entries = fields.flatMap((field) => {
    const values = Object.hasOwn(all, field) ? all[field] : undefined;
    return values === undefined ? [] : [[field, values] as const];
  });
  return Object.fromEntries(entries);
}
