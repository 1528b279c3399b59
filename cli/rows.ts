/** What the administration API answers, as lines for a person: lists as tables, one thing with its parts below it. */
import * as z from 'zod';
import { columns } from './terminal.ts';

export type Row = Readonly<Record<string, unknown>>;
type Cell = (row: Row) => unknown;

/** How a list of things is shown. */
export interface Table {
  /** What an empty list says. */
  readonly none: string;
  readonly columns: readonly (readonly [title: string, cell: Cell])[];
}

const row = z.record(z.string(), z.unknown());
const list = z.object({ items: z.array(row), cursor: z.string().optional() });

export const parseRow = (answer: unknown): Row => row.parse(answer);
export const parseList = (answer: unknown): z.output<typeof list> => list.parse(answer);

export const field =
  (name: string): Cell =>
  (from) =>
    from[name];

/** A table; a column that says nothing for any row is left out. */
export function listLines(table: Table, rows: readonly Row[]): readonly string[] {
  if (rows.length === 0) return [table.none];
  const used = table.columns.filter(([, cell]) => rows.some((each) => cellText(cell(each)) !== ''));
  const cells = rows.map((each) => used.map(([, cell]) => cellText(cell(each))));
  return columns([used.map(([title]) => title), ...cells]);
}

/** Plain fields one a line, then each list of things as a table of its own. */
export function shownLines(answer: Row, parts: Readonly<Record<string, Table>>): readonly string[] {
  const isPart = (name: string, value: unknown): value is readonly Row[] =>
    Object.hasOwn(parts, name) && Array.isArray(value);
  const plain = Object.entries(answer).filter(([name, value]) => !isPart(name, value));
  const lines = [...columns(plain.map(([name, value]) => [name, cellText(value)]))];
  for (const [name, table] of Object.entries(parts)) {
    const value = answer[name];
    if (!isPart(name, value)) continue;
    lines.push('', `${name}:`, ...listLines(table, value).map((line) => `  ${line}`));
  }
  return lines;
}

export function cellText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(cellText).join(', ');
  if (typeof value === 'object') return JSON.stringify(value);
  return typeof value === 'string' ? value : `${value as number | boolean}`;
}

/** A UID, a digest, a UUID, a time, a reference into the store. */
const FOR_MACHINES = /^(?:[0-9.]{20,}|[0-9a-f]{32,}|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT.*Z|\S+#\d+\+\d+)$/;

/** `route everything, instances 32`: what a person reads of an event; the rest is left to `--json`. */
export function gist(fields: unknown): string {
  return Object.entries(row.safeParse(fields).data ?? {})
    .map(([name, value]) => [name, Array.isArray(value) ? value : [value]] as const)
    .filter(([, values]) => values.some((value) => value !== ''))
    .filter(([, values]) => values.every((value) => typeof value !== 'object' && !FOR_MACHINES.test(cellText(value))))
    .map(([name, values]) => `${name} ${values.map(cellText).join(' + ')}`)
    .join(', ');
}

interface Explained {
  readonly kind: string;
  readonly matched: boolean;
  readonly key?: string | undefined;
  readonly tests?: readonly string[] | undefined;
  readonly part?: Explained | undefined;
  readonly parts?: readonly Explained[] | undefined;
}
const explained: z.ZodType<Explained> = z.lazy(() =>
  z.object({
    kind: z.string(),
    matched: z.boolean(),
    key: z.string().optional(),
    tests: z.array(z.string()).optional(),
    part: explained.optional(),
    parts: z.array(explained).optional(),
  }),
);

/** `source equals, StudyDescription matches`: the tests of a rule that held, as a run remembers them. */
export function whyOf(explanation: unknown): string {
  const { data = [] } = z.array(explained).safeParse(explanation);
  const held = new Set(data.filter(({ matched }) => matched).flatMap(heldTests));
  return held.size === 0 ? 'every study' : [...held].join(', ');
}

function heldTests({ kind, matched, key, tests, part, parts }: Explained): readonly string[] {
  if (!matched) return [];
  if (kind === 'test') return [`${key ?? ''} ${(tests ?? []).join(' ')}`.trim()];
  if (part !== undefined) return [`not ${part.key ?? part.kind}`];
  return (parts ?? []).flatMap(heldTests);
}
