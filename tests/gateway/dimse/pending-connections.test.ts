import { expect } from 'chai';
import { PendingConnections } from '../../../gateway/dimse/pending-connections.ts';
import { RawPeer } from '../../support/raw-association.ts';
import { startGateway } from '../../support/running-gateway.ts';
import { waitFor } from '../../support/wait-for.ts';

describe('connections that are no associations yet', function () {
  this.timeout(30_000);

  /** What became of connections that came from these addresses, one after the other. */
  function come(bounds: { readonly total: number; readonly perAddress: number }, addresses: string): string {
    const pending = new PendingConnections(bounds);
    const evicted = new Set<number>();
    Array.from(addresses).forEach((address, n) => void pending.add(address, () => evicted.add(n)));
    return Array.from(addresses)
      .map((address, n) => (evicted.has(n) ? '-' : address))
      .join('');
  }

  for (const [title, bounds, addresses, left] of [
    ['lets all in below its bounds', { total: 4, perAddress: 2 }, 'aabb', 'aabb'],
    ['cuts the oldest of an address that has its share', { total: 9, perAddress: 2 }, 'abaac', '-baac'],
    ['cuts the oldest of who has most when all places are taken', { total: 4, perAddress: 3 }, 'baaacd', 'b--acd'],
    ['never refuses the one who comes', { total: 1, perAddress: 1 }, 'abc', '--c'],
  ] as const) {
    it(title, () => {
      expect(come(bounds, addresses)).to.equal(left);
    });
  }

  it('forgets who has associated, once', () => {
    const pending = new PendingConnections({ total: 2, perAddress: 2 });
    const settle = pending.add('a', () => expect.fail('cut after it had associated'));
    pending.add('a', () => undefined);

    settle();
    settle();
    pending.add('a', () => undefined);

    expect(pending.count).to.equal(2);
  });

  it('take no place from a peer that associates, however many say nothing', async () => {
    const hub = await startGateway();
    const silent: RawPeer[] = [];
    for (let n = 0; n < 200; n += 1) silent.push(await RawPeer.connect(hub.port));

    const peers = await Promise.all(Array.from({ length: 5 }, () => RawPeer.associate(hub.port)));

    expect(peers).to.have.length(5);
    // Sixteen of an address may say nothing at a time.
    await waitFor('the oldest to be cut', () => silent.filter(({ isClosed }) => isClosed).length >= 184);
    for (const peer of [...peers, ...silent]) peer.destroy();
    await hub.remove();
  });
});
