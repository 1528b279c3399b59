import { join } from 'node:path';
import { expect } from 'chai';
import { startOrigin } from '../support/crash-origin.ts';
import { filesBelow } from '../support/files-below.ts';
import {
  ended,
  eventsOf,
  fetched,
  listed,
  reached,
  typesOf,
  type SeenDelivery,
  type SeenQuarantine,
  type SeenStudy,
} from '../support/hub-api.ts';
import { HubProcess, lastingPort } from '../support/hub-process.ts';
import { echo, send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';
import { writeStudy, type WrittenStudy } from './planted-study.ts';
import { sendGarbage, storeBytes, truncatedDataSet } from './raw-scu.ts';

const RETRY = { attempts: 3, firstDelay: '500ms', maxDelay: '1s' };

describe('a hub among peers that fail', function () {
  this.timeout(60_000);
  let hub: HubProcess;
  let deadPort: number;
  let refuser: Awaited<ReturnType<typeof startOrigin>>;

  before(async () => {
    deadPort = await lastingPort();
    refuser = await startOrigin({ refuseWith: 403 });
    hub = await HubProcess.create({ config: {} });
    await hub.configure({
      gateway: { dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] } },
      destinations: [
        { name: 'healthy', type: 'folder', path: join(hub.folder, 'healthy') },
        { name: 'dead', type: 'stow-rs', url: `http://127.0.0.1:${deadPort}/dicom-web`, retry: RETRY },
        { name: 'refusing', type: 'stow-rs', url: refuser.url, retry: RETRY },
      ],
      routes: [
        { name: 'everything', when: { Modality: 'MR' }, deliver: ['healthy'] },
        { name: 'to-the-dead', when: { StudyDescription: { like: '*dead*' } }, deliver: ['dead'] },
        { name: 'refused', when: { StudyDescription: { like: '*refused*' } }, deliver: ['refusing'] },
      ],
    });
    await hub.start();
  });
  after(async () => {
    await hub.remove();
    await refuser.close();
  });

  describe('whose destination is dead', () => {
    let study: WrittenStudy;
    let letter: SeenDelivery;

    before(async () => {
      study = await writeStudy(join(hub.folder, 'dead-in'), { seed: 41, studyDescription: 'for the dead' });
      await send(hub.dimsePort, study.files);
    });

    it('delivers to the healthy one without waiting for it', async () => {
      const healthy = await ended(hub, study.studyInstanceUid, 'healthy');

      expect(healthy).to.include({ state: 'succeeded', attempts: 1 });
    });

    it('puts the other into the dead letters after its tries, with the history of each', async () => {
      letter = await ended(hub, study.studyInstanceUid, 'dead');
      const letters = await lettersFor(hub, 'dead');
      const shown = (await hub.json('dead-letters', 'show', letter.deliveryId)) as Shown;

      expect(letter).to.include({ state: 'dead', attempts: 3 });
      expect(letters.map(({ deliveryId }) => deliveryId)).to.deep.equal([letter.deliveryId]);
      expect(shown.history.map(({ attempt, outcome, code }) => ({ attempt, outcome, code }))).to.deep.equal(
        [1, 2, 3].map((attempt) => ({ attempt, outcome: 'failed', code: 'partner.unreachable' })),
      );
      expect(typesOf(await eventsOf(hub, study.studyInstanceUid)).slice(-2)).to.deep.equal([
        'delivery.succeeded',
        'delivery.dead-lettered',
      ]);
      expect(await metrics(hub)).to.match(/^hub_dead_letters\{destination="dead"\} 1$/m);
    });

    it('delivers it on replay once the destination is up, under the same id', async () => {
      const origin = await startOrigin({ port: deadPort });
      try {
        const { code, stderr } = await hub.command('dead-letters', 'replay', letter.deliveryId);
        expect(code, stderr).to.equal(0);
        const done = await waitFor('the replayed delivery', async () => {
          const [again] = (await deliveriesOf(hub, study)).filter(({ destination }) => destination === 'dead');
          return again?.state === 'succeeded' ? again : undefined;
        });

        expect(done.deliveryId).to.equal(letter.deliveryId);
        expect([...origin.copies.keys()]).to.have.members(study.instances.map((each) => each.sopInstanceUid));
        expect(await lettersFor(hub, 'dead')).to.deep.equal([]);
      } finally {
        await origin.close();
      }
    });

    it('says that a delivery which is no dead letter cannot be replayed as one', async () => {
      const { code, stderr } = await hub.command('dead-letters', 'replay', letter.deliveryId);

      expect(code).to.equal(1);
      expect(stderr).to.match(/not found/i);
    });
  });

  it('does not try again what a destination refuses for good', async () => {
    const study = await writeStudy(join(hub.folder, 'refused-in'), { seed: 42, studyDescription: 'refused' });

    await send(hub.dimsePort, study.files);
    const letter = await ended(hub, study.studyInstanceUid, 'refusing');

    expect(letter).to.include({ state: 'dead', attempts: 1 });
    const shown = (await hub.json('dead-letters', 'show', letter.deliveryId)) as Shown;
    expect(shown.history.map(({ code, retry }) => ({ code, retry }))).to.deep.equal([
      { code: 'partner.refused', retry: 'permanent' },
    ]);
  });

  it('refuses an instance of another patient, holds the study, and lets it go when it is released', async () => {
    const patient = { seed: 43, patientId: 'FIRST-1' };
    const study = await writeStudy(join(hub.folder, 'first-patient'), patient);
    const [uids] = study.instances;
    const other = await writeStudy(join(hub.folder, 'second-patient'), {
      ...patient,
      attributes: {
        PatientID: 'SECOND-2',
        StudyInstanceUID: study.studyInstanceUid,
        SeriesInstanceUID: uids?.seriesInstanceUid,
        SOPInstanceUID: `${study.studyInstanceUid.slice(0, 50)}.2`,
      },
    });

    await send(hub.dimsePort, study.files.slice(0, 4));
    const refused = await send(hub.dimsePort, other.files.slice(0, 1));
    await reached(hub, study.studyInstanceUid, { held: true });
    const held = await listed<SeenQuarantine>(hub, 'quarantine');
    const entry = held.find(({ studyInstanceUid }) => studyInstanceUid === study.studyInstanceUid);

    expect([...refused.answers.values()]).to.deep.equal(['Error: DataSetDoesNotMatchSOPClass']);
    expect(entry).to.include({ reason: 'dataset.patient-mismatch', state: 'held', instances: 1 });
    const whileHeld = await fetched<SeenStudy>(hub, 'studies');
    expect(whileHeld.find((each) => each.studyInstanceUid === study.studyInstanceUid)?.revision).to.equal(0);

    const { code, stderr } = await hub.command('quarantine', 'release', entry?.quarantineId ?? '');
    const delivery = await ended(hub, study.studyInstanceUid, 'healthy');

    expect(code, stderr).to.equal(0);
    expect(delivery.state).to.equal('succeeded');
    const delivered = (await filesBelow(join(hub.folder, 'healthy', study.studyInstanceUid))).filter(({ path }) =>
      path.endsWith('.dcm'),
    );
    expect(delivered).to.have.length(5);
    expect((await reached(hub, study.studyInstanceUid, { held: false })).state).to.equal('routed');
  });

  describe('which gets what is no instance', () => {
    afterEach('still serves', async () => {
      const study = await writeStudy(join(hub.folder, 'sound'), { seed: 50 + counter++ });
      expect((await echo(hub.dimsePort)).code).to.equal(0);
      expect((await send(hub.dimsePort, study.files.slice(0, 1))).code).to.equal(0);
      expect((await hub.get('/health/ready')).status).to.equal(200);
    });
    let counter = 0;

    it('refuses a truncated one and keeps a copy', async () => {
      const [study, instance] = ['1.2.826.0.1.3680043.10.511.8.1', '1.2.826.0.1.3680043.10.511.8.1.1.1'];

      const status = await storeBytes(hub.dimsePort, truncatedDataSet(study, instance), instance);

      expect(status).to.equal(0xc000);
      const entry = await quarantined(hub, 'dataset.unreadable');
      expect(entry.instances).to.equal(1);
      expect((await fetched<SeenStudy>(hub, 'studies')).map((each) => each.studyInstanceUid)).not.to.include(study);
    });

    it('refuses one of zero bytes', async () => {
      const status = await storeBytes(hub.dimsePort, new Uint8Array(), '1.2.826.0.1.3680043.10.511.8.2.1.1');

      expect(status).to.equal(0xc000);
      expect((await quarantined(hub, 'dataset.empty')).instances).to.equal(1);
    });

    it('refuses one whose bytes are noise', async () => {
      const noise = Uint8Array.from({ length: 5000 }, (_, index) => (index * 7919 + 13) % 251);

      const status = await storeBytes(hub.dimsePort, noise, '1.2.826.0.1.3680043.10.511.8.3.1.1');

      expect(status).to.be.oneOf([0xc000, 0xa900]);
    });

    it('refuses one that is another than the request says', async () => {
      const study = await writeStudy(join(hub.folder, 'misnamed'), { seed: 44 });
      const whole = Buffer.from(study.instances[0]?.bytes ?? []);
      const dataSet = whole.subarray(144 + whole.readUInt32LE(140));

      const status = await storeBytes(hub.dimsePort, dataSet, '1.2.826.0.1.3680043.10.511.8.4.1.1');

      expect(status).to.equal(0xa900);
    });

    for (const [what, bytes] of [
      ['garbage', Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 31 + 7) % 256))],
      ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: hub\r\n\r\n')],
      ['a PDU that says it is four gigabytes long', Buffer.from([1, 0, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0])],
      ['half an association request', Buffer.from([1, 0, 0, 0, 0, 200, 0, 1, 0, 0, 72, 85, 66])],
    ] as const) {
      it(`hangs up on ${what} at the DIMSE door`, async () => {
        const said = await sendGarbage(hub.dimsePort, bytes);

        // PS3.8 Table 9-26: nothing, or an A-ABORT.
        if (said.length > 0) expect(said[0]).to.equal(7);
        expect(said.length).to.be.at.most(10);
      });
    }
  });

  describe('afterwards', () => {
    it('has called a human only for its dead letters, and has said nothing of a patient, in its log', () => {
      const errors = hub
        .log()
        .split('\n')
        .filter((line) => line.includes('"level":"error"'));

      expect(errors.filter((line) => !line.includes('"message":"delivery is a dead letter"'))).to.deep.equal([]);
      expect(errors).to.have.length(2);
      for (const value of ['FIRST-1', 'SECOND-2', 'Malliel', 'Keksit', 'CUT-1'])
        expect(hub.log()).not.to.include(value);
    });
  });
});

interface Shown {
  readonly history: readonly {
    readonly attempt: number;
    readonly outcome: string;
    readonly code?: string;
    readonly retry?: string;
  }[];
}

async function deliveriesOf(hub: HubProcess, study: WrittenStudy): Promise<readonly SeenDelivery[]> {
  return await fetched<SeenDelivery>(hub, `deliveries?study=${study.studyInstanceUid}`);
}

async function lettersFor(hub: HubProcess, destination: string): Promise<readonly SeenDelivery[]> {
  return (await listed<SeenDelivery>(hub, 'dead-letters')).filter((letter) => letter.destination === destination);
}

async function quarantined(hub: HubProcess, reason: string): Promise<SeenQuarantine> {
  return await waitFor(`an entry for ${reason}`, async () =>
    (await fetched<SeenQuarantine>(hub, 'quarantine')).find((entry) => entry.reason === reason),
  );
}

async function metrics(hub: HubProcess): Promise<string> {
  return await (await hub.get('/metrics')).text();
}
