import { expect } from 'chai';
import type { HubEvent } from '../../core/events.ts';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { GatewayOptions } from '../../gateway/options.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { RawPeer, statusOf, storeRequest } from '../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../support/running-gateway.ts';
import { waitFor } from '../support/wait-for.ts';

type Completed = HubEvent<'study.completed'>['data'];

const SOON = { quietMs: 800, forceMs: 60_000 };

describe('a study', function () {
  this.timeout(30_000);

  it('is completed after its quiet period, and once more with what came late', async () => {
    await withGateway({ completion: SOON }, async (hub) => {
      const [first, second, late] = studyOf(3);
      await send(hub, first, second);
      const completed = await completions(hub, 1);
      await send(hub, late);
      const again = await completions(hub, 2);

      const [{ evidence, ...data } = { evidence: [] }] = completed.map((event) => event.data as Completed);
      expect(data).to.deep.equal({
        studyInstanceUid: first.studyInstanceUid,
        revision: 1,
        instances: 2,
        source: 'loopback',
        signal: 'quiet',
        quietMs: SOON.quietMs,
      });
      expect(evidence).to.deep.include({ what: 'received', held: 2, series: 2 });
      expect(evidence?.find(({ what }) => what === 'silence')?.ms).to.be.within(SOON.quietMs, 8_000);
      expect(again.at(1)?.data).to.include({ revision: 2, signal: 'quiet' });
      // Counted when the ledger has answered, a moment after everybody can read the event.
      const isCounted = async () => /hub_studies_completed_total\{source="loopback"\} 2/.test(await hub.metrics());
      await waitFor('the count', isCounted);
      expect(await hub.metrics()).to.match(/hub_studies_completed_signal_total\{signal="quiet"\} 2/);
    });
  });

  it('is not completed while instances keep coming, and is forced in the end', async () => {
    await withGateway({ completion: { quietMs: 800, forceMs: 2_000 } }, async (hub) => {
      const instances = studyOf(60);
      const startedMs = performance.now();
      for (const instance of instances) {
        await send(hub, instance);
        if ((await completed(hub)).length > 0) break;
        await new Promise((resolve) => setTimeout(resolve, 60));
      }

      const [event] = await completions(hub, 1);

      expect(event?.data).to.include({ signal: 'force' });
      expect(performance.now() - startedMs).to.be.greaterThan(1_900);
    });
  });

  it('has the quiet period of its source', async () => {
    await withGateway(
      { completion: { quietMs: 60_000, forceMs: 90_000, sources: { loopback: { quietMs: 300 } } } },
      async (hub) => {
        const [instance] = studyOf(1);
        await send(hub, instance);

        const [event] = await completions(hub, 1);

        expect(event?.data).to.include({ quietMs: 300 });
      },
    );
  });

  it('is completed after a restart in its quiet period, by the one in force then', async () => {
    const before = await startGateway({ options: { completion: { quietMs: 1_500, forceMs: 60_000 } } });
    const [instance] = studyOf(1);
    await send(before, instance);
    await before.stop();
    const after = await startGateway({ dataDir: before.dataDir, options: { completion: SOON } });
    try {
      const [event] = await completions(after, 1);

      expect(event?.data).to.include({ studyInstanceUid: instance.studyInstanceUid, quietMs: SOON.quietMs });
    } finally {
      await after.remove();
    }
  });

  it('does not wait for another one that the ledger cannot complete', async () => {
    const [bad] = studyOf(1);
    const good = mrInstance();
    const hub = await startGateway({
      options: { completion: SOON },
      ledger: (real) => ({
        ...real,
        studies: {
          ...real.studies,
          complete: async (due, now) => {
            if (due.studyInstanceUid === bad.studyInstanceUid) throw new TypeError('no such row');
            return real.studies.complete(due, now);
          },
        },
      }),
    });
    try {
      await send(hub, bad, good);

      const [event] = await completions(hub, 1);

      expect(event?.key).to.equal(good.studyInstanceUid);
      expect(hub.lines.some(({ message }) => message === 'study could not be completed')).to.be.true;
    } finally {
      await hub.remove();
    }
  });

  it('is held, and not completed, while it holds two patients', async () => {
    await withGateway({ completion: SOON }, async (hub) => {
      const [instance] = studyOf(1);
      const other = mrInstance({ ...instance.attributes, SOPInstanceUID: newUid(), PatientID: 'RAT-8' });
      const calm = mrInstance();
      await send(hub, instance);
      const peer = await RawPeer.associate(hub.port);
      peer.send(storeRequest(other, other.dataSet));
      expect(statusOf(await peer.next())).to.equal(0xa900);
      peer.destroy();
      await send(hub, calm);

      const events = await completions(hub, 1);
      const study = await hub.ledger.studies.get(parseStudyInstanceUid(instance.studyInstanceUid));

      expect(events.map(({ key }) => key)).to.deep.equal([calm.studyInstanceUid]);
      expect(study).to.include({ held: true, revision: 0 });
    });
  });
});

async function withGateway(
  options: Pick<GatewayOptions, 'completion'>,
  test: (hub: RunningGateway) => Promise<void>,
): Promise<void> {
  const hub = await startGateway({ options });
  try {
    await test(hub);
  } finally {
    await hub.remove();
  }
}

function studyOf(instances: number): [MrInstance, MrInstance, MrInstance, ...MrInstance[]] {
  const study = newUid();
  const make = () => mrInstance({ StudyInstanceUID: study });
  return [make(), make(), make(), ...Array.from({ length: Math.max(0, instances - 3) }, make)];
}

async function send(hub: RunningGateway, ...instances: readonly MrInstance[]): Promise<void> {
  const peer = await RawPeer.associate(hub.port);
  for (const instance of instances) {
    peer.send(storeRequest(instance, instance.dataSet));
    expect(statusOf(await peer.next())).to.equal(0);
  }
  peer.destroy();
}

async function completed(hub: RunningGateway) {
  return hub.ledger.events.read({ streams: ['hub.ingest.v1'], after: 0, limit: 1000, types: ['study.completed'] });
}

async function completions(hub: RunningGateway, count: number) {
  return waitFor(`${count} study.completed`, async () => {
    const events = await completed(hub);
    return events.length >= count ? events : undefined;
  });
}
