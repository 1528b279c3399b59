/** The table of measures in docs/quality-control.md, from the code; a test compares both. */
import { MEASURES } from '../processors/qc/measures.ts';

const SIDES = { high: 'high', low: 'low', same: 'as before', note: '–' } as const;

/** One row a measure, in the order of the report. */
export function measureTable(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const rows = [...MEASURES].map(([key, row]) => {
    const decides = row.decides.length === 0 ? '–' : row.decides.length === 6 ? 'all' : row.decides.join(', ');
    return `| \`${key}\` | ${cell(row.name)} | ${row.unit} | ${SIDES[row.better]} | ${cell(row.formula)} | ${cell(row.source)} | ${decides} | ${row.resolution === 0 ? '' : row.resolution} | ${cell(row.act)} |`;
  });
  return [
    '| measure | in words | unit | good | formula | source | decides for | resolution | what to do |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
