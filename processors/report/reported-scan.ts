/** What the report keeps of a scan when its volume is let go of: numbers, words, and pictures that are drawn already. */
import { type ControlLimits, controlChart, controlLimits } from '../pictures/control-chart.ts';
import type { Svg } from '../pictures/chart.ts';
import { chartsOf, type ScanChart } from '../pictures/scan-charts.ts';
import { type PictureSize, picturesOf } from '../pictures/scan-pictures.ts';
import { type Examined, referenceOf, type ScanReport } from '../qc/examine.ts';
import { MEASURES, type MeasureRow } from '../qc/measures.ts';
import { type Limit, limitsFor, type QcOptions } from '../qc/options.ts';
import { deviationsFrom, PARAMETERS, protocolNames, usualParameters } from '../qc/protocol.ts';
import { keyNumbersOf } from './key-numbers.ts';
import type { Volume } from '../volumes/volume.ts';

export interface ReportedScan {
  /** By number, kind and size; by name only where the name may be seen by whoever may see the report. */
  readonly title: string;
  readonly report: ScanReport;
  readonly maskKind?: 'brain' | 'head';
  readonly pictures: ReturnType<typeof picturesOf>;
  readonly charts: readonly ScanChart[];
  readonly history: readonly Svg[];
  readonly compliance: readonly ComplianceRow[];
  readonly limits: ReadonlyMap<string, MeasureLimits>;
  /** Accepted scans before it without which it is not judged by them. */
  readonly neededScans: number;
}

/** One parameter of the protocol against its reference. */
export interface ComplianceRow {
  readonly parameter: string;
  readonly unit: string;
  readonly value: number | string | undefined;
  readonly reference: number | string;
  /** Whose: the site's, or that of most accepted scans. */
  readonly from: 'site' | 'history';
  readonly outcome: 'compliant' | 'deviates' | 'undetermined';
}

export interface MeasureLimits {
  readonly site?: Limit;
  readonly history?: ControlLimits;
  readonly scans?: number;
}

/** What a title has beside number, kind and size: nothing, what the header calls the protocol, or a given name. */
export type Naming = 'none' | 'protocol' | { readonly name: string };

export interface ReportedScanOptions {
  readonly options: QcOptions;
  readonly size: PictureSize;
  readonly naming: Naming;
  /** A series of many volumes shows its first; of the others only their numbers are told. */
  readonly isDrawn: boolean;
}

/** Charts of history, at most: the measures that decide come first. */
const MAX_HISTORY = 8;
/** Fewer scans show no distribution. */
const MIN_HISTORY = 5;
const HISTORY_WIDTH = 335;

export function reportedScan(examined: Examined, asked: ReportedScanOptions): ReportedScan {
  const { report, volume, measured, past } = examined;
  const { options, size, naming, isDrawn } = asked;
  const limits = limitsOf(examined, options);
  const isPictured = volume !== undefined && isDrawn;
  return {
    title: titleOf(report, volume, naming),
    report,
    ...(measured?.maps === undefined ? {} : { maskKind: measured.maps.maskKind }),
    pictures: isPictured ? picturesOf(volume, measured, size) : [],
    charts: isPictured && measured !== undefined ? chartsOf(volume, measured) : [],
    history: isDrawn ? historyOf(report, past, limits) : [],
    compliance: volume === undefined ? [] : complianceOf(report, volume, past, options),
    limits,
    neededScans: options.history.minimum,
  };
}

function titleOf({ kind }: ScanReport, volume: Volume | undefined, naming: Naming): string {
  const given = typeof naming === 'object' ? naming.name : undefined;
  if (volume === undefined) return `${given ?? 'A series'}, of which no volume could be made`;
  const { header, dims } = volume;
  const number = header.number('SeriesNumber');
  const name = naming === 'protocol' ? protocolNames(volume)[0] : given;
  const [columns, rows, slices, repetitions] = dims;
  const echo = volume.echoTimeMs ?? header.number('EchoTime');
  return [
    ...(number === undefined && name !== undefined
      ? []
      : [number === undefined ? 'Series' : `Series ${String(number)}`]),
    ...(name === undefined ? [] : [name]),
    kind,
    `${columns} × ${rows} × ${slices}${repetitions > 1 ? `, ${repetitions} repetitions` : ''}`,
    ...(echo === undefined ? [] : [`TE ${Number(echo.toPrecision(4))} ms`]),
  ].join(' · ');
}

function limitsOf({ report, past }: Examined, options: QcOptions): ReadonlyMap<string, MeasureLimits> {
  const site = limitsFor(options, report.kind);
  return new Map(
    [...MEASURES].flatMap(([name, row]) => {
      const before = pastOf(past, name);
      const decides = row.decides.includes(report.kind) && before.length >= options.history.minimum;
      const own = site.get(name);
      const limits: MeasureLimits = {
        ...(own === undefined ? {} : { site: own }),
        ...(before.length < MIN_HISTORY
          ? {}
          : {
              scans: before.length,
              history: controlLimits(before, decides ? row.better : 'note', row.resolution, options.history),
            }),
      };
      return Object.keys(limits).length === 0 ? [] : [[name, limits] as const];
    }),
  );
}

function pastOf(past: Examined['past'], name: string): readonly number[] {
  return past.map(({ measures }) => measures[name]).filter((value) => typeof value === 'number');
}

/** Of what was judged first, then of what decides, then of the rest: in order, without a date. */
function historyOf(
  { kind, measures, judgements }: ScanReport,
  past: Examined['past'],
  limits: ReadonlyMap<string, MeasureLimits>,
): readonly Svg[] {
  const judged = new Set(judgements.map(({ measure }) => measure));
  const keys = keyNumbersOf(kind).map(({ name }) => name);
  const weight = (name: string, row: MeasureRow) =>
    judged.has(name) ? -1 : keys.includes(name) ? keys.indexOf(name) : row.decides.includes(kind) ? keys.length : 99;
  return (
    [...MEASURES]
      .filter(([name, { better }]) => better !== 'note' && typeof measures[name] === 'number')
      .filter(([name, row]) => weight(name, row) < 99 && pastOf(past, name).length >= MIN_HISTORY)
      // What was never anything else, as no drop-out ever, is told by its number.
      .filter(([name]) => pastOf(past, name).some((value) => value !== measures[name]))
      .toSorted(([a, rowA], [b, rowB]) => weight(a, rowA) - weight(b, rowB))
      .slice(0, MAX_HISTORY)
      .flatMap(([name, { name: title, unit }]) => {
        const now = measures[name];
        const history = limits.get(name)?.history;
        if (typeof now !== 'number' || history === undefined) return [];
        // The past comes newest first.
        const values = pastOf(past, name).toReversed();
        const points = values.map((value, i) => ({ x: i - values.length, value, isAccepted: true }));
        return [
          controlChart({
            title,
            unit,
            points,
            now,
            limits: history,
            width: HISTORY_WIDTH,
            x: { label: 'scans before' },
          }),
        ];
      })
  );
}

function complianceOf(
  { parameters }: ScanReport,
  volume: Volume,
  past: Examined['past'],
  options: QcOptions,
): readonly ComplianceRow[] {
  const site = referenceOf(volume, options) ?? {};
  const usual = usualParameters(past.map((scan) => scan.parameters));
  return Object.entries(PARAMETERS).flatMap(([parameter, { name, unit }]): readonly ComplianceRow[] => {
    const from = site[parameter] === undefined ? 'history' : 'site';
    const reference = site[parameter] ?? usual[parameter];
    if (reference === undefined) return [];
    const value = parameters[parameter];
    const isOff = deviationsFrom({ [parameter]: reference }, parameters, '').length > 0;
    const outcome = value === undefined ? 'undetermined' : isOff ? 'deviates' : 'compliant';
    return [{ parameter: name, unit, value, reference, from, outcome }];
  });
}
