/** What the hub answers when it has taken a configuration, and how one differs from another, as lines. */
import * as z from 'zod';
import { count } from '../core/count.ts';
import { columns } from './terminal.ts';

const difference = z.object({
  pointer: z.string(),
  change: z.enum(['added', 'removed', 'changed']),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
});
const taken = z.object({
  version: z.string(),
  previous: z.string(),
  isNew: z.boolean(),
  differences: z.array(difference),
  warnings: z.array(z.string()),
  fileDiffers: z.boolean(),
});

type Difference = z.output<typeof difference>;
export const parseTaken = (answer: unknown): z.output<typeof taken> => taken.parse(answer);
export const parseDifferences = (answer: unknown) =>
  z.object({ from: z.string().optional(), to: z.string(), differences: z.array(difference) }).parse(answer);

const MARKS = { added: '+', removed: '-', changed: '~' } as const;
const MAX_SHOWN = 120;

export function takenLines({ version, previous, isNew, ...rest }: z.output<typeof taken>): readonly string[] {
  const heading = isNew
    ? `in force: ${version}, instead of ${previous}; ${count(rest.differences.length, 'difference')}`
    : `in force: ${version}, as before`;
  return [
    heading,
    ...differenceLines(rest.differences),
    ...rest.warnings.map((warning) => `warning: ${warning}`),
    ...(rest.fileDiffers
      ? [`the file says something else, and the next start takes the file: hub routes show ${version} prints this one`]
      : []),
  ];
}

export function differenceLines(differences: readonly Difference[]): readonly string[] {
  return columns(
    differences.map(({ pointer, change, before, after }) => [
      `${MARKS[change]} ${pointer}`,
      change === 'changed' ? `${shown(before)} → ${shown(after)}` : shown(change === 'added' ? after : before),
    ]),
  );
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN - 1)}…`;
}
