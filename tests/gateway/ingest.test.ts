import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import { mrInstance, newUid, type MrInstance } from '../support/mr-instance.ts';
import { RawPeer, data, statusOf, storeCommand, storeRequest, value } from '../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../support/running-gateway.ts';
import { waitFor } from '../support/wait-for.ts';

describe('what the hub tells the sender of an instance', function () {
  this.timeout(30_000);
  let hub: RunningGateway;

  beforeEach(async () => {
    hub = await startGateway();
  });
  afterEach(async () => {
    await hub.remove();
  });

  const REFUSED: readonly {
    readonly name: string;
    readonly bytes: (good: MrInstance) => Uint8Array;
    readonly status: number;
    readonly reason: string;
  }[] = [
    {
      name: 'a data set cut off in its pixels',
      bytes: ({ dataSet }) => dataSet.subarray(0, -500),
      status: 0xc000,
      reason: 'dataset.unreadable',
    },
    {
      name: 'a data set cut off in its header',
      bytes: ({ dataSet }) => dataSet.subarray(0, 61),
      status: 0xc000,
      reason: 'dataset.unreadable',
    },
    {
      name: 'noise',
      bytes: () => Uint8Array.from({ length: 5000 }, (_, n) => (n * 97 + 13) % 256),
      status: 0xc000,
      reason: 'dataset.unreadable',
    },
    { name: 'no bytes', bytes: () => new Uint8Array(0), status: 0xc000, reason: 'dataset.empty' },
    {
      name: 'a data set without a study',
      bytes: ({ attributes }) => mrInstance({ ...attributes, StudyInstanceUID: undefined }).dataSet,
      status: 0xa900,
      reason: 'dataset.uid-missing',
    },
    {
      name: 'a data set without a series',
      bytes: ({ attributes }) => mrInstance({ ...attributes, SeriesInstanceUID: undefined }).dataSet,
      status: 0xa900,
      reason: 'dataset.uid-missing',
    },
    {
      name: 'another SOP instance than the command names',
      bytes: () => mrInstance().dataSet,
      status: 0xa900,
      reason: 'dataset.sop-class-mismatch',
    },
    {
      name: 'another SOP class than the command names',
      bytes: ({ attributes }) => mrInstance({ ...attributes, SOPClassUID: '1.2.840.10008.5.1.4.1.1.2' }).dataSet,
      status: 0xa900,
      reason: 'dataset.sop-class-mismatch',
    },
  ];
  for (const { name, bytes, status, reason } of REFUSED) {
    it(`answers ${status.toString(16)} to ${name}, and quarantines a copy`, async () => {
      const instance = mrInstance();
      const sent = bytes(instance);

      expect(await stored(hub, instance, sent)).to.equal(status);

      const [entry] = await quarantined(hub, 1);
      expect(entry).to.deep.include({ reason, stage: 'gateway', holdsStudy: false, state: 'held' });
      expect(entry?.items[0]?.sizeBytes).to.be.greaterThan(sent.length);
      expect(await hub.ledger.studies.list({ limit: 10 })).to.deep.equal([]);
      expect(await hub.metrics()).to.match(/outcome="refused"\} 1/);
      const count = `hub_quarantined_total{reason="${reason}"} 1\n`;
      await waitFor('the count', async () => (await hub.metrics()).includes(count));
    });
  }

  it('answers Success to the same bytes again, at once and much later, and nothing happens', async () => {
    const instance = mrInstance();

    const first = await stored(hub, instance);
    const atOnce = await stored(hub, instance);
    await recorded(hub, instance, 1);
    const later = await stored(hub, instance);

    expect([first, atOnce, later]).to.deep.equal([0, 0, 0]);
    expect(await hub.metrics())
      .to.match(/outcome="stored"\} 1\n/)
      .and.to.match(/outcome="same"\} 2\n/);
    expect(await hub.ledger.quarantine.list({ limit: 10 })).to.deep.equal([]);
  });

  it('stores once what two associations send in the same moment', async () => {
    const instance = mrInstance();

    const statuses = await Promise.all(Array.from({ length: 8 }, async () => stored(hub, instance)));

    expect(statuses).to.deep.equal(statuses.map(() => 0));
    expect(await hub.metrics())
      .to.match(/outcome="stored"\} 1\n/)
      .and.to.match(/outcome="same"\} 7\n/);
  });

  for (const when of ['before', 'after'] as const) {
    it(`answers 0x0111 to other bytes of a known UID ${when} the ledger knows the first, and quarantines them`, async () => {
      const instance = mrInstance();
      const other = mrInstance({ ...instance.attributes, SeriesDescription: 'another' });

      expect(await stored(hub, instance)).to.equal(0);
      if (when === 'after') await recorded(hub, instance, 1);

      expect(await stored(hub, other)).to.equal(0x0111);
      const [entry] = await quarantined(hub, 1);
      expect(entry?.items[0]?.sopInstanceUid).to.equal(instance.sopInstanceUid);
      expect(entry?.holdsStudy).to.be.false;
    });

    it(`answers 0xA900 to a second patient in a study ${when} the ledger knows the first, and holds the study`, async () => {
      const instance = mrInstance();
      const other = mrInstance({ ...instance.attributes, SOPInstanceUID: newUid(), PatientID: 'RAT-8' });

      expect(await stored(hub, instance)).to.equal(0);
      if (when === 'after') await recorded(hub, instance, 1);

      expect(await stored(hub, other)).to.equal(0xa900);
      const [entry] = await quarantined(hub, 1);
      expect(entry?.holdsStudy).to.be.true;
      const study = await hub.ledger.studies.get(parseStudyInstanceUid(instance.studyInstanceUid));
      expect(study?.held).to.be.true;
    });
  }

  const HELD_ONCE: readonly {
    readonly what: string;
    readonly sent: (taken: MrInstance) => MrInstance;
    readonly bytes?: (instance: MrInstance) => Uint8Array;
    readonly status: number;
  }[] = [
    {
      what: 'other bytes of a known UID',
      sent: ({ attributes }) => mrInstance({ ...attributes, SeriesDescription: 'another' }),
      status: 0x0111,
    },
    {
      what: 'a second patient in a study',
      sent: ({ attributes }) => mrInstance({ ...attributes, SOPInstanceUID: newUid(), PatientID: 'RAT-8' }),
      status: 0xa900,
    },
    {
      what: 'what cannot be read',
      sent: () => mrInstance(),
      bytes: ({ dataSet }) => dataSet.subarray(0, 61),
      status: 0xc000,
    },
  ];
  for (const { what, sent, bytes, status } of HELD_ONCE) {
    it(`keeps one copy of ${what}, however often its sender tries, and counts`, async () => {
      const taken = mrInstance();
      expect(await stored(hub, taken)).to.equal(0);
      await recorded(hub, taken, 1);
      const instance = sent(taken);
      const again = async () => stored(hub, instance, bytes?.(instance));

      expect(await again()).to.equal(status);
      const [first] = await quarantined(hub, 1);
      const received = await bytesReceived(hub);
      expect([await again(), await again()]).to.deep.equal([status, status]);

      const entries = await quarantined(hub, 1);
      expect(entries.map(({ items, repeats }) => [items.length, repeats])).to.deep.equal([[1, 2]]);
      expect(entries[0]?.quarantineId).to.equal(first?.quarantineId);
      expect(await bytesReceived(hub)).to.equal(received);
    });
  }

  it('takes all patients of a study for which several were accepted', async () => {
    const instance = mrInstance();
    const of = (PatientID: string) => mrInstance({ ...instance.attributes, SOPInstanceUID: newUid(), PatientID });
    expect(await stored(hub, instance)).to.equal(0);
    expect(await stored(hub, of('RAT-8'))).to.equal(0xa900);
    const [entry] = await quarantined(hub, 1);
    expect(await hub.ledger.quarantine.release(entry?.quarantineId ?? '')).to.be.true;

    // At once: the first is not in the ledger yet when the second comes.
    const statuses = [await stored(hub, of('RAT-7')), await stored(hub, of('RAT-8'))];

    expect(statuses).to.deep.equal([0, 0]);
    await recorded(hub, instance, 4);
  });

  it('tells a repeat from a reused UID right after a restart that interrupted the refusal, too', async () => {
    const instance = mrInstance();
    const other = mrInstance({ ...instance.attributes, SeriesDescription: 'another' });
    expect(await stored(hub, instance)).to.equal(0);
    await recorded(hub, instance, 1);
    await hub.stop();
    const down = {
      known: async () => Promise.reject(new Error('down')),
      record: async () => Promise.reject(new Error('down')),
    };
    const interrupted = await startGateway({
      dataDir: hub.dataDir,
      ledger: (real) => ({ ...real, instances: { ...real.instances, ...down } }),
    });
    expect(await stored(interrupted, other)).to.equal(0); // Nobody knew better; it is in the spool.
    await interrupted.gateway.stop(100);
    await interrupted.ledger.close();
    hub = await startGateway({
      dataDir: hub.dataDir,
      ledger: (real) => ({ ...real, instances: { ...real.instances, record: down.record } }),
    });

    expect([await stored(hub, instance), await stored(hub, other)]).to.deep.equal([0, 0x0111]);
  });

  it('keeps quiet about patients in log, metrics, events and quarantine', async () => {
    const instance = mrInstance();
    await stored(hub, instance);
    await stored(hub, mrInstance({ ...instance.attributes, SOPInstanceUID: newUid(), PatientID: 'RAT-8' }));
    await stored(hub, instance, instance.dataSet.subarray(0, -100));
    const held = await quarantined(hub, 2);

    const events = await hub.ledger.events.read({ streams: ['hub.ingest.v1', 'hub.work.v1'], after: 0, limit: 100 });

    expect(events).to.not.be.empty;
    expect(JSON.stringify([events, held, hub.lines, await hub.metrics()])).to.not.match(/RAT-|Planted/);
  });
});

describe('the acknowledgement while the ledger', function () {
  this.timeout(30_000);

  const AILMENTS: readonly {
    readonly name: string;
    readonly instances: (real: Ledger['instances']) => Partial<Ledger['instances']>;
  }[] = [
    {
      name: 'fails',
      instances: () => ({
        known: async () => Promise.reject(new Error('down')),
        record: async () => Promise.reject(new Error('down')),
      }),
    },
    {
      name: 'hangs',
      instances: () => ({
        known: async () => new Promise(() => undefined),
        record: async () => Promise.reject(new Error('down')),
      }),
    },
  ];
  for (const { name, instances } of AILMENTS) {
    it(`${name} is given all the same, and the ledger learns of it after a restart`, async () => {
      const sick = await startGateway({
        ledger: (real) => ({ ...real, instances: { ...real.instances, ...instances(real.instances) } }),
      });
      const instance = mrInstance();

      const status = await stored(sick, instance);
      await sick.gateway.stop(300);
      await sick.ledger.close();
      const well = await startGateway({ dataDir: sick.dataDir });

      expect(status).to.equal(0);
      try {
        const [item] = await recorded(well, instance, 1);
        expect(item).to.include({ sopInstanceUid: instance.sopInstanceUid });
        const [series] = await well.ledger.studies.series(parseStudyInstanceUid(instance.studyInstanceUid));
        expect(series?.attributes).to.deep.include({ Modality: ['MR'] });
      } finally {
        await well.remove();
      }
    });
  }
});

describe('a record that the ledger refuses for ever', function () {
  this.timeout(60_000);

  it('is found among others and quarantined with its study held, and the others get on', async () => {
    const study = newUid();
    const instances = Array.from({ length: 7 }, () => mrInstance({ StudyInstanceUID: study }));
    const bad = instances[4]?.sopInstanceUid;
    const hub = await startGateway({
      ledger: (real) => ({
        ...real,
        instances: {
          ...real.instances,
          record: async (records, position) => {
            if (records.some(({ instance }) => instance.sopInstanceUid === bad)) throw new TypeError('no such column');
            return real.instances.record(records, position);
          },
        },
      }),
    });
    const peer = await RawPeer.associate(hub.port);
    peer.send(...instances.map((instance, n) => storeRequest({ ...instance, messageId: n + 1 }, instance.dataSet)));
    for (const _ of instances) expect(statusOf(await peer.next())).to.equal(0);
    peer.destroy();

    const items = await waitFor(
      'the six others',
      async () => {
        const found = await hub.ledger.instances.ofStudy(parseStudyInstanceUid(study));
        return found.length === 6 ? found : undefined;
      },
      40_000,
    );
    const [entry] = await quarantined(hub, 1);

    expect(items.some(({ sopInstanceUid }) => sopInstanceUid === bad)).to.be.false;
    expect(entry).to.include({ reason: 'ledger.refused', stage: 'gateway', holdsStudy: true });
    expect(entry?.items.map(({ sopInstanceUid }) => sopInstanceUid)).to.deep.equal([bad]);
    expect((await hub.ledger.studies.get(parseStudyInstanceUid(study)))?.held).to.be.true;
    const counted = async () => /quarantined_total\{reason="ledger\.refused"\} 1\n/.test(await hub.metrics());
    await waitFor('the count', counted);
    await hub.stop();

    const again = await startGateway({ dataDir: hub.dataDir });
    expect(again.lines.filter(({ message }) => /does not know/.test(message))).to.deep.equal([]);
    await again.remove();
  });

  it('is not blamed while the ledger takes nothing at all', async () => {
    let failures = 0;
    const hub = await startGateway({
      ledger: (real) => ({
        ...real,
        instances: {
          ...real.instances,
          record: async (records, position) => {
            if ((failures += 1) <= 6) throw new Error('down');
            return real.instances.record(records, position);
          },
        },
      }),
    });
    const instance = mrInstance();
    expect(await stored(hub, instance)).to.equal(0);

    await waitFor('the instance in the ledger', async () => (await recordedNow(hub, instance)) === 1, 40_000);

    expect(await hub.ledger.quarantine.list({ limit: 10 })).to.deep.equal([]);
    await hub.remove();
  });

  it('does not keep the hub from stopping when the ledger does not even answer', async () => {
    const hub = await startGateway({
      ledger: (real) => ({
        ...real,
        instances: { ...real.instances, record: async () => new Promise(() => undefined) },
      }),
    });
    expect(await stored(hub, mrInstance())).to.equal(0);

    const startedMs = performance.now();
    await hub.gateway.stop(300);

    expect(performance.now() - startedMs).to.be.below(5_000);
    await hub.remove();
  });
});

async function recordedNow(hub: RunningGateway, instance: MrInstance): Promise<number> {
  return (await hub.ledger.instances.ofStudy(parseStudyInstanceUid(instance.studyInstanceUid))).length;
}

async function stored(hub: RunningGateway, instance: MrInstance, bytes = instance.dataSet): Promise<number> {
  const peer = await RawPeer.associate(hub.port);
  const request =
    bytes.length === 0
      ? Buffer.concat([data(value(1, 3, storeCommand(instance))), data(value(1, 2, bytes))])
      : storeRequest(instance, bytes);
  peer.send(request);
  const status = statusOf(await peer.next());
  peer.destroy();
  return status;
}

async function recorded(hub: RunningGateway, instance: MrInstance, count: number) {
  return waitFor('the instances in the ledger', async () => {
    const items = await hub.ledger.instances.ofStudy(parseStudyInstanceUid(instance.studyInstanceUid));
    return items.length === count ? items : undefined;
  });
}

async function quarantined(hub: RunningGateway, count: number) {
  return waitFor('the quarantine entries', async () => {
    const entries = await hub.ledger.quarantine.list({ limit: 50 });
    return entries.length === count ? entries : undefined;
  });
}

async function bytesReceived(hub: RunningGateway): Promise<string | undefined> {
  return /^hub_gateway_bytes_total.* (\d+)$/m.exec(await hub.metrics())?.[1];
}
