import { expect } from 'chai';
import { Refusals } from '../../gateway/refusals.ts';
import { RawPeer, associateRequest } from '../support/raw-association.ts';
import { startGateway } from '../support/running-gateway.ts';

const CALLER = { address: '10.1.2.9', callingAeTitle: 'PV7T', calledAeTitle: 'HUB', why: 'calling AE title' };

describe('the list of refused associations', () => {
  it('counts what is tried again, latest first, and keeps the first time', () => {
    let now = 0;
    const refusals = new Refusals(() => new Date(now));

    for (const callingAeTitle of ['PV7T', 'OTHER', 'PV7T']) {
      now += 1000;
      refusals.add({ ...CALLER, callingAeTitle });
    }

    expect(refusals.list()).to.deep.equal([
      { ...CALLER, count: 2, firstAt: new Date(1000), lastAt: new Date(3000) },
      { ...CALLER, callingAeTitle: 'OTHER', count: 1, firstAt: new Date(2000), lastAt: new Date(2000) },
    ]);
  });

  it('keeps a hundred, and one that is tried again and again pushes none of the others out', () => {
    const refusals = new Refusals(() => new Date(0));

    for (let number = 0; number < 150; number += 1) refusals.add({ ...CALLER, callingAeTitle: `AE${number}` });
    for (let number = 0; number < 500; number += 1) refusals.add(CALLER);

    expect(refusals.list()).to.have.length(100);
    expect(refusals.list()[0]?.count).to.equal(500);
    expect(refusals.list().at(-1)?.callingAeTitle).to.equal('AE51');
  });

  it('holds what a caller of a real gateway tried, and which sources came', async () => {
    const sources = [
      { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] },
      { name: 'silent', aeTitle: 'SILENT', hosts: ['192.0.2.1'] },
    ];
    const hub = await startGateway({ dimse: { sources } });

    for (const options of [{ calling: 'pv7t' }, { calling: 'PV7T', called: 'ARCHIVE' }]) {
      const peer = await RawPeer.connect(hub.port);
      peer.send(associateRequest(options));
      await peer.untilClosed();
    }
    const welcome = await RawPeer.associate(hub.port, { calling: 'PV7T' });
    const seen = hub.gateway.sources();
    const refused = hub.gateway
      .refusals()
      .map(({ callingAeTitle, calledAeTitle, why }) => [callingAeTitle, calledAeTitle, why]);
    welcome.destroy();
    await hub.remove();

    expect(refused).to.deep.equal([
      ['PV7T', 'ARCHIVE', 'called AE title'],
      ['pv7t', 'HUB', 'calling AE title'],
    ]);
    expect(seen.map(({ name, lastSeenAt }) => [name, lastSeenAt === undefined])).to.deep.equal([
      ['pv-7t', false],
      ['silent', true],
    ]);
  });
});
