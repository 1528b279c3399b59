import { connect } from 'node:net';
import { expect } from 'chai';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import {
  RELEASE_REQUEST,
  RawPeer,
  associateRequest,
  data,
  pdu,
  statusOf,
  storeCommand,
  storeRequest,
  value,
} from '../../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';
import { waitFor } from '../../support/wait-for.ts';
import { A_ABORT } from './broken-pdus.ts';

describe('the time a peer of the DIMSE door may take', function () {
  this.timeout(30_000);
  let hub: RunningGateway;

  before(async () => {
    hub = await startGateway({
      dimse: { timeouts: { associationMs: 150, idleMs: 400, progressMs: 150, minBytes: 64, closeMs: 200 } },
    });
  });
  after(async () => {
    await hub.remove();
  });

  it('ends for who connects and says nothing', async () => {
    const peer = await RawPeer.connect(hub.port);

    expect((await peer.untilClosed()).map(({ type }) => type)).to.deep.equal([A_ABORT]);
  });

  it('is no line of the log for who looks whether the port is open, and is counted', async () => {
    const before = hub.lines.length;

    for (const end of ['end', 'resetAndDestroy'] as const) {
      await new Promise<void>((closed) => {
        const probe = connect(hub.port, '127.0.0.1', () => probe[end]()).once('close', () => closed());
        probe.resume();
      });
    }

    await waitFor('both to be counted', async () =>
      (await hub.metrics()).includes('hub_gateway_silent_connections_total 2'),
    );
    expect(hub.lines.slice(before)).to.deep.equal([]);
  });

  it('ends for who trickles a message', async () => {
    const peer = await RawPeer.associate(hub.port);
    const trickle = setInterval(() => peer.send(Uint8Array.of(0)), 20);

    peer.send(
      data(value(1, 3, storeCommand({ sopInstanceUid: newUid() }))),
      pdu(4, value(1, 0, Buffer.alloc(0), 9000), 9004),
    );
    const said = await peer.untilClosed();
    clearInterval(trickle);

    expect(said.map(({ type }) => type)).to.deep.equal([A_ABORT]);
    expect(hub.lines.some(({ fields }) => fields['why'] === 'too slow')).to.be.true;
  });

  it('ends for who is idle between messages, but not while messages come', async () => {
    const peer = await RawPeer.associate(hub.port);
    const startedMs = performance.now();

    for (let n = 0; n < 4; n += 1) {
      const instance = mrInstance();
      peer.send(storeRequest(instance, instance.dataSet));
      expect(statusOf(await peer.next())).to.equal(0);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    const said = await peer.untilClosed();

    expect(said.map(({ type }) => type)).to.deep.equal([A_ABORT]);
    expect(performance.now() - startedMs).to.be.greaterThan(600);
  });

  it('ends for who ignores that the hub has hung up', async () => {
    const peer = await RawPeer.connect(hub.port, { allowHalfOpen: true });

    peer.send(associateRequest({ called: 'NOBODY' }));

    expect((await peer.next()).type).to.equal(3);
    await waitFor('the hub to let go', () => hub.lines.some(({ fields }) => fields['end'] === 'rejected'));
    peer.destroy();
  });
});

describe('the number of peers of the DIMSE door', function () {
  it('is limited, and a place is free again when an association ends', async () => {
    const hub = await startGateway({ dimse: { maxAssociations: 2 } });
    try {
      const first = await RawPeer.associate(hub.port);
      const second = await RawPeer.associate(hub.port);
      const third = await RawPeer.connect(hub.port);
      third.send(associateRequest());
      const rejection = await third.next();
      first.send(RELEASE_REQUEST);
      await first.untilClosed();
      const fourth = await RawPeer.associate(hub.port);

      // PS3.8 Table 9-21: transient, service provider (presentation), local limit exceeded
      expect([rejection.type, ...rejection.body]).to.deep.equal([3, 0, 2, 3, 2]);
      second.destroy();
      fourth.destroy();
    } finally {
      await hub.remove();
    }
  });
});
