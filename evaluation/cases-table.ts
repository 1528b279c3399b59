/** The table beside the cases: whose scan each is, and from where. CSV (RFC 4180) or tab-separated. */
import { HubError } from '../core/errors.ts';

/** What cases are grouped by. */
export const FACTORS = ['species', 'scanner', 'site', 'sequence'] as const;
export type Factor = (typeof FACTORS)[number];
export type Strata = Partial<Readonly<Record<Factor, string>>>;

export interface CaseRow {
  /** A path below the folder of references, where that is not called like the case. */
  readonly reference?: string;
  readonly subject?: string;
  readonly strata: Strata;
}

/** BIDS: `sub-07_ses-1_T2w`. */
export const BIDS_SUBJECT = /(?:^|_)(sub-[A-Za-z0-9]+)/;

/**
 * Rows by the case's name.
 *
 * @param file - for whoever reads the error
 * @throws {HubError} `file.failed` when there is no column `case`, or a case stands twice
 */
export function parseCasesTable(text: string, file: string): ReadonlyMap<string, CaseRow> {
  const [first = '', ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const separator = first.includes('\t') ? '\t' : first.includes(';') && !first.includes(',') ? ';' : ',';
  const names = cellsOf(first, separator).map((name) => name.trim().toLowerCase());
  const at = (name: string): number => names.indexOf(name);
  if (at('case') < 0) throw new HubError('file.failed', { detail: `${file}: its first line has no column "case"` });
  const rows = new Map<string, CaseRow>();
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const cells = cellsOf(line, separator);
    const cell = (name: string): string | undefined => {
      const value = cells[at(name)]?.trim() ?? '';
      // BIDS writes n/a.
      return value === '' || value === 'n/a' ? undefined : value;
    };
    const name = cell('case');
    if (name === undefined || rows.has(name))
      throw new HubError('file.failed', {
        detail: `${file}: line ${String(index + 2)} ${name === undefined ? 'names no case' : 'names a case a second time'}`,
      });
    const strata = Object.fromEntries(
      FACTORS.flatMap((factor) => (cell(factor) === undefined ? [] : [[factor, cell(factor)]])),
    );
    const subject = cell('subject');
    const reference = cell('reference');
    rows.set(name, {
      ...(subject === undefined ? {} : { subject }),
      ...(reference === undefined ? {} : { reference }),
      strata,
    });
  }
  return rows;
}

/** By the table; else by the pattern (its first group, or all it matches); else each case is a subject of its own. */
export function subjectOf(name: string, row: CaseRow | undefined, pattern: RegExp): string {
  const match = pattern.exec(name);
  return row?.subject ?? match?.[1] ?? match?.[0] ?? name;
}

function cellsOf(line: string, separator: string): readonly string[] {
  const cells: string[] = [];
  let cell = '';
  let isQuoted = false;
  for (let n = 0; n < line.length; n += 1) {
    const letter = line[n] ?? '';
    if (letter === '"' && isQuoted && line[n + 1] === '"') {
      cell += letter;
      n += 1;
    } else if (letter === '"') isQuoted = !isQuoted;
    else if (letter === separator && !isQuoted) {
      cells.push(cell);
      cell = '';
    } else cell += letter;
  }
  return [...cells, cell];
}
