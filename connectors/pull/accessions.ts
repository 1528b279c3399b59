/** Lists of accession numbers: one a line, or a column of a CSV file (RFC 4180) with a header. */
import { readFile, stat } from 'node:fs/promises';
import { HubError } from '../../core/errors.ts';

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_ACCESSIONS = 100_000;
/** VR SH (PS3.5 Section 6.2), and nothing that means more than itself in a query. */
const ACCESSION = /^[^\\*?\p{Cc}]{1,16}$/u;

/**
 * Each number once, in the order of the list. Empty lines, and those that begin with #, are none.
 *
 * @throws {HubError} `pull.list-unreadable`; it names a line, never what stands there
 */
export async function readAccessions(file: string, column?: string): Promise<readonly string[]> {
  const text = await contentOf(file);
  const values = column === undefined ? linesOf(text) : cellsOf(text, column);
  const accessions = new Set<string>();
  for (const { line, value } of values) {
    if (value === '') continue;
    if (!ACCESSION.test(value)) throw unreadable(`line ${String(line)} is no accession number`);
    accessions.add(value);
    if (accessions.size > MAX_ACCESSIONS) throw unreadable(`more than ${String(MAX_ACCESSIONS)} accession numbers`);
  }
  return [...accessions];
}

async function contentOf(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw unreadable('too long');
    // A spreadsheet program begins it with a byte order mark.
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    if (error instanceof HubError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new HubError('pull.list-unreadable', { reason: code }, error);
  }
}

interface Value {
  readonly line: number;
  readonly value: string;
}

function linesOf(text: string): readonly Value[] {
  return text
    .split(/\r\n|\n|\r/)
    .map((written, index) => ({ line: index + 1, value: written.trim() }))
    .filter(({ value }) => !value.startsWith('#'));
}

function cellsOf(text: string, column: string): readonly Value[] {
  const [header, ...rows] = rowsOf(text);
  const index = header?.cells.findIndex((cell) => cell.trim().toLowerCase() === column.toLowerCase()) ?? -1;
  if (index === -1) throw unreadable(`no column ${column}`);
  return rows.map(({ line, cells }) => ({ line, value: (cells[index] ?? '').trim() }));
}

interface CsvRow {
  readonly line: number;
  readonly cells: readonly string[];
}

/** Separated by what stands in the first line: a comma, or a semicolon as spreadsheet programs of many countries write. */
function rowsOf(text: string): readonly CsvRow[] {
  const firstLine = /^[^\r\n]*/.exec(text)?.[0] ?? '';
  const separator = !firstLine.includes(',') && firstLine.includes(';') ? ';' : ',';
  const rows: CsvRow[] = [];
  let cells: string[] = [];
  let cell = '';
  let isQuoted = false;
  let line = 1;
  let rowLine = 1;
  const endRow = () => {
    rows.push({ line: rowLine, cells: [...cells, cell] });
    cells = [];
    cell = '';
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '\n') line += 1;
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text.charAt(at + 1) === '"') {
        cell += '"';
        at += 1;
      } else isQuoted = false;
    } else if (character === '"' && cell === '') isQuoted = true;
    else if (character === separator) {
      cells.push(cell);
      cell = '';
    } else if (character === '\n') {
      endRow();
      rowLine = line;
    } else if (character !== '\r') cell += character;
  }
  if (isQuoted) throw unreadable('a quotation mark is missing');
  if (cell !== '' || cells.length > 0) endRow();
  return rows;
}

function unreadable(detail: string): HubError {
  return new HubError('pull.list-unreadable', { detail });
}
