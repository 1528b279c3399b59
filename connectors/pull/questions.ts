/** What a run asks its source, piece by piece, so that every answer stays short and a crash costs one piece. Pure. */
import type { PullRange, PullRunRow } from '../../core/ledger/pulls.ts';
import { dayOf, daysBetween, halvesOf } from './calendar.ts';
import type { PullOptions } from './options.ts';

const PARTS_OF_A_DAY = 2;
const MIN_PART_SECONDS = 60;
const DAY_SECONDS = 86_400;

/**
 * @param accessions - of the list, where the query has one
 * @returns a question for each accession number, or for each day of a back-fill, or one
 */
export function questionsOf(
  run: Pick<PullRunRow, 'kind' | 'from' | 'to'>,
  { query, timeZone }: Pick<PullOptions, 'query' | 'timeZone'>,
  accessions: readonly string[] | undefined,
  now: Date,
): readonly PullRange[] {
  const days =
    run.from === undefined || run.to === undefined ? daysOf(query, timeZone, now) : { from: run.from, to: run.to };
  if (accessions !== undefined) return accessions.map((accessionNumber) => ({ accessionNumber, ...days }));
  if (days === undefined) return [{}];
  if (run.kind !== 'backfill') return [days];
  return [...daysBetween(days.from, days.to)].map((day) => ({ from: day, to: day }));
}

/** What to ask in place of a question whose answer is too long; undefined: there is no shorter one. */
export function partsOf(range: PullRange): readonly PullRange[] | undefined {
  const { from, to, timeFrom = '000000', timeTo = '235959' } = range;
  if (from === undefined || to === undefined || range.accessionNumber !== undefined) return undefined;
  const halves = halvesOf(from, to);
  if (halves !== undefined) return halves.map(([first, last]) => ({ from: first, to: last }));
  const [start, end] = [secondsOf(timeFrom), secondsOf(timeTo)];
  if (end - start < MIN_PART_SECONDS) return undefined;
  const middle = start + Math.floor((end - start) / PARTS_OF_A_DAY);
  return [
    { from, to, timeFrom: toTm(start), timeTo: toTm(middle) },
    { from, to, timeFrom: toTm(middle + 1), timeTo: toTm(end) },
  ];
}

function daysOf(query: PullOptions['query'], timeZone: string | undefined, now: Date) {
  const { studyDate } = query;
  if (studyDate === undefined) return undefined;
  const today = dayOf(now, timeZone);
  if ('lastDays' in studyDate) return { from: dayOf(now, timeZone, studyDate.lastDays), to: today };
  const { from, to = today } = studyDate;
  return { from, to: to < from ? from : to };
}

function secondsOf(tm: string): number {
  return Number(tm.slice(0, 2)) * 3600 + Number(tm.slice(2, 4)) * 60 + Number(tm.slice(4, 6));
}

function toTm(seconds: number): string {
  const capped = Math.min(seconds, DAY_SECONDS - 1);
  return [Math.floor(capped / 3600), Math.floor(capped / 60) % 60, capped % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join('');
}
