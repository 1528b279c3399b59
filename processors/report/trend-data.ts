/** How scanners have done over time: measures by date for each protocol, held against what was accepted. */
import type { QcHistoryRow } from '../../core/ledger/qc-history.ts';
import { type ControlLimits, controlLimits } from '../pictures/control-chart.ts';
import { type Better, MEASURES } from '../qc/measures.ts';
import { keyNumbersOf } from './key-numbers.ts';

/** A measured scan as an answer of the API has it. */
export type TrendRow = Omit<QcHistoryRow, 'scanKey'>;

export interface ProtocolTrend {
  readonly kind: string;
  readonly scannerKey: string;
  readonly protocolKey: string;
  /** Oldest first. */
  readonly scans: readonly TrendRow[];
  readonly measures: readonly MeasureTrend[];
}

export interface MeasureTrend {
  readonly measure: string;
  readonly name: string;
  readonly unit: string;
  readonly better: Better;
  /** Oldest first; scans without this number are left out. */
  readonly points: readonly TrendPoint[];
  /** Of the accepted ones; absent where they are too few. */
  readonly limits?: ControlLimits;
  /** Of the newest scan, against those limits. */
  readonly state: 'within' | 'warn' | 'fail' | 'too-few';
}

export interface TrendPoint {
  readonly qualityId: string;
  readonly recordedAt: string;
  readonly value: number;
  readonly isAccepted: boolean;
}

/** Fewer have no limits. */
const MIN_FOR_LIMITS = 5;
const HISTORY = { warnZ: 3.5, failZ: 7 };

export interface TrendChoice {
  /** Only these; otherwise those that tell most about the kind of scan, and vary. */
  readonly measures?: readonly string[];
  /** Of each protocol. */
  readonly most: number;
}

/** @param rows - of any scanners and protocols, in any order @returns those with most scans first */
export function trendsOf(rows: readonly TrendRow[], choice: TrendChoice): readonly ProtocolTrend[] {
  return [...Map.groupBy(rows, ({ protocolKey }) => protocolKey).values()]
    .toSorted((a, b) => b.length - a.length)
    .flatMap((unordered) => {
      // Scans of one moment stay in the order in which they were listed: newest first.
      const scans = unordered.toReversed().toSorted((a, b) => Date.parse(a.recordedAt) - Date.parse(b.recordedAt));
      const last = scans.at(-1);
      if (last === undefined) return [];
      const { kind, scannerKey, protocolKey } = last;
      return [{ kind, scannerKey, protocolKey, scans, measures: measuresOf(kind, scans, choice) }];
    });
}

function measuresOf(
  kind: string,
  scans: readonly TrendRow[],
  { measures, most }: TrendChoice,
): readonly MeasureTrend[] {
  if (measures !== undefined) return measures.flatMap((name) => trendOf(name, scans) ?? []);
  const first = keyNumbersOf(kind).map(({ name }) => name);
  const rest = [...MEASURES].filter(([, { decides }]) => decides.some((one) => one === kind)).map(([name]) => name);
  return (
    [...new Set([...first, ...rest])]
      .flatMap((name) => trendOf(name, scans) ?? [])
      // What never was anything else has no course.
      .filter(({ points }) => points.length > 1 && points.some(({ value }) => value !== points[0]?.value))
      .slice(0, most)
  );
}

function trendOf(measure: string, scans: readonly TrendRow[]): MeasureTrend | undefined {
  const known = MEASURES.get(measure);
  const points = scans.flatMap(({ measures, recordedAt, accepted, qualityId }) => {
    const value = measures[measure];
    return typeof value === 'number' ? [{ qualityId, recordedAt, value, isAccepted: accepted }] : [];
  });
  const newest = points.at(-1);
  if (known === undefined || newest === undefined) return undefined;
  const accepted = points.filter(({ isAccepted }) => isAccepted).map(({ value }) => value);
  const { name, unit, better, resolution } = known;
  const limits = accepted.length < MIN_FOR_LIMITS ? undefined : controlLimits(accepted, better, resolution, HISTORY);
  return {
    ...{ measure, name, unit, better, points, state: stateOf(newest.value, limits) },
    ...(limits === undefined ? {} : { limits }),
  };
}

function stateOf(value: number, limits: ControlLimits | undefined): MeasureTrend['state'] {
  if (limits === undefined) return 'too-few';
  const { warnLow = -Infinity, warnHigh = Infinity, failLow = -Infinity, failHigh = Infinity } = limits;
  if (value <= failLow || value >= failHigh) return 'fail';
  return value <= warnLow || value >= warnHigh ? 'warn' : 'within';
}
