/**
 * How sure a brain model is of real heads, and of what no mask can be right of: the figures its limits are set by.
 *
 *   npm run bench -- reliability [--model NAME|DIR]
 */
import { parseArgs } from 'node:util';
import { DEFAULT_MODEL, openModelOrFolder } from '../processors/segment/open-model.ts';
import { segmentVolumes } from '../processors/segment/segment-volumes.ts';
import { failures, goodHeads, openCases, type RodentCase, strippedBrains } from '../tests/support/rodent-cases.ts';

export async function benchReliability(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { model: { type: 'string', default: DEFAULT_MODEL } } });
  const model = openModelOrFolder(values.model, { models: [] });
  const cases = [...goodHeads(), ...strippedBrains(), ...failures(), ...openCases()];
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
    console.log(
      [
        each.kind.padEnd(8),
        diceText(each, segmented?.mask),
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
}

function diceText({ reference }: RodentCase, mask: Uint8Array | undefined): string {
  if (reference === undefined || mask === undefined) return '     ';
  let both = 0;
  let sum = 0;
  for (const [n, value] of reference.entries()) {
    both += value & (mask[n] ?? 0);
    sum += value + (mask[n] ?? 0);
  }
  return ((2 * both) / sum).toFixed(3);
}
