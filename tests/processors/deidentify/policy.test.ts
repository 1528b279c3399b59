import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { deidentify } from '../../../processors/deidentify/index.ts';
import { compilePlan } from '../../../processors/deidentify/plan.ts';
import { policySchema } from '../../../processors/deidentify/policy.ts';
import { createPseudonyms } from '../../../processors/deidentify/pseudonyms.ts';

const policy = (over: Readonly<Record<string, unknown>> = {}) =>
  policySchema.parse({ name: 'test', profile: 'basic', ...over });

describe('de-identification policy', () => {
  it('understands the options by the names people use', () => {
    const options = ['Retain Longitudinal Temporal Information Full Dates Option', 'retainUIDs', 'clean-descriptors'];

    expect(policy({ options }).options).to.deep.equal([
      'retain-longitudinal-full-dates',
      'retain-uids',
      'clean-descriptors',
    ]);
  });

  const mistakes: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['no such option', { options: ['retain everything'] }],
    ['Unrecognized key', { option: [] }],
    ['a private group is odd', { privateAllow: [{ creator: 'X', group: '0018', element: '01', vr: 'IS' }] }],
    ['a text needs a pattern', { privateAllow: [{ creator: 'X', group: '0019', element: '01', vr: 'LO' }] }],
    [
      'not a regular expression',
      { privateAllow: [{ creator: 'X', group: '0019', element: '01', vr: 'LO', pattern: '(' }] },
    ],
    ['Invalid option', { privateAllow: [{ creator: 'X', group: '0019', element: '01', vr: 'OB' }] }],
    [
      'no text that could match',
      { privateAllow: [{ creator: 'X', group: '0019', element: '01', vr: 'US', pattern: '1' }] },
    ],
    ['no such list of private elements', { privateAllow: ['siemens-everything'] }],
    ['not a keyword', { overrides: { PatientNmae: 'keep' } }],
    ['Invalid input', { profile: 'none' }],
    ['Invalid input', { whenUnsure: 'release' }],
  ];
  for (const [message, over] of mistakes) {
    it(`refuses ${JSON.stringify(over)}: ${message}`, () => {
      const result = policySchema.safeParse({ name: 'test', profile: 'basic', ...over });

      expect(result.error?.message).to.include(message);
    });
  }

  const contradictions: readonly (readonly [string, string, Readonly<Record<string, unknown>>])[] = [
    [
      '/options/1',
      'contradict each other: dates are either kept or moved',
      { options: ['retain-longitudinal-full-dates', 'retain-longitudinal-modified-dates'] },
    ],
    ['/overrides/SOPInstanceUID', 'names the instance', { overrides: { SOPInstanceUID: 'keep' } }],
    ['/overrides/SpecificCharacterSet', 'how to read it', { overrides: { SpecificCharacterSet: 'remove' } }],
    ['/overrides/PatientIdentityRemoved', 'written by the hub', { overrides: { PatientIdentityRemoved: 'remove' } }],
    ['/overrides/StationName', 'is no UID', { overrides: { StationName: 'new-uid' } }],
    ['/overrides/PatientWeight', 'no text that could be cleaned', { overrides: { PatientWeight: 'clean' } }],
    [
      '/overrides/FrameOfReferenceUID',
      'contradict each other',
      { options: ['retain-uids'], overrides: { FrameOfReferenceUID: 'new-uid' } },
    ],
    [
      '/privateAllow/1',
      'is named before',
      {
        privateAllow: [
          { creator: 'X', group: '0019', element: '0a', vr: 'IS' },
          { creator: 'X', group: '0019', element: '0A', vr: 'DS' },
        ],
      },
    ],
  ];
  for (const [place, message, over] of contradictions) {
    it(`refuses what contradicts itself, with place and reason: ${JSON.stringify(over)}`, () => {
      const issues = policySchema.safeParse({ name: 'test', profile: 'basic', ...over }).error?.issues ?? [];

      expect(issues.map(({ path }) => `/${path.map(String).join('/')}`)).to.deep.equal([place]);
      expect(issues[0]?.message).to.include(message);
    });
  }

  it('has one hash for one set of decisions', () => {
    const hash = (over: Readonly<Record<string, unknown>>) => compilePlan(policy(over)).hash;

    expect(hash({ options: ['retain-uids', 'clean-descriptors'] })).to.equal(
      hash({ options: ['clean-descriptors', 'retain-uids'] }),
    );
    expect(hash({ name: 'other', partner: 'p' })).to.equal(hash({}));
    const hashes = [
      {},
      { options: ['retain-uids'] },
      { overrides: { Manufacturer: 'remove' } },
      { classes: ['1.2'] },
    ].map(hash);
    expect(new Set(hashes).size).to.equal(4);
  });

  it('survives structured cloning and says whom it releases for', () => {
    const plan = deidentify.resolve('kct', { policies: [policy({ name: 'kct', partner: 'kct' })], models: [] });

    expect(structuredClone(plan)).to.deep.equal(plan);
    expect(deidentify.releasesFor?.(plan)).to.equal('kct');
    expect(() => deidentify.resolve('other', { policies: [], models: [] })).to.throw(HubError, 'no such policy');
    expect(() => deidentify.resolve(undefined, { policies: [], models: [] })).to.throw(HubError, 'name of a policy');
    expect(() => deidentify.resolve('x', { policies: [{ name: 'x' }], models: [] })).to.throw(HubError, 'policy x');
  });
});

describe('pseudonyms', () => {
  const secret = new Uint8Array(32).fill(1);

  it('are valid, distinct by purpose, and depend on key and partner', () => {
    const one = createPseudonyms(secret, 'kct');

    expect(one.uid('1.2.3')).to.match(/^2\.25\.[1-9]\d{30,38}$/);
    expect(one.uid('1.2.3').length).to.be.at.most(64);
    const all = [
      one.uid('1.2.3'),
      one.uid('1.2.4'),
      createPseudonyms(secret, 'other').uid('1.2.3'),
      createPseudonyms(new Uint8Array(32), 'kct').uid('1.2.3'),
    ];
    expect(new Set(all).size).to.equal(4);
    expect(one.patientId('', 'R1')).to.not.equal(one.patientId('ISSUER', 'R1'));
    expect(one.accessionNumber('R1').slice(1)).to.not.equal(one.studyId('R1').slice(1));
  });

  it('shift by a whole number of days into the past, never by none', () => {
    const one = createPseudonyms(secret, 'kct');
    const shifts = Array.from({ length: 500 }, (_, index) => one.shiftDays('', `R${index}`));

    expect(Math.min(...shifts)).to.be.at.least(-3650);
    expect(Math.max(...shifts)).to.be.at.most(-1);
    expect(new Set(shifts).size).to.be.greaterThan(400);
  });
});
