import { expect } from 'chai';
import { associationPolicy, type Caller, type Load } from '../../../gateway/dimse/association-policy.ts';

const CALLER: Caller = {
  address: '10.1.2.3',
  calledAeTitle: 'HUB',
  callingAeTitle: 'PV7T',
  protocolVersion: 1,
  applicationContextUid: '1.2.840.10008.3.1.1.1',
};
const LOAD: Load = { isStopping: false, isDiskLow: false, associations: 0, maxAssociations: 25 };
const SOURCES = [
  { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['10.1.2.0/24'] },
  { name: 'pv-old', aeTitle: 'PV7T', hosts: ['192.168.0.7'] },
  { name: 'pacs', aeTitle: 'PACS', hosts: [] },
  { name: 'six', aeTitle: 'SIX', hosts: ['2001:db8::/32'] },
];

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
  const policy = associationPolicy(['HUB', 'HUB2'], SOURCES);

  for (const { name, caller, load, expected } of CASES) {
    it(`${typeof expected === 'string' ? 'takes' : 'rejects'} ${name}`, () => {
      const decision = policy({ ...CALLER, ...caller }, { ...LOAD, ...load });

      expect(decision.accepted ? decision.source : [decision.result, decision.by, decision.reason]).to.deep.equal(
        expected,
      );
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
      const decision = associationPolicy(['HUB'], [])({ ...CALLER, address }, LOAD);

      expect(decision.accepted ? decision.source : [decision.result, decision.by, decision.reason]).to.deep.equal(
        expected,
      );
    });
  }

  for (const host of ['scanner.local', '10.0.0.0/33', '10.0.0.0/', '1.2.3', '::/129', '10.0.0.1/8/8', '']) {
    it(`refuses ${JSON.stringify(host)} as a host at the start`, () => {
      expect(() => associationPolicy(['HUB'], [{ name: 'x', aeTitle: 'X', hosts: [host] }])).to.throw(
        'neither an IP address nor a CIDR',
      );
    });
  }
});
