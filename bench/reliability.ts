/**
 * How sure a brain model is of real heads, and of what no mask can be right of: the figures its limits are set by.
 *
 *   npm run bench -- reliability [--model NAME|DIR] [--heads DIR]
 *
 * `--heads`: scans/NAME.nii.gz and masks/NAME_mask.nii.gz below it, with a truth that is known (processors/segment/training/heads.py);
 * then those are judged instead, and how often a mask that is called reliable is one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_MODEL, openModelOrFolder } from '../processors/segment/open-model.ts';
import { segmentVolumes } from '../processors/segment/segment-volumes.ts';
import { readNifti } from '../processors/volumes/nifti.ts';
import {
  failures,
  goodHeads,
  maskOf,
  openCases,
  type RodentCase,
  strippedBrains,
} from '../tests/support/rodent-cases.ts';

export async function benchReliability(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { model: { type: 'string', default: DEFAULT_MODEL }, heads: { type: 'string' } },
  });
  const model = openModelOrFolder(values.model, { models: [] });
  const cases =
    values.heads === undefined
      ? [...goodHeads(), ...strippedBrains(), ...failures(), ...openCases()]
      : headsOf(values.heads);
  const scored: { readonly dice: number; readonly isReliable: boolean }[] = [];
  const byVolume = new Map(cases.map((each) => [each.volume, each]));
  let wrong = 0;
  console.log('kind     dice  prob  entropy agree  edge  volume  species  verdict');
  for await (const { volume, fit, segmented, failure } of segmentVolumes(
    cases.map((each) => each.volume),
    model,
    new AbortController().signal,
  )) {
    const each = byVolume.get(volume);
    if (each === undefined) continue;
    const isEmpty = segmented === undefined || segmented.voxels === 0;
    const verdict = isEmpty
      ? `no mask: ${failure?.message ?? (fit.isTaken ? 'found nothing' : fit.because)}`
      : segmented.reliability.verdict;
    const isWrong = each.kind !== 'open' && (verdict === 'reliable') !== (each.kind === 'good');
    if (isWrong) wrong += 1;
    const measures = segmented?.reliability.measures;
    const dice = diceOf(each, segmented?.mask);
    if (dice !== undefined) scored.push({ dice, isReliable: verdict === 'reliable' });
    console.log(
      [
        each.kind.padEnd(8),
        dice?.toFixed(3) ?? '     ',
        (measures?.probability ?? 0).toFixed(3),
        (measures?.entropy ?? 0).toFixed(3).padStart(6),
        (measures?.agreement ?? 0).toFixed(3),
        (measures?.atEdge ?? 0).toFixed(2),
        (measures?.volumeMm3 ?? 0).toFixed(0).padStart(6),
        (segmented?.species ?? '').padEnd(6),
        isWrong ? '!' : ' ',
        verdict.padEnd(10),
        each.name,
        isEmpty ? '' : segmented.reliability.reasons.map((reason) => reason.slice(0, 30)).join('; '),
      ].join('  '),
    );
  }
  console.log(`${String(wrong)} of ${String(cases.length)} judged wrongly`);
  for (const isReliable of [true, false]) {
    const group = scored.filter((each) => each.isReliable === isReliable).map(({ dice }) => dice);
    const usable = group.filter((dice) => dice >= USABLE).length;
    console.log(
      `${isReliable ? 'reliable' : 'unreliable'}: ${String(group.length)} with a reference, ${String(usable)} of Dice ${String(USABLE)} and above, mean ${(group.reduce((a, b) => a + b, 0) / Math.max(1, group.length)).toFixed(3)}, least ${Math.min(1, ...group).toFixed(3)}`,
    );
  }
}

/** Below this nobody should use a mask. */
const USABLE = 0.85;

function headsOf(folder: string): readonly RodentCase[] {
  return readdirSync(join(folder, 'scans'))
    .filter((file) => file.endsWith('.nii.gz'))
    .toSorted()
    .map((file) => ({
      name: file.replace('.nii.gz', ''),
      kind: 'open' as const,
      volume: readNifti(readFileSync(join(folder, 'scans', file))),
      reference: maskOf(join(folder, 'masks', file.replace('.nii.gz', '_mask.nii.gz'))),
    }));
}

function diceOf({ reference }: RodentCase, mask: Uint8Array | undefined): number | undefined {
  if (reference === undefined) return undefined;
  let both = 0;
  let sum = 0;
  for (const [n, value] of reference.entries()) {
    both += value & (mask?.[n] ?? 0);
    sum += value + (mask?.[n] ?? 0);
  }
  return sum === 0 ? 1 : (2 * both) / sum;
}
