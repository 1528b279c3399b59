/** What `hub doctor` prints: a mark, what was found, and below what is not as it should be why, and what to do. */
import type { Diagnosis, Verdict } from '../core/diagnosis.ts';
import { count } from '../core/count.ts';

/** One thing that was looked at, with all that was found. */
export interface Examined {
  readonly kind: 'hub' | 'source' | 'pull' | 'destination';
  readonly name: string;
  readonly about: string;
  readonly diagnoses: readonly Diagnosis[];
}

const MARKS: Readonly<Record<Verdict, string>> = { fine: '✔', warning: '!', wrong: '✘', skipped: '–' };
const LABEL_WIDTH = 9;
const INDENT = '    ';

export function examinedLines({ kind, name, about, diagnoses }: Examined, width: number): readonly string[] {
  return [printable(`${kind} ${name}: ${about}`), ...diagnoses.flatMap((each) => diagnosisLines(each, width)), ''];
}

/** The last line: how many things need somebody. */
export function verdictLine(examined: readonly Examined[]): string {
  const of = (verdict: Verdict) =>
    examined.flatMap(({ diagnoses }) => diagnoses).filter((each) => each.verdict === verdict).length;
  const [wrong, warnings] = [of('wrong'), of('warning')];
  if (wrong === 0 && warnings === 0) return 'All is well.';
  const parts = [
    ...(wrong === 0 ? [] : [`${count(wrong, 'thing is', 'things are')} wrong (${MARKS.wrong})`]),
    ...(warnings === 0 ? [] : [`${count(warnings, 'warning')} (${MARKS.warning})`]),
  ];
  return `${parts.join(', ')}.`;
}

function diagnosisLines({ verdict, what, why, remedy }: Diagnosis, width: number): readonly string[] {
  return [
    ...wrapped(`  ${MARKS[verdict]} `, what, width),
    ...(why === undefined ? [] : wrapped(INDENT + 'Why'.padEnd(LABEL_WIDTH), why, width)),
    ...(remedy === undefined ? [] : wrapped(INDENT + 'Do this'.padEnd(LABEL_WIDTH), remedy, width)),
  ];
}

/** Lines no longer than `width`, the text below itself; a word is never cut, so that UIDs and paths can be copied. */
function wrapped(head: string, text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = head;
  let isEmpty = true;
  for (const word of printable(text).split(' ')) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' '.repeat(head.length);
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}

/** AE titles and names in certificates are whatever a stranger sent: nothing of it may steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x${code.toString(16).padStart(2, '0')}`;
  });
}
