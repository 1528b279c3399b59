import { expect } from 'chai';
import { associationPolicy, type Caller, type Load } from '../../../gateway/dimse/association-policy.ts';
import { negotiate } from '../../../gateway/dimse/presentation-contexts.ts';

const COMMITMENT = '1.2.840.10008.1.20.1';
const IMPLICIT = '1.2.840.10008.1.2';
const LOAD: Load = {
  ...{ isStopping: false, isDiskLow: false, associations: 0, maxAssociations: 25, maxAssociationsPerAddress: 10 },
  ofSource: () => 0,
  ofAddress: () => 0,
};
const CALLER: Caller = {
  ...{ address: '10.1.2.3', calledAeTitle: 'HUB', callingAeTitle: 'PACS' },
  ...{ protocolVersion: 1, applicationContextUid: '1.2.840.10008.3.1.1.1' },
};
const TITLES = ['HUB', 'OTHER'].map((aeTitle) => ({ aeTitle, storageCommitment: true }));
const REPORTERS = [{ destination: 'archive', aeTitle: 'PACS', calledAeTitle: 'HUB', hosts: ['10.1.2.3'] }];
const SCANNER = { name: 'scanner', aeTitle: 'PV7T', hosts: [] };
const PACS = { name: 'pacs', aeTitle: 'PACS', hosts: [] };
/** PS3.8 Table 9-21 */
const CALLING_NOT_RECOGNISED = { accepted: false, result: 1, by: 1, reason: 3 };

describe('a destination that calls to report on storage commitments', () => {
  it('is let in for that alone, under its own name', () => {
    const decision = associationPolicy(TITLES, [SCANNER], [], REPORTERS)(CALLER, LOAD);

    expect(decision).to.deep.include({
      ...{ accepted: true, source: 'archive' },
      title: { aeTitle: 'HUB', sopClasses: [], storageCommitment: false, reportsOf: ['archive'] },
    });
  });

  it('may do what it may as a source too', () => {
    const decision = associationPolicy(TITLES, [PACS], [], REPORTERS)(CALLER, LOAD);

    expect(decision).to.deep.include({
      ...{ accepted: true, source: 'pacs' },
      title: { aeTitle: 'HUB', storageCommitment: true, reportsOf: ['archive'] },
    });
  });

  for (const [who, caller] of [
    ['has another AE title', { callingAeTitle: 'OTHER' }],
    ['comes from another host', { address: '10.1.2.4' }],
    ['calls another AE title of the hub', { calledAeTitle: 'OTHER' }],
  ] as const) {
    it(`is not who ${who}`, () => {
      const decision = associationPolicy(TITLES, [SCANNER], [], REPORTERS)({ ...CALLER, ...caller }, LOAD);

      expect(decision).to.include(CALLING_NOT_RECOGNISED);
    });
  }

  for (const [rule, proof] of [
    ['a certificate', { certificate: { subject: 'CN=pacs' } }],
    ['a user identity', { userIdentity: { username: 'pacs' } }],
    ['another host', { hosts: ['10.9.9.9'] }],
  ] as const) {
    it(`needs ${rule} where it needs that as a source`, () => {
      const decision = associationPolicy(TITLES, [{ ...PACS, ...proof }], [], REPORTERS)(CALLER, LOAD);

      expect(decision.accepted).to.equal(false);
    });
  }

  const context = (roles?: { readonly scu: boolean; readonly scp: boolean }) => ({
    ...{ id: 1, abstractSyntaxUid: COMMITMENT, transferSyntaxUids: [IMPLICIT] },
    ...(roles === undefined ? {} : { roles }),
  });
  const ONLY_REPORTS = { storageCommitment: false, sopClasses: [], reportsOf: ['archive'] };
  const BOTH = { storageCommitment: true, reportsOf: ['archive'] };
  const NOTHING = { storageCommitment: true };

  for (const [what, roles, offered, expected] of [
    ['the SCP role', { scu: false, scp: true }, ONLY_REPORTS, { scu: false, scp: true }],
    ['the SCP role, of two that it might have,', { scu: true, scp: true }, ONLY_REPORTS, { scu: false, scp: true }],
    ['both roles where it may ask too', { scu: true, scp: true }, BOTH, { scu: true, scp: true }],
  ] as const) {
    it(`gets ${what} when it proposes it`, () => {
      const { result, roles: agreed } = negotiate(context(roles), offered);

      expect([result, agreed]).to.deep.equal([0, expected]);
    });
  }

  it('is heard without role selection, and asks for nothing then', () => {
    const { result, roles, commitment } = negotiate(context(), ONLY_REPORTS);

    expect([result, roles]).to.deep.equal([0, undefined]);
    expect(commitment).to.deep.equal({ takesRequests: false, reportsOf: ['archive'] });
  });

  it('reports nothing on a context that it wants for requests alone', () => {
    expect(negotiate(context({ scu: true, scp: false }), BOTH).commitment).to.deep.equal({
      takesRequests: true,
      reportsOf: [],
    });
    expect(negotiate(context({ scu: true, scp: false }), ONLY_REPORTS).result).to.equal(1);
  });

  it('is nobody who was never asked: the SCP role is refused', () => {
    expect(negotiate(context({ scu: false, scp: true }), NOTHING).result).to.equal(1);
    expect(negotiate(context({ scu: true, scp: true }), NOTHING).roles).to.deep.equal({ scu: true, scp: false });
  });
});
