import { expect } from 'chai';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { parseDataSet } from '../../../core/dicom/data-set.ts';
import { readHeader } from '../../../core/dicom/part10.ts';
import { compileLookups } from '../../../processors/deidentify/compiled-plan.ts';
import { compilePlan } from '../../../processors/deidentify/plan.ts';
import { policySchema } from '../../../processors/deidentify/policy.ts';
import { createPseudonyms } from '../../../processors/deidentify/pseudonyms.ts';
import { rewriteHeader } from '../../../processors/deidentify/rewrite.ts';
import { type Deidentified, deidentifyFiles } from '../../support/deidentified.ts';
import { EXPLICIT, identity, type SampleElement, sampleFile } from '../../support/dicom-samples.ts';
import { TABLE_ROWS } from '../../support/planted/expectation.ts';
import { loadMutant, type Mutant, nameOf, StaleMutant } from '../../support/planted/mutant-loader.ts';
import { MUTANTS } from '../../support/planted/mutants.ts';
import type { Probe } from '../../support/planted/probe.ts';
import { PROBES } from '../../support/planted/probes.ts';
import { Planter } from '../../support/planted/values.ts';
import { seeded } from '../../support/seeded.ts';

describe('probes of de-identification', () => {
  for (const probe of PROBES)
    it(`${probe.outcome === 'held' ? 'hold' : 'see'}: ${probe.about}`, async () => {
      expect(faultOf(probe, await deidentifyFiles(probe.files, probe.policy))).to.equal(undefined);
    });
});

describe('a weakened de-identification', function () {
  this.timeout(300_000);

  it('is noticed when any one row of Table E.1-1 is kept', async () => {
    const plan = compilePlan(policySchema.parse({ name: 'basic', profile: 'basic' }));
    const pseudonyms = createPseudonyms(new Uint8Array(32).fill(7), 'partner');
    const planter = new Planter(seeded(1), 1);
    const survivors: string[] = [];
    // The four others are masks, whose rules are among the mutants below. File meta information is written anew, what
    // stands behind the pixel data is not read, and UN is kept nowhere.
    const isUnreachable = /^(?:0002|FFF)|^0072006D/;
    const rows = TABLE_ROWS.filter(({ tag }) => /^[0-9A-F]{8}$/.test(tag) && !isUnreachable.test(tag));
    for (const row of rows) {
      const planted = plantedRow(row, planter);
      const base = identity().filter(({ tag }) => tag !== planted.tag);
      const header = await readHeader(bytesAsSource(sampleFile([...base, planted])));
      const weak = plan.actions.map((one) =>
        one.tag === planted.tag ? { ...one, action: 'K' as const, basic: 'K' as const } : one,
      );
      const stays = (actions: typeof plan.actions) => {
        const { bytes } = rewriteHeader(header, compileLookups({ ...plan, actions }), pseudonyms, new Set(), []);
        const found = parseDataSet(bytes, EXPLICIT.transferSyntaxUid).element(planted.tag)?.value;
        const original = header.dataSet.element(planted.tag)?.value;
        return found !== undefined && original !== undefined && Buffer.compare(found, original) === 0;
      };
      if (stays(plan.actions) || !stays(weak)) survivors.push(`${row.tag} ${row.keyword ?? ''}`);
    }

    expect(rows.length).to.equal(648);
    expect(survivors).to.deep.equal([]);
  });

  it('is noticed when any one rule of the walk or normalisation of the proof is off', async () => {
    const survivors: string[] = [];
    for (const [index, mutant] of MUTANTS.entries()) {
      try {
        if (!(await isKilled(mutant, index))) survivors.push(nameOf(mutant));
      } catch (error) {
        if (!(error instanceof StaleMutant)) throw error;
        survivors.push(error.message);
      }
    }

    expect(MUTANTS.length).to.be.greaterThan(90);
    expect(survivors).to.deep.equal([]);
  });

  it('is the real one while nothing is changed', async () => {
    expect(await isKilled(undefined, MUTANTS.length)).to.equal(false);
  });
});

async function isKilled(mutant: Mutant | undefined, number: number): Promise<boolean> {
  const mutated = await loadMutant(mutant, number);
  for (const probe of PROBES) {
    try {
      if (faultOf(probe, await mutated.deidentifyFiles(probe.files, probe.policy)) !== undefined) return true;
    } catch {
      // A mutant that throws lets nothing through, and is seen.
      return true;
    }
  }
  return false;
}

/** @returns what is wrong with the outcome; `undefined` when it is as the probe demands */
function faultOf(probe: Probe, result: Deidentified): string | undefined {
  if (result.outcome !== probe.outcome) return `${result.outcome}: ${result.outcome === 'held' ? result.detail : ''}`;
  if (result.outcome === 'held') return undefined;
  const text = result.files.map((file) => Buffer.from(file).toString('latin1').toLowerCase()).join('\n');
  const lower = (value: string | Uint8Array) =>
    (typeof value === 'string' ? value : Buffer.from(value).toString('latin1')).toLowerCase();
  const left = (probe.absent ?? []).find((value) => text.includes(lower(value)));
  if (left !== undefined) return `still there: ${lower(left)}`;
  const lost = (probe.present ?? []).find((value) => !text.includes(lower(value)));
  return lost === undefined ? undefined : `gone: ${lost}`;
}

function plantedRow({ tag, vr }: (typeof TABLE_ROWS)[number], planter: Planter): SampleElement {
  const stated = vr?.[0] ?? 'UI';
  const value =
    stated === 'SQ'
      ? // A kept sequence is entered: only what the table does not list stays in it as it is.
        [[{ tag: 0x00181250, vr: 'SH', value: planter.canary() }]]
      : planter.value(stated);
  return { tag: Number.parseInt(tag, 16), vr: stated, value };
}
