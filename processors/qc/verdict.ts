/** From measures and findings to a verdict that a technician can act on while the animal is still in the scanner. */
import type { PastScan } from '../../core/ledger/qc-history.ts';
import type { Finding, FindingCode, VolumeKind } from '../volumes/volume.ts';
import type { Measured } from './measure.ts';
import { inItsUnit, MEASURES, nameOf } from './measures.ts';
import { type Limit, limitsFor, type QcOptions } from './options.ts';
import { type Deviation, deviationsFrom, type Parameters, usualParameters } from './protocol.ts';
import { median, robustDeviation } from './statistics.ts';

/** Without limits of the site and without a history there is nothing to hold a sound scan against. */
export type Verdict = 'pass' | 'warn' | 'fail' | 'not-enough-history';

/** One thing that is not as it should be. */
export interface Judgement {
  /** Name of the measure, or keyword of the parameter; for what is wrong with the files a finding's code. */
  readonly measure: string;
  readonly value: number | string | null;
  /** What it was held against. */
  readonly limit: number | string | null;
  /** Robust standard deviations from the median of the accepted past, where that decided. */
  readonly z: number | null;
  readonly severity: 'warn' | 'fail';
  /** For a technician: what, how much, against what, and what to do. */
  readonly sentence: string;
}

export interface Judged {
  readonly verdict: Verdict;
  /** The sentences, for whoever wants nothing else. */
  readonly findings: readonly string[];
  readonly judgements: readonly Judgement[];
  /** Accepted scans of the same scanner and protocol that it was held against. */
  readonly pastScans: number;
}

/** `note`: worth knowing, and no reason to think less of the scan. */
const SEVERITY: Readonly<Record<FindingCode, 'note' | 'warn' | 'fail'>> = {
  'slices-missing': 'fail',
  'slices-irregular': 'warn',
  'repetitions-incomplete': 'warn',
  'pixels-compressed': 'warn',
  'pixels-unreadable': 'fail',
  'pixels-colour': 'warn',
  'mosaic-unknown': 'warn',
  'geometry-missing': 'warn',
  'volume-too-large': 'warn',
  'header-unreadable': 'fail',
  'slices-duplicate': 'warn',
  'repetitions-mixed': 'warn',
  'orientations-mixed': 'warn',
  'grids-mixed': 'warn',
  'slice-single': 'warn',
  'spacing-missing': 'warn',
  'geometry-damaged': 'fail',
  'scale-damaged': 'warn',
  'values-not-finite': 'warn',
  'values-padding': 'note',
  'pixels-float': 'warn',
  'file-unreadable': 'fail',
  'unit-missing': 'note',
  'spacing-unknown': 'fail',
  'spacing-damaged': 'warn',
  'spacing-contradicts': 'warn',
  'size-implausible': 'warn',
  'orientation-missing': 'note',
  'orientation-contradicts': 'warn',
  'dimensions-many': 'warn',
  'mask-unfit': 'warn',
  'mask-moved': 'warn',
  'bytes-swapped': 'fail',
};

/** Findings that a measure says with a number. */
const SAID_BY: Partial<Record<FindingCode, string>> = { 'values-not-finite': 'nonfinite_fraction' };

/**
 * A ghost is only called one when the picture repeats itself half a field of view away (mutual information) and the
 * air there is brighter by this share of the signal: each alone is also true of symmetric or very large objects.
 */
const GHOST = { repeats: 0.25, toSignal: 0.05 } as const;
/** Phantoms are made of sharp edges, even slices and sudden ends, which look like ghosts and lost signal. */
const LIVING: ReadonlySet<VolumeKind> = new Set(['anatomical', 'diffusion', 'functional']);
/** More voxels at exactly the highest value than chance puts there. */
const CLIPPED = 0.001;
const LISTED_SLICES = 8;

export interface Evidence {
  readonly kind: VolumeKind;
  /** Absent when the series could not be measured. */
  readonly measured?: Measured;
  readonly found: readonly Finding[];
  readonly parameters: Parameters;
  /** The site's own reference for this protocol. */
  readonly reference?: Parameters;
  /** Accepted scans of the same scanner and protocol, newest first; empty where nobody keeps them. */
  readonly past: readonly PastScan[];
}

export function judge(evidence: Evidence, options: QcOptions): Judged {
  const { kind, measured, found, past } = evidence;
  const limits = limitsFor(options, kind);
  const byLimits = measured === undefined ? [] : limitJudgements(measured, limits);
  const limited = new Set(byLimits.map(({ measure }) => measure));
  const general = measured === undefined ? [] : generalJudgements(kind, measured);
  const said = new Set(general.map(({ measure }) => measure));
  const history = measured === undefined ? [] : historyJudgements(kind, measured, past, options);
  const judgements: readonly Judgement[] = [
    ...found.flatMap(({ code, message }) => {
      const severity = SEVERITY[code];
      return severity === 'note' || said.has(SAID_BY[code] ?? '')
        ? []
        : [judgement(code, null, null, severity, message)];
    }),
    ...general,
    ...protocolJudgements(evidence),
    ...byLimits,
    // What was said already is not said twice, unless it is worse than that.
    ...history.filter(({ measure, severity }) => !limited.has(measure) && !(severity === 'warn' && said.has(measure))),
  ];
  const isHeld =
    [...limits.keys()].some((name) => typeof measured?.measures[name] === 'number') ||
    (measured !== undefined && past.length >= options.history.minimum);
  const verdict = judgements.some(({ severity }) => severity === 'fail')
    ? 'fail'
    : judgements.length > 0
      ? 'warn'
      : isHeld
        ? 'pass'
        : 'not-enough-history';
  const notes = found.filter(({ code }) => SEVERITY[code] === 'note').map(({ message }) => message);
  const findings = [...judgements.map(({ sentence }) => sentence), ...notes];
  return { verdict, findings, judgements, pastScans: past.length };
}

/** The worst of a study; a scan that nobody can judge weighs more than one that passed. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  for (const verdict of ['fail', 'warn', 'not-enough-history'] as const) if (verdicts.includes(verdict)) return verdict;
  return verdicts.length === 0 ? 'not-enough-history' : 'pass';
}

function judgement(
  measure: string,
  value: Judgement['value'],
  limit: Judgement['limit'],
  severity: Judgement['severity'],
  sentence: string,
  z: number | null = null,
): Judgement {
  return { measure, value, limit, z, severity, sentence };
}

function generalJudgements(kind: VolumeKind, { measures, droppedSlices }: Measured): readonly Judgement[] {
  const judgements: Judgement[] = [];
  const number = (name: string) => measures[name] ?? 0;
  const say = (measure: string, limit: number, severity: 'warn' | 'fail', sentence: string) =>
    judgements.push(judgement(measure, measures[measure] ?? null, limit, severity, sentence));
  const isLiving = LIVING.has(kind);
  if (number('nonfinite_fraction') > 0)
    say(
      'nonfinite_fraction',
      0,
      'fail',
      `${percent(number('nonfinite_fraction'))} of the voxels are no numbers: export the scan again.`,
    );
  if (number('clipped_fraction') === 1) {
    say('clipped_fraction', CLIPPED, 'fail', 'All voxels have the same value: there is no picture in the scan.');
    return judgements;
  }
  if (isLiving && droppedSlices.length > 0) {
    const listed = droppedSlices.slice(0, LISTED_SLICES).join(', ');
    const more = droppedSlices.length > LISTED_SLICES ? ` and ${droppedSlices.length - LISTED_SLICES} more` : '';
    say(
      'drop_out_fraction',
      0,
      'warn',
      `Signal is lost in ${droppedSlices.length === 1 ? 'slice' : 'slices'} ${listed}${more}: look there, the scan may have to be repeated.`,
    );
  }
  judgements.push(...motionJudgements(kind, measures));
  const ghost = number('ghost_to_signal');
  if (isLiving && ghost > GHOST.toSignal && number('ghosting') > GHOST.repeats)
    say(
      'ghost_to_signal',
      GHOST.toSignal,
      'warn',
      `A ghost of ${percent(ghost)} stands half a field of view away: check the phase correction.`,
    );
  if (number('clipped_fraction') > CLIPPED)
    say(
      'clipped_fraction',
      CLIPPED,
      'warn',
      `${percent(number('clipped_fraction'))} of the voxels have the highest value: the receiver gain was too high.`,
    );
  if (number('missing_directions') > 0)
    say(
      'missing_directions',
      0,
      'fail',
      `${number('missing_directions')} weighted repetitions have no direction: the gradient table is not whole.`,
    );
  if (number('doubled_directions') > 0)
    say(
      'doubled_directions',
      0,
      'warn',
      `${number('doubled_directions')} pairs of directions are the same: compare the gradient table with the protocol.`,
    );
  if (number('missing_echoes') > 0)
    say(
      'missing_echoes',
      0,
      'fail',
      `${number('missing_echoes')} echo times are missing between the others: export the scan again.`,
    );
  return judgements;
}

/**
 * What moved by a voxel from one repetition to the next was seen elsewhere in it: no history is needed to say so. The
 * mean is held against the same length: then it never lay still.
 */
function motionJudgements(kind: VolumeKind, measures: Measured['measures']): readonly Judgement[] {
  if (kind !== 'functional') return [];
  const { fd_max_mm: most, fd_mean_mm: usual, voxel_x_mm: x, voxel_y_mm: y } = measures;
  const voxelMm = Math.min(x ?? Infinity, y ?? Infinity);
  if (typeof usual === 'number' && usual > voxelMm)
    return [
      judgement(
        'fd_mean_mm',
        usual,
        voxelMm,
        'fail',
        `From one repetition to the next it moved by ${format(usual)} mm on average, more than a voxel (${format(voxelMm)} mm): fix the head and repeat the scan.`,
      ),
    ];
  if (typeof most === 'number' && most > voxelMm)
    return [
      judgement(
        'fd_max_mm',
        most,
        voxelMm,
        'warn',
        `Between two repetitions it moved by ${format(most)} mm, more than a voxel (${format(voxelMm)} mm): look at the traces, the scan may have to be repeated.`,
      ),
    ];
  return [];
}

function protocolJudgements({ parameters, reference, past }: Evidence): readonly Judgement[] {
  const asJudgement = ({ parameter, value, reference: limit, severity, sentence }: Deviation): Judgement =>
    judgement(parameter, value, limit, severity, sentence);
  const bySite = reference === undefined ? [] : deviationsFrom(reference, parameters, "the site's protocol");
  // The site's word comes first, where it has one.
  const usual = Object.entries(usualParameters(past.map((scan) => scan.parameters)));
  const rest = Object.fromEntries(usual.filter(([parameter]) => reference?.[parameter] === undefined));
  return [...bySite, ...deviationsFrom(rest, parameters, 'the accepted scans before')].map(asJudgement);
}

function limitJudgements({ measures }: Measured, limits: ReadonlyMap<string, Limit>): readonly Judgement[] {
  return [...limits].flatMap(([name, limit]): readonly Judgement[] => {
    const value = measures[name];
    if (typeof value !== 'number') return [];
    const says = (severity: Judgement['severity'], side: string, bound: number): readonly Judgement[] => [
      judgement(
        name,
        value,
        bound,
        severity,
        `${nameOf(name)} is ${inItsUnit(name, value)}, ${side} the site's limit of ${inItsUnit(name, bound)}.`,
      ),
    ];
    if (limit.failBelow !== undefined && value < limit.failBelow) return says('fail', 'below', limit.failBelow);
    if (limit.failAbove !== undefined && value > limit.failAbove) return says('fail', 'above', limit.failAbove);
    if (limit.warnBelow !== undefined && value < limit.warnBelow) return says('warn', 'below', limit.warnBelow);
    if (limit.warnAbove !== undefined && value > limit.warnAbove) return says('warn', 'above', limit.warnAbove);
    return [];
  });
}

/** Robust z against the accepted past: only on the side that is bad, only for measures that decide for this kind of scan. */
function historyJudgements(
  kind: VolumeKind,
  { measures }: Measured,
  past: readonly PastScan[],
  { history: { minimum, warnZ, failZ } }: QcOptions,
): readonly Judgement[] {
  return [...MEASURES].flatMap(([name, { better, decides, resolution, act }]): readonly Judgement[] => {
    const value = measures[name];
    if (typeof value !== 'number' || better === 'note' || !decides.includes(kind)) return [];
    const before = past.map((scan) => scan.measures[name]).filter((one) => typeof one === 'number');
    if (before.length < minimum) return [];
    const middle = median(before);
    const spread = Math.max(robustDeviation(before, middle), resolution);
    if (!(spread > 0)) return [];
    const z = (value - middle) / spread;
    const bad = better === 'high' ? -z : better === 'low' ? z : Math.abs(z);
    if (bad < warnZ) return [];
    const severity = bad >= failZ ? 'fail' : 'warn';
    const bound = middle + Math.sign(z) * (severity === 'fail' ? failZ : warnZ) * spread;
    return [
      judgement(
        name,
        value,
        Number(bound.toPrecision(6)),
        severity,
        `${nameOf(name)} is ${inItsUnit(name, value)}; the median of the ${before.length} accepted scans before is ${inItsUnit(name, middle)}, the limit for that ${inItsUnit(name, bound)}. ${act}`,
        Number(z.toFixed(2)),
      ),
    ];
  });
}

const format = (value: number): string => String(Number(value.toPrecision(4)));
const percent = (share: number): string => `${format(share * 100)} %`;
