import { expect } from 'chai';
import type { Decide, Source } from '../../cli/doctor-policy.ts';
import { mayBe, type Refusal, refusalOfSource, strangerRefused } from '../../cli/doctor-refusals.ts';
import { dimse } from '../../config/dimse.ts';
import { associationPolicy } from '../../gateway/dimse/association-policy.ts';

const { sources, titles } = dimse.parse({
  sources: [
    { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['10.1.2.3'] },
    { name: 'clinic', aeTitle: 'CLINIC', hosts: ['10.9.0.0/16'] },
  ],
});
const policy = associationPolicy(
  titles,
  sources.map(({ name, aeTitle, hosts }) => ({ name, aeTitle, hosts })),
);
const decide: Decide = (call) =>
  policy(
    { ...call, protocolVersion: 1, applicationContextUid: '1.2.840.10008.3.1.1.1' },
    {
      isStopping: false,
      isDiskLow: false,
      associations: 0,
      maxAssociations: 1,
      maxAssociationsPerAddress: 1,
      ofSource: () => 0,
      ofAddress: () => 0,
    },
  );
const surroundings = { sources, aeTitles: ['HUB'], decide };

function sourceNamed(name: string): Source {
  const source = sources.find((each) => each.name === name);
  if (source === undefined) throw new Error(`no source ${name} in this test`);
  return source;
}

function refused(changes: Partial<Refusal>): Refusal {
  return {
    address: '10.1.2.3',
    callingAeTitle: 'PV7T',
    calledAeTitle: 'HUB',
    why: 'calling AE title',
    count: 1,
    firstAt: '2026-03-01T02:00:00.000Z',
    lastAt: '2026-03-01T03:00:00.000Z',
    ...changes,
  };
}

describe('what hub doctor says of a refused association', () => {
  for (const [what, changes, why, remedy] of [
    [
      'an address that is not in hosts',
      { address: '10.1.2.9' },
      "Your scanner called us as 'PV7T' from 10.1.2.9, which is not in hosts of source pv-7t (10.1.2.3).",
      'Add 10.1.2.9 to hosts of source pv-7t and run "hub reload", or change the scanner\'s address.',
    ],
    [
      'another spelling of its title',
      { callingAeTitle: 'pv7t' },
      "The address fits source pv-7t, but the scanner calls itself 'pv7t' and not 'PV7T' (case matters).",
      'On the scanner set: its own AE title = PV7T. Or write aeTitle: pv7t for source pv-7t and run "hub reload".',
    ],
    [
      'both wrong',
      { callingAeTitle: 'pv7t', address: '10.1.2.9' },
      "The scanner calls itself 'pv7t' at 10.1.2.9; source pv-7t is 'PV7T' at 10.1.2.3.",
      'On the scanner set: its own AE title = PV7T; and add 10.1.2.9 to hosts of source pv-7t, if that is the scanner, and run "hub reload".',
    ],
    [
      'another title for the hub',
      { calledAeTitle: 'ARCHIVE', why: 'called AE title' },
      "The scanner calls the hub 'ARCHIVE', but the hub answers to HUB (case matters).",
      'On the scanner set: AE title of the archive = HUB. Or add ARCHIVE to gateway.dimse.aeTitle and restart the hub.',
    ],
    [
      'a title that is none, which it does not tell anybody to configure',
      { callingAeTitle: 'PV\u001b7T' },
      "The address fits source pv-7t, but the scanner calls itself 'PV\u001b7T' and not 'PV7T' (case matters).",
      'On the scanner set: its own AE title = PV7T.',
    ],
  ] as const) {
    it(`explains ${what}`, () => {
      const source = sourceNamed('pv-7t');
      const refusal = refused(changes);

      const said = refusalOfSource(source, refusal, 1, undefined, surroundings);

      expect(mayBe(source, refusal, surroundings)).to.equal(true);
      expect([said.verdict, said.why, said.remedy]).to.deep.equal(['wrong', why, remedy]);
    });
  }

  it('gives a caller to the source whose title it has, wherever it calls from', () => {
    const refusal = refused({ address: '10.9.1.1' });

    expect(sources.filter((each) => mayBe(each, refusal, surroundings)).map(({ name }) => name)).to.deep.equal([
      'pv-7t',
    ]);
  });

  it('says how to let a stranger in, if it is one of ours', () => {
    const said = strangerRefused(refused({ callingAeTitle: 'NEW', address: '10.5.5.5' }));

    expect(said.verdict).to.equal('warning');
    expect(said.remedy).to.contain('{ name: …, aeTitle: NEW, hosts: [10.5.5.5] }');
  });
});
