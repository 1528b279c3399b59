import { expect } from 'chai';
import type { Command } from '../support/child-process.ts';
import { pynetdicom } from '../support/peers.ts';
import { plantedCorpus } from '../support/planted/corpus.ts';
import { examine, writeCorpus } from '../support/planted/examiner.ts';
import { EXAMINED_POLICIES } from '../support/planted/policies.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const FIRST = Number(process.env['HUB_TEST_SEED'] ?? 100);
/** Some twenty objects each, under each of the examined policies: more than two thousand. */
const SEEDS = Number(process.env['HUB_TEST_SEEDS'] ?? 28);

describe('hub deidentify on many planted corpora', function () {
  this.timeout(900_000);
  const folder = temporaryFolder();
  let python: Command;

  before(async () => {
    python = await pynetdicom();
  });

  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    it(`makes no mistake under any policy with seed ${seed}`, async () => {
      const written = await writeCorpus(plantedCorpus(seed), folder.path, python);
      for (const [name, policy] of Object.entries(EXAMINED_POLICIES)) {
        const { verdict, released, said } = await examine(written, name, policy, python);
        const { examined, ...mistakes } = verdict;

        expect(released, said).to.be.at.least(14);
        expect(examined.gone + examined.changed, name).to.be.greaterThan(15_000);
        for (const [kind, found] of Object.entries(mistakes))
          expect(found.slice(0, 8), `${name}: ${kind}`).to.deep.equal([]);
      }
    });
  }
});
