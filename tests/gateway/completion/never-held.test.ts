import { once } from 'node:events';
import { expect } from 'chai';
import type { RoutePatience } from '../../../core/completion.ts';
import type { HubEvent } from '../../../core/events.ts';
import type { SpoolFile } from '../../../gateway/spool/files.ts';
import { mrInstance, type MrInstance } from '../../support/mr-instance.ts';
import { RawPeer, statusOf, storeRequest } from '../../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';
import { waitFor } from '../../support/wait-for.ts';

const SOON = { quietMs: 300, forceMs: 5_400_000 };
const HELD: RoutePatience = {
  quietMs: [],
  forceMs: [],
  required: [{ route: 'brain', met: false }],
  whenMissing: 'hold',
};
const YEAR_MS = 365 * 86_400_000;

describe('a study is not held for ever', function () {
  this.timeout(30_000);

  let hub: RunningGateway;
  afterEach(async () => {
    await hub.remove();
  });

  it('by a connection that was lost while the disk still worked on its instance', async () => {
    const disk = Promise.withResolvers<undefined>();
    const asked = new EventTarget();
    const slow = (file: SpoolFile): SpoolFile => ({
      ...file,
      sync: async () => {
        asked.dispatchEvent(new Event('sync'));
        await disk.promise;
        await file.sync();
      },
    });
    hub = await startGateway({
      options: { completion: { ...SOON, afterReleaseMs: 100 } },
      files: (real) => ({ ...real, create: async (name) => slow(await real.create(name)) }),
    });
    const peer = await RawPeer.associate(hub.port);
    const instance = mrInstance();
    const syncing = once(asked, 'sync');
    peer.send(storeRequest(instance, instance.dataSet));
    await syncing;

    peer.destroy();
    await waitFor('the hub to see it gone', async () => /hub_gateway_associations 0\n/.test(await hub.metrics()));
    disk.resolve(undefined);

    expect(await completion(hub)).to.include({ signal: 'quiet' });
  });

  it('by a rule that the configuration no longer has', async () => {
    const before = await startGateway({
      options: { completion: { quietMs: 50, forceMs: 100, patienceOf: () => HELD } },
    });
    await send(before, mrInstance());
    await waitFor('it to be held', () => before.lines.some(({ message }) => message.startsWith('study is held')));
    await before.stop();

    hub = await startGateway({ dataDir: before.dataDir, options: { completion: SOON } });

    expect((await completion(hub)).instances).to.equal(1);
  });

  it('by a clock that ran ahead when it came, and was set back', async () => {
    let aheadMs = YEAR_MS;
    hub = await startGateway({
      clock: { now: () => new Date(Date.now() + aheadMs) },
      options: { completion: SOON },
    });
    await send(hub, mrInstance());
    aheadMs = 0;
    await send(hub, mrInstance());

    await waitFor('both', async () => (await completions(hub)).length === 2);
  });

  it('by a clock that was set back while the hub was down', async () => {
    const ahead = { now: () => new Date(Date.now() + YEAR_MS) };
    const before = await startGateway({
      clock: ahead,
      options: { completion: { quietMs: 600_000, forceMs: 900_000 } },
    });
    await send(before, mrInstance());
    await waitFor('the ledger to know', async () => (await before.ledger.studies.nextDue()) !== undefined);
    await before.stop();

    hub = await startGateway({ dataDir: before.dataDir, options: { completion: SOON } });

    expect((await completion(hub)).signal).to.equal('quiet');
  });
});

async function send(hub: RunningGateway, instance: MrInstance): Promise<void> {
  const peer = await RawPeer.associate(hub.port);
  peer.send(storeRequest(instance, instance.dataSet));
  expect(statusOf(await peer.next())).to.equal(0);
  peer.destroy();
}

async function completions(hub: RunningGateway): Promise<readonly HubEvent<'study.completed'>['data'][]> {
  const page = { streams: ['hub.ingest.v1'], after: 0, limit: 100, types: ['study.completed'] } as const;
  return (await hub.ledger.events.read(page)).map(({ data }) => data as HubEvent<'study.completed'>['data']);
}

async function completion(hub: RunningGateway): Promise<HubEvent<'study.completed'>['data']> {
  return waitFor('study.completed', async () => (await completions(hub))[0]);
}
