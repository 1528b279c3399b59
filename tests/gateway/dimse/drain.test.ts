import { expect } from 'chai';
import { mrInstance } from '../../support/mr-instance.ts';
import { RawPeer, RELEASE_REQUEST, statusOf, storeRequest } from '../../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';

const STUDY = { StudyInstanceUID: '2.25.81', SeriesInstanceUID: '2.25.81.1' };

describe('a gateway that is asked to stop', () => {
  let running: RunningGateway;
  beforeEach(async () => {
    running = await startGateway();
  });
  afterEach(() => running.remove());

  const store = async (peer: RawPeer, messageId: number) => {
    const { sopInstanceUid, dataSet } = mrInstance(STUDY);
    peer.send(storeRequest({ sopInstanceUid, messageId }, dataSet));
    return statusOf(await peer.next());
  };

  it('lets an association go on to its release, and takes no new one', async () => {
    const peer = await RawPeer.associate(running.port);
    const before = await store(peer, 1);

    const stopped = running.gateway.stop(10_000);
    const during = [await store(peer, 2), await store(peer, 3)];
    const other = await RawPeer.associate(running.port).catch((error: unknown) => error);
    peer.send(RELEASE_REQUEST);
    const response = await peer.next();
    await peer.untilClosed();
    await stopped;

    expect([before, ...during]).to.deep.equal([0, 0, 0]);
    expect(other).to.be.instanceOf(Error);
    expect(response.type, 'A-RELEASE-RP').to.equal(6);
  });

  it('does not wait the whole time for one that sends nothing', async () => {
    const peer = await RawPeer.associate(running.port);
    await store(peer, 1);
    const startedMs = performance.now();

    await running.gateway.stop(30_000);

    expect(performance.now() - startedMs).to.be.lessThan(8_000);
    peer.destroy();
  });
});
