/** Case after case: read, predict in shadow, score, keep. What was kept by a run that was cut off is not done again. */
import { createHash } from 'node:crypto';
import { HubError, toHubError } from '../core/errors.ts';
import type { CaseResult, LeftOut, Scores } from './case-result.ts';
import type { Strata } from './cases-table.ts';
import { diagonalMm, type Grid, voxelMm3 } from '../pixels/voxel-grid.ts';
import type { EvaluatedLabel } from './labels.ts';
import { DEFINITIONS, scoreMasks, toleranceMm, worstScores } from './scores.ts';

/** A case there is. `open` may throw a HubError of what is wrong with its files: then it is left out, and why is said. */
export interface CaseEntry<Scan> {
  readonly name: string;
  readonly subject: string;
  readonly strata: Strata;
  readonly open: (signal: AbortSignal) => Promise<OpenedCase<Scan>>;
}

export interface OpenedCase<Scan> {
  readonly scan: Scan;
  readonly grid: Grid;
  /** Of voxels and grid. */
  readonly scanSha256: string;
  readonly referenceSha256: string;
  /** By the label's index. */
  readonly reference: ReadonlyMap<number, Uint8Array>;
  /** From the header; the table's count more. */
  readonly strata: Strata;
  readonly isMarkedDeidentified?: boolean;
  readonly notes: readonly string[];
}

export interface Contestant<Scan> {
  /** Changes whenever another answer could come out. */
  readonly sha256: string;
  readonly labels: readonly EvaluatedLabel[];
  predict(scan: Scan, signal: AbortSignal): Promise<Prediction>;
}

export type Prediction =
  | {
      readonly kind: 'answered';
      /** In the order of the labels, on the scan's grid. */
      readonly masks: readonly Uint8Array[];
      readonly seconds: number;
      readonly networkSeconds: number;
      readonly peakRssMb?: number;
      readonly runtime: string;
    }
  | { readonly kind: 'failed'; readonly reason: string; readonly seconds: number; readonly peakRssMb?: number }
  /** The model says itself that it is not for such scans. */
  | { readonly kind: 'not-for-it'; readonly reason: string };

/** Where results of single cases outlive a killed run. */
export interface CaseShelf<Scan> {
  /** Undefined when there is none, or none of this key. */
  read(name: string, key: string): Promise<CaseResult | undefined>;
  /** All of it is there, or none. */
  keep(result: CaseResult, opened: OpenedCase<Scan>, masks: readonly Uint8Array[] | undefined): Promise<void>;
}

export interface RunOutcome {
  readonly results: readonly CaseResult[];
  readonly leftOut: readonly LeftOut[];
  /** Cases that were there already. */
  readonly resumed: number;
}

/** @param onCase - after each, with how it went in a word */
export async function runCases<Scan>(
  cases: readonly CaseEntry<Scan>[],
  contestant: Contestant<Scan>,
  shelf: CaseShelf<Scan>,
  onCase: (done: number, note: string) => void,
  signal: AbortSignal,
): Promise<RunOutcome> {
  const results: CaseResult[] = [];
  const leftOut: LeftOut[] = [];
  let resumed = 0;
  for (const [index, entry] of cases.entries()) {
    signal.throwIfAborted();
    let opened: OpenedCase<Scan>;
    try {
      opened = await entry.open(signal);
    } catch (error) {
      leftOut.push({ name: entry.name, reason: reasonOf(error, signal) });
      onCase(index + 1, `${entry.name} left out`);
      continue;
    }
    const key = keyOf(entry, opened, contestant);
    const kept = await shelf.read(entry.name, key);
    if (kept !== undefined) {
      resumed += 1;
      results.push(kept);
      onCase(index + 1, `${entry.name} kept`);
      continue;
    }
    const prediction = await contestant.predict(opened.scan, signal);
    if (prediction.kind === 'not-for-it') {
      leftOut.push({ name: entry.name, reason: prediction.reason });
      onCase(index + 1, `${entry.name} left out`);
      continue;
    }
    const result = resultOf(entry, opened, contestant, prediction, key);
    await shelf.keep(result, opened, prediction.kind === 'answered' ? prediction.masks : undefined);
    results.push(result);
    onCase(index + 1, `${entry.name} ${result.outcome}`);
  }
  return { results, leftOut, resumed };
}

function resultOf<Scan>(
  { name, subject, strata }: CaseEntry<Scan>,
  opened: OpenedCase<Scan>,
  { labels }: Contestant<Scan>,
  prediction: Exclude<Prediction, { readonly kind: 'not-for-it' }>,
  key: string,
): CaseResult {
  const { grid, scanSha256, referenceSha256, isMarkedDeidentified, notes } = opened;
  const answer = prediction.kind === 'answered' ? prediction : undefined;
  const { peakRssMb } = prediction;
  return {
    name,
    subject,
    strata: { ...opened.strata, ...strata },
    ...{ key, scanSha256, referenceSha256 },
    outcome: answer === undefined ? 'failed' : 'scored',
    ...(prediction.kind === 'failed' ? { failure: prediction.reason } : {}),
    seconds: prediction.seconds,
    ...(answer === undefined ? {} : { networkSeconds: answer.networkSeconds, runtime: answer.runtime }),
    ...(peakRssMb === undefined ? {} : { peakRssMb }),
    toleranceMm: toleranceMm(grid),
    diagonalMm: diagonalMm(grid),
    voxelMm3: voxelMm3(grid),
    ...(isMarkedDeidentified === undefined ? {} : { isMarkedDeidentified }),
    notes: [...notes],
    labels: labels.map(({ index }, n): CaseResult['labels'][number] => {
      const reference = opened.reference.get(index);
      if (reference === undefined) throw new TypeError('a reference has a mask for each label');
      const predicted = answer?.masks[n];
      return {
        index,
        scores: predicted === undefined ? failedScores(reference, grid) : scoreMasks(reference, predicted, grid),
      };
    }),
  };
}

/** Nothing came out: the worst there is, even where there was nothing to find, and no volume at all. */
function failedScores(reference: Uint8Array, grid: Grid): Scores {
  return {
    ...worstScores(grid),
    referenceMm3: reference.reduce((sum, value) => sum + value, 0) * voxelMm3(grid),
    predictedMm3: null,
    volumeDifferenceMm3: null,
    volumeDifferencePercent: null,
  };
}

function keyOf<Scan>(
  { name, subject, strata }: CaseEntry<Scan>,
  opened: OpenedCase<Scan>,
  { sha256 }: Contestant<Scan>,
): string {
  const { scanSha256, referenceSha256, notes } = opened;
  const parts = [
    DEFINITIONS,
    sha256,
    name,
    subject,
    { ...opened.strata, ...strata },
    scanSha256,
    referenceSha256,
    notes,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

function reasonOf(thrown: unknown, signal: AbortSignal): string {
  const error = toHubError(thrown);
  // Interrupted, or a mistake of ours: neither is a case's fault.
  if (signal.aborted || error.code === 'internal.unexpected') throw thrown;
  return sentenceOf(error);
}

function sentenceOf({ row, fields }: HubError): string {
  const rest = fields['detail'] ?? fields['reason'];
  return rest === undefined ? row.title : `${row.title}: ${String(rest)}`;
}
