/** From measures and findings to a verdict that a technician can act on while the animal is still in the scanner. */
import type { Finding, FindingCode, VolumeKind } from '../volumes/volume.ts';
import type { Measured } from './measure.ts';
import { type Limit, limitsFor, type QcOptions } from './options.ts';

/** Without limits of the site and without a history there is nothing to hold a sound scan against. */
export type Verdict = 'pass' | 'warn' | 'fail' | 'not-enough-history';

export interface Judged {
  readonly verdict: Verdict;
  readonly findings: readonly string[];
}

const SEVERITY: Readonly<Record<FindingCode, 'warn' | 'fail'>> = {
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
  'slice-single': 'warn',
  'spacing-missing': 'warn',
  'geometry-damaged': 'fail',
  'scale-damaged': 'warn',
  'values-not-finite': 'warn',
  'pixels-float': 'warn',
};

const NAMES: Readonly<Record<string, string>> = {
  snr_chang_db: 'Signal to noise (Chang, dB)',
  snr_normal_db: 'Signal to noise (centre over corners, dB)',
  tsnr_db: 'Temporal signal to noise (dB)',
  tsnr: 'Temporal signal to noise',
  lmv: 'Movement between repetitions (LMV)',
  gmv: 'Movement between repetitions (GMV)',
  efc: 'Entropy focus criterion',
  ghosting: 'Repetition at half the field of view',
  ghost_to_signal: 'Ghost to signal ratio',
  drop_out_fraction: 'Share of slices with signal loss',
  clipped_fraction: 'Share of voxels at the highest value',
  slices: 'Number of slices',
  repetitions: 'Number of repetitions',
};

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

interface Remark {
  readonly severity: 'warn' | 'fail';
  readonly sentence: string;
}

/** @param measured - absent when the series could not be measured */
export function judge(
  kind: VolumeKind,
  measured: Measured | undefined,
  found: readonly Finding[],
  options: QcOptions,
): Judged {
  const limits = limitsFor(options, kind);
  const remarks: readonly Remark[] = [
    ...found.map(({ code, message }): Remark => ({ severity: SEVERITY[code], sentence: message })),
    ...(measured === undefined ? [] : [...generalRemarks(kind, measured), ...limitRemarks(measured, limits)]),
  ];
  const held = [...limits.keys()].filter((name) => typeof measured?.measures[name] === 'number');
  const verdict = remarks.some(({ severity }) => severity === 'fail')
    ? 'fail'
    : remarks.length > 0
      ? 'warn'
      : held.length > 0
        ? 'pass'
        : 'not-enough-history';
  return { verdict, findings: remarks.map(({ sentence }) => sentence) };
}

/** The worst of a study; a scan that nobody can judge weighs more than one that passed. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  for (const verdict of ['fail', 'warn', 'not-enough-history'] as const) if (verdicts.includes(verdict)) return verdict;
  return verdicts.length === 0 ? 'not-enough-history' : 'pass';
}

function generalRemarks(kind: VolumeKind, { measures, droppedSlices }: Measured): readonly Remark[] {
  const remarks: Remark[] = [];
  const warn = (sentence: string) => remarks.push({ severity: 'warn', sentence });
  const isLiving = LIVING.has(kind);
  if (isLiving && droppedSlices.length > 0) {
    const listed = droppedSlices.slice(0, LISTED_SLICES).join(', ');
    const more = droppedSlices.length > LISTED_SLICES ? ` and ${droppedSlices.length - LISTED_SLICES} more` : '';
    warn(`Signal is lost in slice ${listed}${more}: look at them, the scan may have to be repeated.`);
  }
  const ghost = measures['ghost_to_signal'] ?? 0;
  if (isLiving && ghost > GHOST.toSignal && (measures['ghosting'] ?? 0) > GHOST.repeats)
    warn(`A ghost of ${format(ghost * 100)} % stands half a field of view away: check the phase correction.`);
  const clipped = measures['clipped_fraction'] ?? 0;
  if (clipped > CLIPPED)
    warn(`${format(clipped * 100)} % of the voxels have the highest value: the receiver gain was too high.`);
  return remarks;
}

function limitRemarks({ measures }: Measured, limits: ReadonlyMap<string, Limit>): readonly Remark[] {
  return [...limits].flatMap(([name, limit]): readonly Remark[] => {
    const value = measures[name];
    if (typeof value !== 'number') return [];
    const says = (severity: Remark['severity'], side: string, bound: number): readonly Remark[] => [
      {
        severity,
        sentence: `${NAMES[name] ?? name} is ${format(value)}, ${side} the site's limit of ${format(bound)}.`,
      },
    ];
    if (limit.failBelow !== undefined && value < limit.failBelow) return says('fail', 'below', limit.failBelow);
    if (limit.failAbove !== undefined && value > limit.failAbove) return says('fail', 'above', limit.failAbove);
    if (limit.warnBelow !== undefined && value < limit.warnBelow) return says('warn', 'below', limit.warnBelow);
    if (limit.warnAbove !== undefined && value > limit.warnAbove) return says('warn', 'above', limit.warnAbove);
    return [];
  });
}

const format = (value: number): string => String(Number(value.toPrecision(4)));
