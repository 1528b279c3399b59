import { expect } from 'chai';
import type { Command } from '../../support/child-process.ts';
import { pynetdicom } from '../../support/peers.ts';
import { plantedCorpus } from '../../support/planted/corpus.ts';
import { type Examination, examine, writeCorpus, type WrittenCorpus } from '../../support/planted/examiner.ts';
import { EXAMINED_POLICIES } from '../../support/planted/policies.ts';
import { CANARY } from '../../support/planted/values.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** Another one a day finds more in a year than the same one for ever; a failure names its seed. */
const SEED = Number(process.env['HUB_TEST_SEED'] ?? 1 + Math.floor(Date.now() / 86_400_000));

describe(`hub deidentify on a corpus planted with canaries, seed ${SEED}, read by pydicom`, function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let python: Command;
  let written: WrittenCorpus;

  before(async () => {
    // Its Python brings pydicom, a parser that shares no line with ours.
    python = await pynetdicom();
    written = await writeCorpus(plantedCorpus(SEED), folder.path, python);
  });

  for (const [name, policy] of Object.entries(EXAMINED_POLICIES)) {
    describe(`under the policy ${name}`, () => {
      let examination: Examination;

      before(async () => {
        examination = await examine(written, name, policy, python);
      });

      it('looked at what there was to look at', () => {
        const { examined } = examination.verdict;

        expect(examination.released, examination.said).to.be.at.least(13);
        expect(examined.gone).to.be.greaterThan(5_000);
        expect(examined.changed).to.be.greaterThan(2_000);
        expect(examined.kept).to.be.greaterThan(20_000);
        if (policy.options?.includes('retain-longitudinal-modified-dates') === true)
          expect(examined.shifted).to.be.greaterThan(1_000);
      });

      it('lets no value through that had to go', () => {
        expectNone(examination.verdict.leaks);
      });

      it('leaves no identifier of the patient in an attribute the table does not list', () => {
        expectNone(examination.verdict.knownLeft);
      });

      it('removes and changes nothing that had to stay', () => {
        expectNone(examination.verdict.wronglyRemoved);
      });

      it('gives every UID one new one, the same everywhere', () => {
        expectNone(examination.verdict.uidBreaks);
      });

      it('moves all dates of the patient by one distance, or none', () => {
        expectNone(examination.verdict.dateBreaks);
      });

      it('says what was done, and nothing that was not', () => {
        expectNone(examination.verdict.markerFaults);
      });

      it('holds what it cannot see through, the whole study of it', () => {
        const isNamed = policy.classes !== undefined;
        const held = written.corpus.files.filter((file) => (isNamed ? file.held === 'always' : file.held !== 'never'));

        expect(examination.missing).to.deep.equal(held.map((file) => file.name));
        expect(examination.code).to.equal(3);
      });

      it('repeats nothing of what was planted in report or terminal', () => {
        const { family, given, id, numericId, birthDate, physician } = written.corpus.patient;

        for (const text of [examination.report, examination.said]) {
          expect(text).to.not.match(CANARY);
          for (const planted of [family, given, id, numericId, birthDate, physician, '1.2.826.0.1.3680043'])
            expect(text.toLowerCase()).to.not.include(planted.toLowerCase());
        }
        expect(JSON.parse(examination.report)).to.have.property('studies').that.is.not.empty;
      });
    });
  }
});

/** The first few say more than thousands. */
function expectNone(found: readonly string[]): void {
  expect({ count: found.length, first: found.slice(0, 8) }).to.deep.equal({ count: 0, first: [] });
}
