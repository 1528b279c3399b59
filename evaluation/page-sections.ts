/** The longer parts of the page: groups of cases, each case, the model's card, the definitions. */
import { number, section, table, text } from './markup.ts';
import type { Report } from './report.ts';
import { type Distribution, scoresOf } from './summary.ts';

/** How deep a card is shown; cards are written by others. */
const MAX_DEPTH = 4;
const MAX_TEXT = 4_000;

export function strataSection({ summary }: Report): string {
  const names = new Map(summary.labels.map(({ index, name }) => [index, name]));
  const rows = summary.strata.flatMap(({ factor, value, cases, subjects, failures, labels }) =>
    labels.map(({ index, dice, hd95Mm }) => [
      text(factor),
      text(value),
      text(names.get(index) ?? ''),
      String(cases),
      String(subjects),
      String(failures),
      quartiles(dice, 3),
      dice.intervals === undefined
        ? '–'
        : `${number(dice.intervals.median.low, 3)} to ${number(dice.intervals.median.high, 3)}`,
      quartiles(hd95Mm, 2),
    ]),
  );
  if (rows.length === 0) return '';
  const head = [
    'Group',
    '',
    'Label',
    'Cases',
    'Subjects',
    'Failures',
    'Dice, median and quartiles',
    '95 % interval',
    'HD95, mm',
  ];
  return section('Groups', table(head, rows, 3));
}

function quartiles({ median, q1, q3 }: Distribution, decimals: number): string {
  return `${number(median, decimals)} <span class="range">${number(q1, decimals)} to ${number(q3, decimals)}</span>`;
}

export function casesSection({ summary, results, leftOut }: Report): string {
  const rows = results.flatMap((result) =>
    summary.labels.map(({ index, name }, at) => {
      const scores = scoresOf(result, index);
      const isFirst = at === 0;
      const remark = [result.failure ?? '', ...result.notes].filter((each) => each !== '').join('; ');
      return [
        isFirst ? text(result.name) : '',
        isFirst ? text(result.subject) : '',
        text(name),
        number(scores?.dice, 3),
        number(scores?.nsd, 3),
        number(scores?.hd95Mm, 2),
        number(scores?.assdMm, 3),
        number(scores?.referenceMm3, 1),
        number(scores?.volumeDifferenceMm3, 1),
        number(scores?.volumeDifferencePercent, 1),
        isFirst ? number(result.seconds, 1) : '',
        isFirst ? number(result.peakRssMb, 0) : '',
        ...(remark === '' || !isFirst ? [] : [`<span class="range">${text(remark)}</span>`]),
      ];
    }),
  );
  const head = [
    'Case',
    'Subject',
    'Label',
    'Dice',
    'NSD',
    'HD95 mm',
    'ASSD mm',
    'Reference mm³',
    'Δ mm³',
    'Δ %',
    's',
    'MB',
  ];
  const left = leftOut.map(({ name, reason }) => [text(name), text(reason)]);
  return `${section('Cases', rows.length === 0 ? '' : table(head, rows.map(withRemark), 3))}
${section('Left out', left.length === 0 ? '' : table(['Case', 'Why'], left, 2))}`;
}

/** What is to be said of a case stands below its name. */
function withRemark(cells: readonly string[]): readonly string[] {
  const [name = '', ...others] = cells;
  return cells.length > 12 ? [`${name}${cells[12] ?? ''}`, ...others.slice(0, 11)] : cells;
}

export function definitionsSection({ definitions }: Report): string {
  return section(
    'Definitions used',
    `<dl>${definitions.map(({ term, text: words }) => `<dt>${text(term)}</dt><dd>${text(words)}</dd>`).join('\n')}</dl>`,
  );
}

/** As its maker wrote it, heading by heading. */
export function cardSection(card: unknown): string {
  if (card === undefined) return section('Model card', '<p>The model came without a card.</p>');
  return section(
    'Model card',
    `<p class="soft">As the model’s maker wrote it; the hub has not checked it.</p>${written(card, 0)}`,
  );
}

function written(value: unknown, depth: number): string {
  if (Array.isArray(value) && depth < MAX_DEPTH)
    return `<ul>${value.map((each: unknown) => `<li>${written(each, depth + 1)}</li>`).join('')}</ul>`;
  if (typeof value === 'object' && value !== null && depth < MAX_DEPTH)
    return `<dl>${Object.entries(value)
      .map(([name, each]) => `<dt>${text(spaced(name))}</dt><dd>${written(each, depth + 1)}</dd>`)
      .join('')}</dl>`;
  const words = typeof value === 'string' ? value : JSON.stringify(value);
  return text(words.slice(0, MAX_TEXT));
}

/** `UsesAndDirections` as people read it. */
function spaced(name: string): string {
  return name.replaceAll('_', ' ').replaceAll(/([a-z])([A-Z])/g, '$1 $2');
}
