import { expect } from 'chai';
import { deidentifyFiles, type Deidentified } from '../../support/deidentified.ts';
import { element, identity, pixels, type SampleElement, sampleFile } from '../../support/dicom-samples.ts';
import { loadMutant, type Mutant } from '../../support/planted/mutant-loader.ts';
import { Planter } from '../../support/planted/values.ts';
import { seeded } from '../../support/seeded.ts';

/** The de-identification without one of the things that the instances of a study share. */
const FORGETFUL: readonly (readonly [string, Mutant])[] = [
  ['what became of elements and what they say', inByteMemo('if (slot === undefined) return', 'return')],
  [
    'how values are spelled',
    { file: 'known-values.ts', from: 'if (before !== undefined) return before', to: 'if (false) return before' },
  ],
  [
    'what is looked for',
    { file: 'study-secrets.ts', from: 'if (this.#isOverflown) this.#startAnew()', to: 'this.#startAnew()' },
  ],
];
const POLICIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  basic: {},
  cleaned: { options: ['retain-longitudinal-modified-dates', 'clean-descriptors', 'clean-structured-content'] },
  kept: {
    options: ['retain-institution-identity', 'retain-device-identity'],
    privateAllow: [{ creator: 'MAKER', group: '0019', element: '01', vr: 'LO', pattern: 'coil [0-9]+' }],
  },
};

describe('what the instances of a study share while they are de-identified', function () {
  this.timeout(60_000);

  for (const [index, [what, mutant]] of FORGETFUL.entries())
    for (const [policy, options] of Object.entries(POLICIES))
      it(`changes nothing of what comes out: ${what}, under the policy ${policy}`, async () => {
        const files = study(31 + index, 60);
        const forgetful = await loadMutant(mutant, 900_000 + index * 10 + Object.keys(POLICIES).indexOf(policy));

        const shared = await deidentifyFiles(files, options);
        const anew = await forgetful.deidentifyFiles(files, options);

        expect(shared.outcome).to.equal('released');
        expect(said(shared)).to.deep.equal(said(anew));
      });

  it('does not hide a name from an instance that says it with the bytes of one before it', async () => {
    const told = element('SoftwareVersions', 'asked Korhonen twice');
    const instance = (number: number, ...more: readonly SampleElement[]) =>
      sampleFile([...identity({ instance: `1.2.999.3.${String(number)}` }), told, ...more, ...pixels()]);
    const named = element('OperatorsName', 'Korhonen^Liisa');

    const before = await deidentifyFiles([instance(1), instance(2), instance(3)]);
    const after = await deidentifyFiles([instance(1), instance(2), instance(3, named), instance(4)]);

    expect(namesIn(before)).to.equal(3);
    expect(namesIn(after)).to.equal(0);
  });
});

/** Instances that repeat each other and themselves, each with something of its own. */
function study(seed: number, size: number): readonly Uint8Array[] {
  const random = seeded(seed);
  const planter = new Planter(random, seed);
  const pick = <T>(some: readonly T[]) => some[Math.floor(random() * some.length)] as T;
  const names = ['Korhonen^Liisa', 'Mäkinen^Örn', 'Li^Wei', ''];
  const dates = [planter.date(), planter.date(), '20140310'];
  const texts = [
    't2_tse',
    'seen by Korhonen',
    'RAT-0815',
    'coil 3',
    '10.03.2014',
    'Savilahti Centre',
    'made 1394409600',
  ];
  return Array.from({ length: size }, (_, index) => {
    const set = pick(['ISO_IR 100', 'ISO_IR 192', 'ISO_IR 100']);
    const name = (text: string) => Buffer.from(text, set === 'ISO_IR 192' ? 'utf8' : 'latin1');
    const item = [element('CodeValue', pick(['121106', 'X1'])), element('CodeMeaning', pick(texts))];
    return sampleFile([
      element('SpecificCharacterSet', set),
      ...identity({ instance: `1.2.999.3.${String(index)}` }).filter(({ tag }) => tag !== 0x00080005),
      element('StudyDate', pick(dates)),
      element('AcquisitionTime', `1011${String(10 + (index % 40))}`),
      { ...element('OperatorsName', ''), value: name(pick(names)) },
      element('InstitutionName', pick(['Savilahti Centre', 'Harbour Clinic'])),
      element('SeriesDescription', pick(texts)),
      element('SoftwareVersions', pick(texts)),
      element('SliceLocation', String(index / 7)),
      element('DerivationCodeSequence', [item, [element('PersonName', pick(names.slice(2)))]]),
      { tag: 0x00190010, vr: 'LO', value: pick(['MAKER', 'OTHER']) },
      { tag: 0x00191001, vr: 'LO', value: 'coil 3' },
      ...pixels([index, 2, 3, 4]),
    ]);
  });
}

function inByteMemo(from: string, to: string): Mutant {
  return { file: 'byte-memo.ts', from, to };
}

function said(result: Deidentified): unknown {
  if (result.outcome === 'held') return result;
  return { report: result.report, files: result.files.map((file) => Buffer.from(file).toString('base64')) };
}

function namesIn(result: Deidentified): number {
  if (result.outcome === 'held') throw new Error(result.detail);
  return result.files.filter((file) => /korhonen/i.test(Buffer.from(file).toString('latin1'))).length;
}
