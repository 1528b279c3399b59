import { expect } from 'chai';
import type { UserIdentity } from '../../../gateway/dimse/association-request.ts';
import {
  associationPolicy,
  type Caller,
  type DimseTitle,
  type Load,
} from '../../../gateway/dimse/association-policy.ts';

const CALLER: Caller = {
  address: '10.1.2.3',
  calledAeTitle: 'HUB',
  callingAeTitle: 'PV7T',
  protocolVersion: 1,
  applicationContextUid: '1.2.840.10008.3.1.1.1',
};
const LOAD: Load = {
  isStopping: false,
  isDiskLow: false,
  associations: 0,
  maxAssociations: 25,
  maxAssociationsPerAddress: 10,
  ofSource: () => 0,
  ofAddress: () => 0,
};
const HUB: DimseTitle = { aeTitle: 'HUB', storageCommitment: true };
const AB = 'AB:'.repeat(31) + 'CD';
const SOURCES = [
  { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['10.1.2.0/24'] },
  { name: 'pv-old', aeTitle: 'PV7T', hosts: ['192.168.0.7'] },
  { name: 'pacs', aeTitle: 'PACS', hosts: [] },
  { name: 'six', aeTitle: 'SIX', hosts: ['2001:db8::/32'] },
  { name: 'two', aeTitle: 'TWO', hosts: ['10.1.2.3'], maxAssociations: 2 },
  { name: 'card', aeTitle: 'CARD', hosts: [], certificate: { subject: 'CN=mr-1, O=Hospital' } },
  { name: 'print', aeTitle: 'PRINT', hosts: [], certificate: { sha256: [AB] } },
  { name: 'named', aeTitle: 'NAMED', hosts: [], userIdentity: { username: 'mr' } },
  { name: 'secret', aeTitle: 'SECRET', hosts: [], userIdentity: { username: 'mr', passcode: 'höhle' } },
];

function identity(type: number, name: string, code = ''): UserIdentity {
  return { type, wantsResponse: false, primary: Buffer.from(name), secondary: Buffer.from(code) };
}

/** PS3.8 Table 9-21: result, source, reason. */
const CASES: readonly {
  readonly name: string;
  readonly caller?: Partial<Caller>;
  readonly load?: Partial<Load>;
  readonly expected: string | readonly [number, number, number];
}[] = [
  { name: 'a known AE title from its network', expected: 'pv-7t' },
  { name: 'the same AE title from another known host', caller: { address: '192.168.0.7' }, expected: 'pv-old' },
  { name: 'IPv4 on an IPv6 socket', caller: { address: '::ffff:10.1.2.9' }, expected: 'pv-7t' },
  { name: 'IPv6', caller: { callingAeTitle: 'SIX', address: '2001:db8::9' }, expected: 'six' },
  {
    name: 'a source without hosts from anywhere',
    caller: { callingAeTitle: 'PACS', address: '203.0.113.1' },
    expected: 'pacs',
  },
  { name: 'the second called AE title', caller: { calledAeTitle: 'HUB2' }, expected: 'pv-7t' },
  { name: 'a known AE title from elsewhere', caller: { address: '10.1.3.3' }, expected: [1, 1, 3] },
  { name: 'an unknown calling AE title', caller: { callingAeTitle: 'NOBODY' }, expected: [1, 1, 3] },
  { name: 'an AE title in other letters', caller: { callingAeTitle: 'pv7t' }, expected: [1, 1, 3] },
  { name: 'an unknown called AE title', caller: { calledAeTitle: 'ANY-SCP' }, expected: [1, 1, 7] },
  { name: 'an address that is none', caller: { address: '' }, expected: [1, 1, 3] },
  { name: 'another protocol version', caller: { protocolVersion: 2 }, expected: [1, 2, 2] },
  { name: 'another application context', caller: { applicationContextUid: '1.2.3' }, expected: [1, 1, 2] },
  { name: 'one association too many', load: { associations: 25 }, expected: [2, 3, 2] },
  { name: 'the last free association', load: { associations: 24 }, expected: 'pv-7t' },
  {
    name: 'the third association of a source that may have two',
    caller: { callingAeTitle: 'TWO' },
    load: { ofSource: (source) => (source === 'two' ? 2 : 0) },
    expected: [2, 3, 2],
  },
  {
    name: 'its second',
    caller: { callingAeTitle: 'TWO' },
    load: { ofSource: (source) => (source === 'two' ? 1 : 9) },
    expected: 'two',
  },
  {
    name: 'one more from an address that has all it may have',
    load: { ofAddress: (address) => (address === '10.1.2.3' ? 10 : 0) },
    expected: [2, 3, 2],
  },
  {
    name: 'a source at a title that is for it',
    caller: { calledAeTitle: 'PACS-ONLY', callingAeTitle: 'PACS' },
    expected: 'pacs',
  },
  { name: 'a source at a title that is for others', caller: { calledAeTitle: 'PACS-ONLY' }, expected: [1, 1, 3] },
  {
    name: 'a certificate of the right subject',
    caller: { callingAeTitle: 'CARD', certificate: { subject: 'C=FI\nO=Hospital\nCN=mr-1', sha256: 'ff' } },
    expected: 'card',
  },
  {
    name: 'a certificate whose subject only begins alike',
    caller: { callingAeTitle: 'CARD', certificate: { subject: 'O=Hospital\nCN=mr-10', sha256: 'ff' } },
    expected: [1, 1, 3],
  },
  { name: 'no certificate where one is needed', caller: { callingAeTitle: 'CARD' }, expected: [1, 1, 3] },
  {
    name: 'a certificate of the right fingerprint, however it is written',
    caller: {
      callingAeTitle: 'PRINT',
      certificate: { subject: 'CN=any', sha256: AB.replaceAll(':', '').toLowerCase() },
    },
    expected: 'print',
  },
  {
    name: 'a certificate of another fingerprint',
    caller: { callingAeTitle: 'PRINT', certificate: { subject: 'CN=any', sha256: AB.replace('CD', 'CE') } },
    expected: [1, 1, 3],
  },
  {
    name: 'the right username',
    caller: { callingAeTitle: 'NAMED', userIdentity: identity(1, 'mr') },
    expected: 'named',
  },
  {
    name: 'the right username, with a passcode nobody asked for',
    caller: { callingAeTitle: 'NAMED', userIdentity: identity(2, 'mr', 'any') },
    expected: 'named',
  },
  { name: 'no user identity where one is needed', caller: { callingAeTitle: 'NAMED' }, expected: [1, 2, 1] },
  {
    name: 'the right username and passcode',
    caller: { callingAeTitle: 'SECRET', userIdentity: identity(2, 'mr', 'höhle') },
    expected: 'secret',
  },
  {
    name: 'a wrong passcode',
    caller: { callingAeTitle: 'SECRET', userIdentity: identity(2, 'mr', 'hohle') },
    expected: [1, 2, 1],
  },
  {
    name: 'the username without the passcode',
    caller: { callingAeTitle: 'SECRET', userIdentity: identity(1, 'mr') },
    expected: [1, 2, 1],
  },
  {
    name: 'a Kerberos ticket that reads like the username',
    caller: { callingAeTitle: 'NAMED', userIdentity: identity(3, 'mr') },
    expected: [1, 2, 1],
  },
  { name: 'a low disk', load: { isDiskLow: true }, expected: [2, 3, 2] },
  { name: 'a hub that stops', load: { isStopping: true }, expected: [2, 3, 1] },
  {
    name: 'a stranger while the disk is low: who may not call learns nothing else',
    caller: { callingAeTitle: 'X' },
    load: { isDiskLow: true },
    expected: [1, 1, 3],
  },
];

describe('who may open an association', () => {
  const policy = associationPolicy(
    [HUB, { ...HUB, aeTitle: 'HUB2' }, { ...HUB, aeTitle: 'PACS-ONLY', sources: ['pacs'] }],
    SOURCES,
  );

  for (const { name, caller, load, expected } of CASES) {
    it(`${typeof expected === 'string' ? 'takes' : 'rejects'} ${name}`, () => {
      const decision = policy({ ...CALLER, ...caller }, { ...LOAD, ...load });

      expect(decision.accepted ? decision.source : [decision.result, decision.by, decision.reason]).to.deep.equal(
        expected,
      );
    });
  }

  for (const [what, caller, why] of [
    ['a certificate is missing', { callingAeTitle: 'CARD' }, 'client certificate'],
    ['a title is for others', { calledAeTitle: 'PACS-ONLY' }, 'called AE title of other sources'],
    ['the address is another', { address: '10.1.3.3' }, 'calling AE title'],
  ] as const) {
    it(`says so when ${what}`, () => {
      expect(policy({ ...CALLER, ...caller }, LOAD)).to.have.property('why', why);
    });
  }

  for (const [address, expected] of [
    ['127.0.0.1', 'loopback'],
    ['127.9.9.9', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['10.1.2.3', [1, 1, 3]],
  ] as const) {
    it(`without sources answers ${address} with ${String(expected)}`, () => {
      const decision = associationPolicy([HUB], [])({ ...CALLER, address }, LOAD);

      expect(decision.accepted ? decision.source : [decision.result, decision.by, decision.reason]).to.deep.equal(
        expected,
      );
    });
  }

  for (const host of ['scanner.local', '10.0.0.0/33', '10.0.0.0/', '1.2.3', '::/129', '10.0.0.1/8/8', '']) {
    it(`refuses ${JSON.stringify(host)} as a host at the start`, () => {
      expect(() => associationPolicy([HUB], [{ name: 'x', aeTitle: 'X', hosts: [host] }])).to.throw(
        'neither an IP address nor a CIDR',
      );
    });
  }
});
