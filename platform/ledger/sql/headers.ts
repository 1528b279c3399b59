/** What QIDO-RS searches by, taken out of the header of an instance: folded names, dates and times without separators. */
import type { Attributes } from '../../../core/ledger/common.ts';
import { nameGroup } from './person-name.ts';
import type { Database, Parameter, Script } from './script.ts';

/** Columns of `study_headers` and `series_headers` behind their keys, and where each comes from. */
const OF_STUDY: readonly (readonly [column: string, from: (header: Attributes) => Parameter])[] = [
  ['patient_name', (header) => name(header, 'PatientName', 0)],
  ['patient_name_ideographic', (header) => name(header, 'PatientName', 1)],
  ['patient_name_phonetic', (header) => name(header, 'PatientName', 2)],
  ['physician_name', (header) => name(header, 'ReferringPhysicianName', 0)],
  ['physician_name_ideographic', (header) => name(header, 'ReferringPhysicianName', 1)],
  ['physician_name_phonetic', (header) => name(header, 'ReferringPhysicianName', 2)],
  ['patient_id', (header) => first(header, 'PatientID')],
  // ACR-NEMA wrote dates with dots and times with colons (PS3.5 Section 6.2).
  ['patient_birth_date', (header) => first(header, 'PatientBirthDate')?.replaceAll('.', '')],
  ['study_date', (header) => first(header, 'StudyDate')?.replaceAll('.', '')],
  ['study_time', (header) => first(header, 'StudyTime')?.replaceAll(':', '')],
  ['accession_number', (header) => first(header, 'AccessionNumber')],
  ['study_id', (header) => first(header, 'StudyID')],
  ['study_description', (header) => first(header, 'StudyDescription')],
];
const OF_SERIES: typeof OF_STUDY = [
  ['modality', (header) => first(header, 'Modality')],
  ['series_number', (header) => integer(first(header, 'SeriesNumber'))],
  ['series_description', (header) => first(header, 'SeriesDescription')],
  ['step_start_date', (header) => first(header, 'PerformedProcedureStepStartDate')?.replaceAll('.', '')],
  ['step_start_time', (header) => first(header, 'PerformedProcedureStepStartTime')?.replaceAll(':', '')],
];

/** Longer than any value may be (PS3.5 Table 6.2-1), and short enough for an index, which refuses the row of a longer one. */
const MAX_CHARACTERS = 512;

/** Writes the rows, in the place of those there are. `attributes` as JSON. */
export function openHeaders(db: Database) {
  const study = db.query(upsert('study_headers', ['study'], OF_STUDY));
  const series = db.query(upsert('series_headers', ['series', 'study'], OF_SERIES));

  return {
    *ofStudy(key: number, attributes: string): Script<void> {
      yield* study.send(key, ...values(OF_STUDY, attributes));
    },
    *ofSeries(key: number, ofStudy: number, attributes: string): Script<void> {
      yield* series.send(key, ofStudy, ...values(OF_SERIES, attributes));
    },
  };
}

function upsert(table: string, keys: readonly string[], columns: typeof OF_STUDY): string {
  const names = columns.map(([column]) => column);
  const all = [...keys, ...names];
  return `INSERT INTO ${table} (${all.join(', ')}) VALUES (${all.map(() => '?').join(', ')})
     ON CONFLICT (${keys[0] ?? ''}) DO UPDATE SET ${names.map((column) => `${column} = excluded.${column}`).join(', ')}`;
}

function values(columns: typeof OF_STUDY, attributes: string): readonly Parameter[] {
  const header = JSON.parse(attributes) as Attributes;
  return columns.map(([, from]) => from(header));
}

function first(header: Attributes, keyword: string): string | undefined {
  return Object.hasOwn(header, keyword) ? header[keyword]?.[0]?.slice(0, MAX_CHARACTERS) : undefined;
}

function name(header: Attributes, keyword: string, group: number): string | undefined {
  const value = first(header, keyword);
  return value === undefined ? undefined : nameGroup(value, group);
}

/** What is no number is 0: a series without a number that can be read is found by none but that. */
function integer(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number.parseInt(value, 10);
  return Number.isSafeInteger(number) ? number : 0;
}
