/** How scans are called in pictures and reports: by number, kind and size, never by text that somebody typed. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { Verdict } from '../qc/verdict.ts';
import type { Volume } from '../volumes/volume.ts';
import type { ReportScan } from './report-pages.ts';

export function scanTitle({ header, kind, dims }: Pick<Volume, 'header' | 'kind' | 'dims'>): string {
  const [columns, rows, slices, repetitions] = dims;
  const size = [columns, rows, slices, ...(repetitions > 1 ? [repetitions] : [])].join(' × ');
  const number = header.number('SeriesNumber');
  return `${number === undefined ? 'Series' : `Series ${String(number)}`}, ${kind}, ${size}`;
}

/** The study's date, for documents that need one: the clock's would make every run another document. */
export function studyDate(header: DataSet | undefined): Date {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})$/.exec(header?.string('StudyDate') ?? '') ?? [];
  const date = new Date(Date.UTC(Number(year ?? 1900), Number(month ?? 1) - 1, Number(day ?? 1)));
  return Number.isNaN(date.getTime()) ? new Date(Date.UTC(1900, 0, 1)) : date;
}

export const VERDICT_MARKS: Readonly<Record<Verdict, NonNullable<ReportScan['mark']>>> = {
  pass: { text: 'pass', tone: 'good' },
  warn: { text: 'warn', tone: 'doubtful' },
  fail: { text: 'fail', tone: 'bad' },
  'not-enough-history': { text: 'not enough history', tone: 'unknown' },
};
