import { expect } from 'chai';
import { readdir, readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { open as openCStore } from '../../connectors/c-store/connector.ts';
import { cStore } from '../../connectors/c-store/index.ts';
import { outcomeOf } from '../../connectors/c-store/send.ts';
import { readDataSet, readHeader } from '../../core/dicom/part10.ts';
import { freePort } from '../support/child-process.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../support/outgoing.ts';
import { type OrthancPeer, startOrthanc, startStorescp, type StorescpPeer } from '../support/peer-servers.ts';
import { newUid } from '../support/mr-instance.ts';
import { startGateway } from '../support/running-gateway.ts';
import { skip } from '../support/skip.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';
import { waitFor } from '../support/wait-for.ts';

const MRI = resolve(import.meta.dirname, '../../../shared/mri/dicom/pydicom_small');
const TIMEOUTS = { connect: '2s', association: '2s', response: '2s' };

function open(store: MemoryStore, port: number, changes: Readonly<Record<string, unknown>> = {}) {
  const options = cStore.options.parse({
    name: 'kct-pacs',
    type: 'c-store',
    host: '127.0.0.1',
    port,
    aeTitle: 'STORESCP',
    timeouts: TIMEOUTS,
    ...changes,
  });
  return openCStore(options, contextOf(store));
}

async function fileOf(store: MemoryStore, bytes: Uint8Array): Promise<Uint8Array> {
  const { blob } = await store.instance(bytes);
  const source = await store.open(blob);
  const { dataSetOffset } = await readHeader(source);
  await source.close();
  return bytes.subarray(dataSetOffset);
}

async function receivedDataSets(dir: string): Promise<readonly string[]> {
  const store = new MemoryStore();
  const files = await Promise.all((await readdir(dir)).map((name) => readFile(join(dir, name))));
  return (await Promise.all(files.map((bytes) => fileOf(store, bytes))))
    .map((bytes) => Buffer.from(bytes).toString('base64'))
    .sort();
}

describe('the C-STORE connector', () => {
  const folder = temporaryFolder();
  let scp: StorescpPeer | undefined;

  afterEach(async () => {
    await scp?.stop();
    scp = undefined;
  });

  it('delivers every instance, tells which, and closes what it opened', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'all') });
    const store = new MemoryStore();
    const items = await Promise.all([1, 2, 3, 4, 5].map((index) => store.instance(mrImage(index))));
    const delivered: string[] = [];

    await open(store, scp.port).deliver(orderOf([...items, store.artefact('qc/report.json', '{}')]), (uid) =>
      delivered.push(uid),
    );

    expect(delivered).to.deep.equal(items.map(({ sopInstanceUid }) => sopInstanceUid));
    expect(await readdir(scp.dir)).to.have.length(5);
    expect(store.openSources).to.equal(0);
  });

  it('does not send again what an earlier attempt got through', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'again') });
    const store = new MemoryStore();
    const items = await Promise.all([1, 2].map((index) => store.instance(mrImage(index))));
    const delivered: string[] = [];

    await open(store, scp.port).deliver(orderOf(items, { delivered: new Set(['2.25.7000.1.1.1']) }), (uid) =>
      delivered.push(uid),
    );

    expect(delivered).to.deep.equal(['2.25.7000.1.1.2']);
    expect(await readdir(scp.dir)).to.deep.equal(['MR.2.25.7000.1.1.2']);
  });

  it('takes "duplicate" for a receipt of an unchanged instance, never of a changed one', async function () {
    this.timeout(20_000);
    const hub = await startGateway({ options: { sameUid: { rule: 'reject' } } });
    try {
      const store = new MemoryStore();
      const connector = open(store, hub.port, { aeTitle: 'HUB' });
      const uids = { SOPInstanceUID: newUid(), StudyInstanceUID: newUid(), SeriesInstanceUID: newUid() };
      const before = await store.instance(mrImage(1, { ...uids, SeriesDescription: 'as it was' }));
      const after = await store.instance(mrImage(1, { ...uids, SeriesDescription: 'corrected' }));
      const delivered: string[] = [];
      await connector.deliver(orderOf([before]), () => undefined);

      await connector.deliver(orderOf([after]), (uid) => delivered.push(uid));
      const error = await thrownBy(
        connector.deliver(orderOf([after], { revised: new Set([after.sopInstanceUid]) }), (uid) => delivered.push(uid)),
      );

      expect(delivered).to.deep.equal([after.sopInstanceUid]);
      expect(error).to.include({ code: 'partner.rejected-instances' });
      expect(error.row.retry).to.equal('permanent');
      expect(String(error.fields['rejected'])).to.equal(
        `${after.sopInstanceUid} 0x0111 it keeps the content it got earlier`,
      );
    } finally {
      await hub.remove();
    }
  });

  it('sends each transfer syntax as it is: what arrives is the data set byte for byte', async function () {
    const names = (await readdir(MRI).catch(() => [])).filter(
      (name) => /^MR_small/.test(name) && !name.includes('padded'),
    );
    if (names.length === 0) skip(this, '../shared/mri is not there');
    scp = await startStorescp({ dir: join(folder.path, 'syntaxes'), args: ['+xa', '+B', '+uf'] });
    const store = new MemoryStore();
    const files = await Promise.all(names.map((name) => readFile(join(MRI, name))));
    const items = await Promise.all(files.map((bytes) => store.instance(bytes)));

    await open(store, scp.port).deliver(orderOf(items), () => undefined);

    const sent = await Promise.all(
      files.map(async (bytes) => Buffer.from(await fileOf(store, bytes)).toString('base64')),
    );
    expect(new Set(items.map(({ transferSyntaxUid }) => transferSyntaxUid)).size).to.be.greaterThan(4);
    expect(await receivedDataSets(scp.dir)).to.deep.equal(sent.sort());
  });

  it("keeps to the peer's maximum PDU length", async () => {
    scp = await startStorescp({ dir: join(folder.path, 'pdu'), args: ['+xa', '+B', '-pdu', '4096'] });
    const store = new MemoryStore();
    const bytes = mrImage(1, { PixelData: { vr: 'OW', value: new Uint8Array(3_000_001 * 2).fill(7) } });
    const item = await store.instance(bytes);

    await open(store, scp.port).deliver(orderOf([item]), () => undefined);

    expect(await receivedDataSets(scp.dir)).to.deep.equal([Buffer.from(await fileOf(store, bytes)).toString('base64')]);
  });

  it('writes implicit VR little endian for a peer that takes nothing else, with every value as it was', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'implicit'), args: ['+xi', '+B'] });
    const store = new MemoryStore();
    const item = await store.instance(
      mrImage(1, {
        ReferencedImageSequence: [{ ReferencedSOPClassUID: '1.2.3', ReferencedSOPInstanceUID: '1.2.3.4' }, {}],
      }),
    );

    await open(store, scp.port).deliver(orderOf([item]), () => undefined);

    const [name = ''] = await readdir(scp.dir);
    const received = new MemoryStore();
    const stored = await received.instance(await readFile(join(scp.dir, name)));
    const [sent, arrived] = await Promise.all([
      readDataSet(await store.open(item.blob)),
      readDataSet(await received.open(stored.blob)),
    ]);
    expect(stored.transferSyntaxUid).to.equal('1.2.840.10008.1.2');
    expect(arrived.dataSet.elements.map(({ tag }) => tag)).to.deep.equal(sent.dataSet.elements.map(({ tag }) => tag));
    expect(arrived.dataSet.element(0x7fe00010)?.value).to.deep.equal(sent.dataSet.element(0x7fe00010)?.value);
    expect(
      arrived.dataSet.items('ReferencedImageSequence').map((each) => each.string('ReferencedSOPInstanceUID')),
    ).to.deep.equal(['1.2.3.4', undefined]);
    expect(arrived.dataSet.string('PatientName')).to.equal('Nobody^At All');
  });

  it('says which instances the peer would not have, and still sends the others', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'refused'), args: ['+xe'] });
    const store = new MemoryStore();
    const good = await store.instance(mrImage(1));
    const bad = await store.instance(mrImage(2), { transferSyntaxUid: '1.2.840.10008.1.2.4.90' });
    const delivered: string[] = [];

    const error = await thrownBy(open(store, scp.port).deliver(orderOf([bad, good]), (uid) => delivered.push(uid)));

    expect(delivered).to.deep.equal([good.sopInstanceUid]);
    expect(error.code).to.equal('partner.rejected-instances');
    expect(error.fields['rejected']).to.deep.equal([
      '2.25.7000.1.1.2 0x0122 SOP class 1.2.840.10008.5.1.4.1.1.4 not accepted in JPEG 2000 Image Compression (Lossless Only)',
    ]);
  });

  it('takes a rejected association for good or for now, as the peer says', async () => {
    const rejecting = await fakePeer((socket) => socket.write(Buffer.from([3, 0, 0, 0, 0, 4, 0, 1, 1, 7])));
    const busy = await fakePeer((socket) => socket.write(Buffer.from([3, 0, 0, 0, 0, 4, 0, 2, 3, 2])));
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);

    const permanent = await thrownBy(open(store, rejecting.port).deliver(order, () => undefined));
    const transient = await thrownBy(open(store, busy.port).deliver(order, () => undefined));

    expect([permanent.code, permanent.fields['detail']]).to.deep.equal([
      'partner.refused',
      'association rejected: called AE title not recognised',
    ]);
    expect([transient.code, transient.row.retry]).to.deep.equal(['partner.busy', 'transient']);
    await Promise.all([rejecting.close(), busy.close()]);
  });

  it('waits no longer than it was told for an answer, and calls that ambiguous', async () => {
    const mute = await fakePeer(() => undefined);
    const store = new MemoryStore();
    const connector = open(store, mute.port, { timeouts: { ...TIMEOUTS, association: '200ms' } });

    const error = await thrownBy(connector.deliver(orderOf([await store.instance(mrImage(1))]), () => undefined));

    expect([error.code, error.row.retry]).to.deep.equal(['partner.timeout', 'ambiguous']);
    await waitFor('the connection to be given up', () => mute.openConnections() === 0);
    await mute.close();
  });

  it('finds nobody there transient', async () => {
    const store = new MemoryStore();

    const error = await thrownBy(
      open(store, await freePort()).deliver(orderOf([await store.instance(mrImage(1))]), () => undefined),
    );

    expect([error.code, error.row.retry]).to.deep.equal(['partner.unreachable', 'transient']);
  });

  it('stops at once when it is told to', async () => {
    const mute = await fakePeer(() => undefined);
    const store = new MemoryStore();
    const stop = new AbortController();
    const work = open(store, mute.port).deliver(
      orderOf([await store.instance(mrImage(1))], { signal: stop.signal }),
      () => undefined,
    );
    await waitFor('the connection', () => mute.openConnections() === 1);

    stop.abort();

    await work.then(
      () => expect.fail('it went on'),
      (error: unknown) => expect(error).to.have.property('name', 'AbortError'),
    );
    await waitFor('the connection to be given up', () => mute.openConnections() === 0);
    await mute.close();
  });

  it('hears a peer that speaks something else', async () => {
    const web = await fakePeer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const store = new MemoryStore();

    const error = await thrownBy(
      open(store, web.port).deliver(orderOf([await store.instance(mrImage(1))]), () => undefined),
    );

    expect([error.code, error.fields['detail']]).to.deep.equal(['partner.refused', 'it does not speak DICOM']);
    await web.close();
  });

  it('leaves out the one instance a peer hangs up over, and sends the rest', async function () {
    const truncated = await readFile(join(MRI, 'MR_truncated.dcm')).catch(() => undefined);
    if (truncated === undefined) skip(this, '../shared/mri is not there');
    scp = await startStorescp({ dir: join(folder.path, 'hangs-up'), args: ['+xa'] });
    const store = new MemoryStore();
    const items = [await store.instance(mrImage(1)), await store.instance(truncated), await store.instance(mrImage(2))];
    const delivered: string[] = [];

    const error = await thrownBy(open(store, scp.port).deliver(orderOf(items), (uid) => delivered.push(uid)));

    expect(delivered).to.deep.equal(['2.25.7000.1.1.1', '2.25.7000.1.1.2']);
    expect([error.code, error.fields['aborted']]).to.deep.equal(['partner.unreachable', [items[1]?.sopInstanceUid]]);
  });

  describe('with Orthanc', () => {
    let orthanc: OrthancPeer;
    before(async function () {
      this.timeout(120_000);
      orthanc = await startOrthanc();
    });
    after(() => orthanc.stop());

    it('leaves the whole study there', async () => {
      const store = new MemoryStore();
      const items = await Promise.all([1, 2, 3].map((index) => store.instance(mrImage(index))));

      await open(store, orthanc.port, { aeTitle: orthanc.aeTitle }).deliver(orderOf(items), () => undefined);

      const statistics: unknown = await (await fetch(`${orthanc.url}/statistics`)).json();
      expect(statistics).to.include({ CountStudies: 1, CountInstances: 3 });
    });
  });
});

describe('the status of a C-STORE-RSP', () => {
  const rows: readonly (readonly [number, string])[] = [
    [0x0000, 'stored'],
    [0xb000, 'stored'],
    [0xb006, 'stored'],
    [0xb007, 'stored'],
    [0x0107, 'stored'],
    [0x0111, 'duplicate'],
    [0xa700, 'busy'],
    [0xa702, 'busy'],
    [0xa900, 'refused'],
    [0xc000, 'refused'],
    [0x0110, 'refused'],
    [0x0122, 'refused'],
  ];
  for (const [status, outcome] of rows) {
    it(`0x${status.toString(16).padStart(4, '0')} means ${outcome}`, () => {
      expect(outcomeOf(status)).to.equal(outcome);
    });
  }
});

interface FakePeer {
  readonly port: number;
  openConnections(): number;
  close(): Promise<void>;
}

/** Answers the first bytes of each connection, or not at all. */
async function fakePeer(answer: (socket: Socket) => void): Promise<FakePeer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    socket.once('data', () => answer(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    openConnections: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
