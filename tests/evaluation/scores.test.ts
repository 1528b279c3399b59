import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { scoreMasks } from '../../evaluation/scores.ts';
import { signedRank } from '../../evaluation/signed-rank.ts';
import { run } from '../support/child-process.ts';
import { scipy } from '../support/peers.ts';
import { seeded } from '../support/seeded.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { gridOf, maskPairs } from './mask-pairs.ts';

interface Answers {
  readonly scores: readonly Readonly<Record<string, number>>[];
  readonly tests: readonly { readonly statistic: number; readonly p: number }[];
}

describe('scores of a mask', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const pairs = maskPairs();
  const random = seeded(5);
  const differences = [
    Array.from({ length: 12 }, () => random() - 0.3),
    Array.from({ length: 40 }, () => random() - 0.45),
    [0.1, 0.1, -0.1, 0.2, 0.2, -0.3, 0, 0.4, 0.1, 0.25, 0, 0.1],
    Array.from({ length: 90 }, () => Math.round(20 * (random() - 0.4)) / 20),
  ];
  let answers: Answers;

  before(async () => {
    const asked = [];
    for (const [n, { grid, reference, prediction }] of pairs.entries()) {
      const files = { reference: join(folder.path, `r${n}`), prediction: join(folder.path, `p${n}`) };
      await writeFile(files.reference, reference);
      await writeFile(files.prediction, prediction);
      asked.push({ ...files, dims: grid.dims, spacing: grid.spacingMm });
    }
    const [question, answer] = [join(folder.path, 'asked.json'), join(folder.path, 'answer.json')];
    await writeFile(question, JSON.stringify({ cases: asked, tests: differences }));
    const { code, stderr } = await run(await scipy(), [join(import.meta.dirname, 'oracle.py'), question, answer], {
      timeoutMs: 45_000,
    });
    if (code !== 0) throw new Error(stderr);
    answers = JSON.parse(await readFile(answer, 'utf8')) as Answers;
  });

  for (const [n, { name, grid, reference, prediction }] of pairs.entries())
    it(`are those of the same definitions in scipy: ${name}`, () => {
      const expected = answers.scores[n] ?? {};

      const scores: Readonly<Record<string, number>> = { ...scoreMasks(reference, prediction, grid) };

      expect(Object.keys(scores).toSorted()).to.deep.equal(Object.keys(expected).toSorted());
      for (const [measure, value] of Object.entries(expected))
        expect(scores[measure], measure).to.be.closeTo(value, 1e-6);
    });

  const dims = [10, 8, 6] as const;
  const grid = gridOf(dims, [0.5, 0.5, 2]);
  const empty = new Uint8Array(480);
  const voxel = empty.with(123, 1);

  it('are perfect when both masks are empty: there was nothing to find, and nothing was found', () => {
    expect(scoreMasks(empty, empty, grid)).to.include({
      ...{ dice: 1, nsd: 1, hd95Mm: 0, assdMm: 0 },
      ...{ volumeDifferenceMm3: 0, volumeDifferencePercent: 0 },
    });
  });

  it('are the worst the grid allows when one mask is empty', () => {
    const diagonal = Math.hypot(9 * 0.5, 7 * 0.5, 5 * 2);
    const worst = { dice: 0, nsd: 0, hd95Mm: diagonal, assdMm: diagonal };

    expect(scoreMasks(voxel, empty, grid)).to.include({
      ...worst,
      volumeDifferenceMm3: -0.5,
      volumeDifferencePercent: -100,
    });
    expect(scoreMasks(empty, voxel, grid)).to.include({
      ...worst,
      volumeDifferenceMm3: 0.5,
      volumeDifferencePercent: 100,
    });
  });

  for (const [n, values] of differences.entries())
    it(`are tested against another model's as scipy does it: ${values.length} pairs, ${n < 2 ? 'no ties' : 'ties'}`, () => {
      const found = signedRank(values);

      expect(found?.statistic).to.be.closeTo(answers.tests[n]?.statistic ?? NaN, 1e-9);
      expect(found?.p).to.be.closeTo(answers.tests[n]?.p ?? NaN, 1e-9);
      expect(found?.method).to.equal(values.length > 50 ? 'normal' : 'exact');
    });

  it('are not tested when no model is ever better', () => {
    expect(signedRank([0, 0, 0])).to.equal(undefined);
  });
});
