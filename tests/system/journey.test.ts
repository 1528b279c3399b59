import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decode } from 'fast-png';
import { verifyReport } from '../../processors/deidentify/signature.ts';
import { run } from '../support/child-process.ts';
import { filesBelow, type FoundFile } from '../support/files-below.ts';
import { ended, eventsOf, feedOf, fetched, listed, reached, typesOf } from '../support/hub-api.ts';
import type { SeenDelivery, SeenEvent, SeenStudy } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { startOrthanc, startStorescp, type OrthancPeer, type StorescpPeer } from '../support/peer-servers.ts';
import { dciodvfy } from '../support/peers.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';
import { foundIn, originalUids, PATIENT_VALUES, PLANTED, writeStudy } from './planted-study.ts';
import type { WrittenStudy } from './planted-study.ts';

const SEGMENTATION_STORAGE = '1.2.840.10008.5.1.4.1.1.66.4';
const DESTINATIONS = ['kct-archive', 'kct-pacs', 'kct-scp', 'kct-hook'] as const;

describe('the journey of a study', function () {
  this.timeout(90_000);
  let peers = '';
  let hub: HubProcess;
  let orthanc: OrthancPeer;
  let storescp: StorescpPeer;
  let receiver: WebhookReceiver;
  /** All that the scanner sends at first. */
  let study: WrittenStudy;
  /** The slice of the same series that it forgets. */
  let forgotten: WrittenStudy;
  let token = '';
  const out = () => join(hub.folder, 'out');

  before(async () => {
    peers = await mkdtemp(join(tmpdir(), 'hub-journey-'));
    [orthanc, storescp, receiver] = await Promise.all([
      startOrthanc({ dicomWeb: true }),
      startStorescp({ dir: join(peers, 'scp'), aeTitle: 'PARTNER', args: ['-v', '+xa'] }),
      startWebhookReceiver(),
    ]);
    hub = await HubProcess.create({ config: {}, env: { KCT_WEBHOOK_SECRET: receiver.secret } });
    const kct = { partner: 'kct', retry: { attempts: 3, firstDelay: '500ms', maxDelay: '1s' } };
    await hub.configure({
      gateway: {
        dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] },
        completion: { quiet: '2s', force: '60s' },
      },
      policies: [{ name: 'kct', profile: 'basic' }],
      partners: [{ name: 'kct' }],
      destinations: [
        { name: 'kct-archive', type: 'folder', path: out(), ...kct },
        { name: 'kct-pacs', type: 'stow-rs', url: orthanc.dicomWebUrl, ...kct },
        { name: 'kct-scp', type: 'c-store', host: storescp.host, port: storescp.port, aeTitle: 'PARTNER', ...kct },
        {
          name: 'kct-hook',
          type: 'webhook',
          url: receiver.url,
          secret: { env: 'KCT_WEBHOOK_SECRET' },
          allowHosts: ['127.0.0.1'],
          ...kct,
        },
      ],
      routes: [
        {
          name: 'rat-brain',
          when: { source: 'pv-7t', Modality: 'MR', StudyDescription: { matches: 'brain' } },
          process: [{ deidentify: 'kct' }, 'qc', { segment: 'rodent-brain' }],
          deliver: [...DESTINATIONS],
        },
      ],
    });
    await hub.start();
    token = await hub.token('--role', 'partner', '--partner', 'kct');
    const whole = await writeStudy(join(hub.folder, 'scan'), { species: 'rat', seed: 7, ...PLANTED });
    study = part(whole, 0, -1);
    forgotten = part(whole, -1);
  });
  after(async () => {
    await hub.remove();
    await Promise.all([orthanc.stop(), storescp.stop(), receiver.close()]);
    await rm(peers, { recursive: true, force: true });
  });

  it('takes every instance the scanner sends', async () => {
    const sent = await send(hub.dimsePort, study.files);

    expect(sent.code, sent.output).to.equal(0);
    expect(sent.accepted).to.have.members(study.files);
  });

  it('reaches every destination of its route', async () => {
    for (const destination of DESTINATIONS) {
      const delivery = await ended(hub, study.studyInstanceUid, destination, { deadlineMs: 60_000 });
      expect(delivery, destination).to.include({ state: 'succeeded', attempts: 1 });
    }
  });

  it('states its facts in the order they came true', async () => {
    const events = await eventsOf(hub, study.studyInstanceUid);

    const stored = events.filter(({ type }) => type === 'instance.stored');
    expect(stored).to.have.length(study.files.length);
    expect(typesOf(events).slice(stored.length)).to.deep.equal([
      'study.completed',
      'study.routed',
      'study.deidentified',
      'qc.completed',
      'segmentation.completed',
      'study.processed',
      ...DESTINATIONS.map(() => 'delivery.succeeded'),
    ]);
    expect(events[stored.length]?.data).to.include({ revision: 1, instances: study.files.length, signal: 'quiet' });
  });

  it('tells the partner through its feed, with pseudonymous UIDs only', async () => {
    const feed = await waitFor('the feed to have it all', async () => {
      const events = await feedOf(hub, token);
      return events.filter(({ type }) => type === 'delivery.succeeded').length === DESTINATIONS.length && events;
    });

    expect(typesOf(feed)).to.deep.equal([
      'study.deidentified',
      'qc.completed',
      'segmentation.completed',
      'study.processed',
      ...DESTINATIONS.map(() => 'delivery.succeeded'),
    ]);
    expect(new Set(feed.map(({ subject }) => subject)).size).to.equal(1);
    const text = await (await hub.get('/partner/v1/events?limit=1000', token)).text();
    expect(foundIn(text, [...PATIENT_VALUES, ...originalUids(study)])).to.deep.equal([]);
  });

  it('streams the same feed to a partner that comes back where it left off', async () => {
    const abort = new AbortController();
    const response = await fetch(`${hub.url}/partner/v1/events/stream`, {
      headers: { Authorization: `Bearer ${token}` },
      signal: abort.signal,
    });
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      if ((text.match(/delivery\.succeeded\.v1/g) ?? []).length >= DESTINATIONS.length) break;
    }
    abort.abort();

    expect(response.headers.get('content-type')).to.match(/^text\/event-stream/);
    const types = [...text.matchAll(/"type":"hub\.([^"]*)\.v1"/g)].map(([, type]) => type);
    expect(types).to.deep.equal(typesOf(await feedOf(hub, token)));
    expect(foundIn(text, [...PATIENT_VALUES, ...originalUids(study)])).to.deep.equal([]);
  });

  describe('in the folder of the partner', () => {
    let files: readonly FoundFile[];
    const named = (pattern: RegExp) => files.filter(({ path }) => pattern.test(path));

    before(async () => {
      files = await filesBelow(out());
    });

    it('is every instance and a segmentation, and no identifier in any byte', () => {
      expect(named(/\.dcm$/)).to.have.length(study.files.length + 2);
      for (const { path, bytes } of files) {
        expect(foundIn(bytes, [...PATIENT_VALUES, ...originalUids(study)]), path).to.deep.equal([]);
        expect(foundIn(path, [...PATIENT_VALUES, ...originalUids(study)]), path).to.deep.equal([]);
      }
    });

    it('is pixel data as the scanner sent it', () => {
      const pixelsOf = (bytes: Uint8Array) =>
        Buffer.from(bytes.subarray(bytes.length - 64 * 48 * 2)).toString('base64');
      const sent = study.instances.map(({ bytes }) => pixelsOf(bytes));
      const delivered = named(/\.dcm$/).map(({ bytes }) => pixelsOf(bytes));

      expect(delivered).to.include.members(sent);
    });

    it('is a manifest that lists each file with its size and digest', () => {
      const [manifest] = named(/manifest\.json$/);
      const { files: entries } = JSON.parse(manifest?.bytes.toString() ?? '') as { files: { path: string }[] };

      expect(entries.map(({ path }) => path)).to.have.members(
        files.filter((file) => file !== manifest).map(({ path }) => path.slice(path.indexOf('/') + 1)),
      );
    });

    it('is DICOM that dciodvfy finds no new fault with', async () => {
      const before = new Set((await Promise.all(study.files.map(faultsOf))).flat());
      const found: string[] = [];
      for (const { path } of named(/\.dcm$/)) {
        const faults = await faultsOf(join(out(), path));
        found.push(...faults.filter((fault) => !before.has(fault)));
      }

      expect([...new Set(found)]).to.deep.equal([]);
    });

    it('is pictures that show something', () => {
      const pictures = named(/\.png$/);

      expect(pictures.map(({ path }) => path).join('\n')).to.match(/qc\/.*\.png/);
      expect(pictures.map(({ path }) => path).join('\n')).to.match(/seg.*\.png/);
      for (const { path, bytes } of pictures) {
        const { width, height, data } = decode(bytes);
        expect(width, path).to.be.greaterThan(63);
        expect(height, path).to.be.greaterThan(47);
        expect(new Set(data).size, `${path}: shades`).to.be.greaterThan(8);
      }
    });

    it('is a report of the de-identification that the hub’s public key proves, and the same as a page', async () => {
      const [report] = named(/deidentification\/report\.json$/);
      const [page] = named(/deidentification\/report\.html$/);
      const key = await hub.get('/partner/v1/report-key', token);

      expect(key.headers.get('content-type')).to.match(/^application\/x-pem-file/);
      const signed: unknown = JSON.parse(report?.bytes.toString() ?? '');
      expect(verifyReport(signed, await key.text())).to.equal('valid');
      expect(signed).to.include({ policy: 'kct', instances: study.files.length });
      expect(page?.bytes.toString()).to.include('De-identification report');
      expect((await hub.get('/partner/v1/report-key', '')).status).to.equal(401);
    });

    it('is a report of quality control with numbers', () => {
      const reports = named(/qc\/.*\.json$/);

      expect(reports).not.to.have.length(0);
      for (const { bytes } of reports) expect(JSON.parse(bytes.toString())).to.be.an('object');
    });
  });

  it('is at the origin server, segmentation included, under the same pseudonym', async () => {
    const [subject] = new Set((await feedOf(hub, token)).map((event) => event.subject));
    const response = await fetch(`${orthanc.dicomWebUrl}/studies/${subject ?? ''}/instances?includefield=all`, {
      headers: { Accept: 'application/dicom+json' },
    });
    const instances = (await response.json()) as Record<string, { Value?: unknown[] }>[];

    // The Segmentation and the report of its volumes.
    expect(instances).to.have.length(study.files.length + 2);
    expect(instances.map((each) => each['00080016']?.Value?.[0])).to.include(SEGMENTATION_STORAGE);
    expect(foundIn(JSON.stringify(instances), [...PATIENT_VALUES, ...originalUids(study)])).to.deep.equal([]);
  });

  it('is at the C-STORE provider, each instance sent once', async () => {
    expect(await filesBelow(storescp.dir)).to.have.length(study.files.length + 2);
    expect(requestsIn(storescp)).to.equal(study.files.length + 2);
    for (const { bytes } of await filesBelow(storescp.dir)) {
      expect(foundIn(bytes, [...PATIENT_VALUES, ...originalUids(study)])).to.deep.equal([]);
    }
  });

  it('is announced by one webhook that verifies', async () => {
    expect(receiver.refused).to.deep.equal([]);
    expect(receiver.received).to.have.length(1);
    const [hook] = receiver.received;
    expect(hook?.event).to.include({ specversion: '1.0', type: 'hub.study.processed.v1' });
    expect(foundIn(hook?.body ?? '', [...PATIENT_VALUES, ...originalUids(study)])).to.deep.equal([]);
    const deliveries = await fetched<SeenDelivery>(hub, `deliveries?study=${study.studyInstanceUid}`);
    expect(hook?.id).to.equal(deliveries.find(({ destination }) => destination === 'kct-hook')?.deliveryId);
  });

  it('is on the lists of the running hub', async () => {
    const studies = await listed<SeenStudy>(hub, 'studies');
    const deliveries = await listed<SeenDelivery>(hub, 'deliveries');
    const shown = (await hub.json('studies', 'show', study.studyInstanceUid)) as { timeline: { what: string }[] };

    expect(studies).to.have.length(1);
    expect(studies[0]).to.include({
      studyInstanceUid: study.studyInstanceUid,
      state: 'routed',
      instances: study.files.length,
    });
    expect(deliveries.map(({ destination }) => destination)).to.have.members([...DESTINATIONS]);
    expect(await listed(hub, 'dead-letters')).to.deep.equal([]);
    expect(await listed(hub, 'quarantine')).to.deep.equal([]);
    expect(shown.timeline.map(({ what }) => what).join(' ')).to.match(/study\.completed.*study\.routed.*delivery/);
  });

  it('shows in every metric of the contract, and no identifier in any', async () => {
    const text = await (await hub.get('/metrics', '')).text();

    for (const [name, sample] of Object.entries(METRICS)) {
      expect(text, name).to.match(new RegExp(`^# TYPE ${name} `, 'm'));
      expect(text, name).to.match(new RegExp(`^${sample}`, 'm'));
    }
    expect(foundIn(text, [...PATIENT_VALUES, ...originalUids(study)])).to.deep.equal([]);
    expect(text, 'a UID in a label').not.to.match(/"[0-9]+(\.[0-9]+){4,}"/);
  });

  it('leaves the hub live and ready, which it says without a token', async () => {
    const live = await hub.get('/health/live', '');
    const ready = await hub.get('/health/ready', '');

    expect([live.status, ready.status]).to.deep.equal([200, 200]);
    expect(await ready.json()).to.have.property('status', 'ready');
  });

  describe('when an instance comes late', () => {
    let late: WrittenStudy;
    let requestsBefore = 0;

    before(async () => {
      requestsBefore = requestsIn(storescp);
      const [first] = study.instances;
      const extra = await writeStudy(join(hub.folder, 'late'), {
        species: 'rat',
        seed: 8,
        ...PLANTED,
        attributes: {
          ...PLANTED.attributes,
          StudyInstanceUID: first?.studyInstanceUid,
          SeriesInstanceUID: `${first?.seriesInstanceUid.slice(0, 40) ?? ''}.9`,
          SeriesDescription: 'late',
        },
      });
      late = part(extra, 0, 1);
      expect((await send(hub.dimsePort, late.files)).code).to.equal(0);
    });

    it('opens revision 2', async () => {
      for (const destination of DESTINATIONS) {
        const delivery = await ended(hub, study.studyInstanceUid, destination, { revision: 2, deadlineMs: 30_000 });
        expect(delivery.state, destination).to.equal('succeeded');
      }
      const completed = completionsOf(await eventsOf(hub, study.studyInstanceUid));
      expect(completed.map(({ revision }) => revision)).to.deep.equal([1, 2]);
      expect(await reached(hub, study.studyInstanceUid, { revision: 2 })).to.include({
        instances: study.files.length + 1,
      });
    });

    it('sends out only what is new', () => {
      expect(requestsIn(storescp) - requestsBefore).to.equal(1);
    });

    it('keeps it in the same pseudonymous study', async () => {
      expect(new Set((await feedOf(hub, token)).map(({ subject }) => subject)).size).to.equal(1);
      const dicom = (await filesBelow(out())).filter(({ path }) => path.endsWith('.dcm'));
      expect(new Set(dicom.map(({ path }) => path.split('/')[0])).size).to.equal(1);
      expect(dicom).to.have.length(study.files.length + 3);
    });
  });

  describe('when a slice comes late that its series lacked', () => {
    let requestsBefore = 0;
    let digestsBefore: ReadonlyMap<string, string>;

    before(async () => {
      requestsBefore = requestsIn(storescp);
      digestsBefore = await digestsOf(out());
      expect((await send(hub.dimsePort, forgotten.files)).code).to.equal(0);
    });

    it('opens revision 3', async () => {
      for (const destination of DESTINATIONS) {
        const delivery = await ended(hub, study.studyInstanceUid, destination, { revision: 3, deadlineMs: 30_000 });
        expect(delivery.state, destination).to.equal('succeeded');
      }
    });

    it('sends out the slice, and segmentation and volumes of the whole series, and no slice again', async () => {
      expect(requestsIn(storescp) - requestsBefore).to.equal(3);
      // Late series, forgotten slice, and segmentations and reports of volumes before and after it.
      expect(await filesBelow(storescp.dir)).to.have.length(study.files.length + 2 + 4);
    });

    it('gives each slice the name and the bytes it had', async () => {
      const now = await digestsOf(out());
      const changed = [...digestsBefore].filter(([path, digest]) => now.get(path) !== digest).map(([path]) => path);

      expect(changed).to.deep.equal([]);
      expect(now.size - digestsBefore.size).to.equal(3);
    });
  });

  describe('when the hub goes down in the quiet period', () => {
    for (const [how, stop] of [
      ['is restarted', async () => expect(await hub.stop(), 'exit code').to.equal(0)],
      ['is killed', async () => hub.kill()],
    ] as const) {
      it(`completes the study once though the hub ${how}`, async () => {
        const seed = how === 'is killed' ? 61 : 62;
        const next = await writeStudy(join(hub.folder, `quiet-${seed}`), { seed, studyDescription: 'phantom' });

        await send(hub.dimsePort, next.files);
        await stop();
        await hub.start();
        await reached(hub, next.studyInstanceUid, { state: 'unrouted', revision: 1 });

        const completed = completionsOf(await eventsOf(hub, next.studyInstanceUid));
        expect(completed).to.have.length(1);
        expect(completed[0]).to.include({ instances: next.files.length });
      });
    }
  });

  describe('afterwards', () => {
    it('left no identifier in the log', async () => {
      await hub.stop();
      await writeFile(join(hub.folder, 'log.txt'), hub.log());

      expect(hub.log()).to.include('hub stopped');
      expect(foundIn(hub.log(), PATIENT_VALUES)).to.deep.equal([]);
      expect(hub.log().match(/hub_[0-9a-f]{12}_[A-Za-z0-9_-]{43}/g) ?? [], 'tokens shown').to.have.length(1);
      expect(hub.log(), 'the secret of the webhook').not.to.include(receiver.secret);
    });
  });
});

/** Names of the contract, with a sample that this journey must have made. */
const METRICS: Readonly<Record<string, string>> = {
  hub_gateway_instances_total: String.raw`hub_gateway_instances_total\{door="dimse",source="pv-7t",outcome="stored"\} 11`,
  hub_gateway_bytes_total: String.raw`hub_gateway_bytes_total\{.*\} [1-9]`,
  hub_gateway_ack_duration_seconds: String.raw`hub_gateway_ack_duration_seconds_count\{.*\} 11`,
  hub_gateway_associations: 'hub_gateway_associations 0',
  hub_spool_pending_bytes: 'hub_spool_pending_bytes 0',
  hub_spool_oldest_age_seconds: 'hub_spool_oldest_age_seconds 0',
  hub_studies_completed_total: String.raw`hub_studies_completed_total\{source="pv-7t"\} 1`,
  hub_routes_matched_total: String.raw`hub_routes_matched_total\{route="rat-brain"\} 1`,
  hub_processor_duration_seconds: String.raw`hub_processor_duration_seconds_count\{processor="qc",outcome="done"\} 1`,
  hub_jobs: String.raw`hub_jobs`,
  hub_deliveries_total: String.raw`hub_deliveries_total\{destination="kct-pacs",outcome="succeeded"\} 1`,
  hub_delivery_duration_seconds: String.raw`hub_delivery_duration_seconds_count\{destination="kct-scp"\} 1`,
  hub_dead_letters: String.raw`hub_dead_letters\{destination="kct-archive"\} 0`,
  hub_quarantined_total: '',
  hub_bus_lag_events: String.raw`hub_bus_lag_events\{group=".*",stream="hub\..*"\} 0`,
  hub_bus_lag_seconds: String.raw`hub_bus_lag_seconds\{group=".*",stream="hub\..*"\} 0`,
  hub_source_last_seen_seconds: String.raw`hub_source_last_seen_seconds\{source="pv-7t"\} \d`,
};

/** Digests of the instances below a folder, by path. */
async function digestsOf(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = (await filesBelow(folder)).filter(({ path }) => path.endsWith('.dcm'));
  return new Map(files.map(({ path, bytes }) => [path, createHash('sha256').update(bytes).digest('hex')]));
}

/** Some of the instances of a study. */
function part(study: WrittenStudy, from: number, to?: number): WrittenStudy {
  return { ...study, instances: study.instances.slice(from, to), files: study.files.slice(from, to) };
}

function completionsOf(events: readonly SeenEvent[]): readonly SeenEvent['data'][] {
  return events.filter(({ type }) => type === 'study.completed').map(({ data }) => data);
}

/** C-STORE requests in the log of a storescp. */
function requestsIn(peer: StorescpPeer): number {
  return (peer.log().match(/Received Store Request/g) ?? []).length;
}

/** What dciodvfy calls an error, without the values it quotes. */
async function faultsOf(file: string): Promise<readonly string[]> {
  const tools = await dciodvfy();
  const { stdout, stderr } = await run(tools.command('dciodvfy'), [file]);
  return `${stdout}\n${stderr}`.split('\n').filter((line) => line.startsWith('Error'));
}
