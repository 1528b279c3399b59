import { expect } from 'chai';
import { join } from 'node:path';
import { open as openCStore } from '../../../connectors/c-store/connector.ts';
import { cStore } from '../../../connectors/c-store/index.ts';
import type { Connector } from '../../../core/plugins.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../../support/outgoing.ts';
import { startStorescp, type StorescpPeer } from '../../support/peer-servers.ts';
import { type PynetdicomScp, startPynetdicomScp } from '../../support/pynetdicom-scp.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { waitFor } from '../../support/wait-for.ts';

const MR = '1.2.840.10008.5.1.4.1.1.4';
const CT = '1.2.840.10008.5.1.4.1.1.2';
const [IMPLICIT, EXPLICIT] = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1'];

describe('the associations of a C-STORE destination', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let scp: StorescpPeer;
  let proxy: TcpProxy;
  const opened: Connector[] = [];

  beforeEach(async () => {
    scp = await startStorescp({ dir: join(folder.path, String(Math.random()).slice(2)) });
    proxy = await TcpProxy.start(scp.port);
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((connector) => connector.close()));
    await proxy.stop();
    await scp.stop();
  });

  function open(store: MemoryStore, changes: Readonly<Record<string, unknown>> = {}): Connector {
    const options = cStore.options.parse({
      ...{ name: 'kct-pacs', type: 'c-store', host: '127.0.0.1', port: proxy.port, aeTitle: 'STORESCP' },
      timeouts: { connect: '2s', association: '5s', response: '5s' },
      ...changes,
    });
    const connector = openCStore(options, contextOf(store));
    opened.push(connector);
    return connector;
  }
  const deliver = async (connector: Connector, store: MemoryStore, index: number, changes = {}) => {
    const delivered: string[] = [];
    await connector.deliver(orderOf([await store.instance(mrImage(index, changes))]), (uid) => delivered.push(uid));
    return delivered.length;
  };

  it('are used for one delivery after the other', async () => {
    const store = new MemoryStore();
    const connector = open(store);

    for (let index = 1; index <= 5; index += 1) expect(await deliver(connector, store, index)).to.equal(1);

    expect(proxy.accepted).to.equal(1);
  });

  it('are not kept where that is not wanted', async () => {
    const store = new MemoryStore();
    const connector = open(store, { keepAssociation: '0s' });

    for (let index = 1; index <= 3; index += 1) await deliver(connector, store, index);

    expect(proxy.accepted).to.equal(3);
  });

  it('are opened anew for what needs other presentation contexts, at a peer that takes one at a time too', async () => {
    const store = new MemoryStore();
    const connector = open(store, { concurrency: 1 });

    await deliver(connector, store, 1);
    await deliver(connector, store, 2, { SOPClassUID: CT });
    await deliver(connector, store, 3);

    expect(proxy.accepted).to.equal(3);
  });

  it('are released when nobody has used them for a while, and when the hub stops', async () => {
    const peer: PynetdicomScp = await startPynetdicomScp({ [MR]: [EXPLICIT, IMPLICIT] });
    try {
      const store = new MemoryStore();
      const count = (event: string) => peer.said().filter((each) => each.event === event).length;
      const place = { port: peer.port, aeTitle: peer.aeTitle };
      const [short, long] = [open(store, { ...place, keepAssociation: '50ms' }), open(store, place)];

      await deliver(short, store, 1);
      await waitFor('the release of an idle association', () => count('released') === 1);
      await deliver(long, store, 2);
      const before = count('released');
      await long.close();
      await waitFor('the release at the stop', () => count('released') === 2);

      expect([before, count('aborted'), count('stored')]).to.deep.equal([1, 0, 2]);
    } finally {
      await peer.stop();
    }
  });

  it('that the peer ended while they were kept fail no delivery', async () => {
    const store = new MemoryStore();
    const connector = open(store);
    await deliver(connector, store, 1);
    proxy.cutAfter(1);

    const afterCut = await deliver(connector, store, 2);

    expect([afterCut, proxy.accepted]).to.deep.equal([1, 2]);
  });

  it('that a delivery gave up are not used again', async () => {
    const store = new MemoryStore();
    const connector = open(store);
    await deliver(connector, store, 1);
    const ending = new AbortController();
    proxy.stall();
    const order = orderOf([await store.instance(mrImage(2))], { signal: ending.signal });
    const given = connector
      .deliver(order, () => undefined)
      .then(
        () => 'delivered',
        () => 'ended',
      );

    await waitFor('the instance on its way', () => store.openSources === 1);
    ending.abort();
    const outcome = await given;
    await proxy.restore();

    expect(outcome).to.equal('ended');
    expect(await deliver(connector, store, 3)).to.equal(1);
    expect(proxy.accepted).to.equal(2);
  });
});
