import { expect } from 'chai';
import type { Decide, Source } from '../../cli/doctor-policy.ts';
import { mayBe, type Refusal, refusalOfSource, strangerRefused } from '../../cli/doctor-refusals.ts';
import { dimse } from '../../config/dimse.ts';
import { associationPolicy } from '../../gateway/dimse/association-policy.ts';
import { TLS_TO_PLAIN_PORT } from '../../gateway/dimse/framing.ts';
import { TLS_FAILURES } from '../../gateway/dimse/tls-failures.ts';

const { sources, titles } = dimse.parse({
  sources: [
    { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['10.1.2.3'], certificate: { subject: 'CN=pv-7t' } },
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
    [
      'a client certificate that is not the one',
      { why: 'client certificate' },
      'Title and address are those of source pv-7t, but not the client certificate: over TLS it must show CN=pv-7t.',
      'On the scanner choose that certificate and the TLS port. Or correct certificate of this source and run "hub reload"; "openssl x509 -noout -subject -fingerprint -sha256 -in FILE" shows both of a certificate.',
    ],
    [
      'a title that other sources may call',
      { why: 'called AE title of other sources', calledAeTitle: 'PACS' },
      "The scanner calls the hub 'PACS', which other sources may call, and pv-7t may not.",
      'On the scanner set: AE title of the archive = HUB. Or add pv-7t to sources of this title under gateway.dimse.titles and restart the hub.',
    ],
    [
      'TLS that failed, by the address',
      { why: 'TLS: client certificate expired', callingAeTitle: '', calledAeTitle: '' },
      "The scanner's client certificate has expired.",
      'Renew it on the scanner. If it is valid still, set the clock of this machine.',
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

  it('knows each reason of a failed handshake, and names no AE title that nobody told', () => {
    for (const why of [...Object.values(TLS_FAILURES), TLS_TO_PLAIN_PORT]) {
      const refusal = refused({ why, callingAeTitle: '', calledAeTitle: '', address: '10.5.5.5' });
      const ours = refusalOfSource(sourceNamed('pv-7t'), refusal, 1, undefined, surroundings);
      const strangers = strangerRefused(refusal);

      expect(ours.why).to.not.match(/^The hub's reason/);
      expect(ours.what).to.equal(
        `Somebody at 10.5.5.5 could not begin an association 1 time, last at 2026-03-01T03:00:00.000Z (${why})`,
      );
      expect(strangers.what).to.equal(ours.what);
      expect(strangers.remedy).to.equal(ours.remedy);
    }
  });

  it('says how to let a stranger in, if it is one of ours', () => {
    const said = strangerRefused(refused({ callingAeTitle: 'NEW', address: '10.5.5.5' }));

    expect(said.verdict).to.equal('warning');
    expect(said.remedy).to.contain('{ name: …, aeTitle: NEW, hosts: [10.5.5.5] }');
  });
});
