import { expect } from 'chai';
import type { BlobRef } from '../../../core/store.ts';
import { openFileStore } from '../../../platform/store/file.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import {
  ABORT,
  EXPLICIT,
  MR,
  RELEASE_REQUEST,
  RawPeer,
  associateRequest,
  data,
  item,
  numberIn,
  statusOf,
  storeCommand,
  storeRequest,
  value,
  type Pdu,
} from '../../support/raw-association.ts';
import { parseStudyInstanceUid as parsed } from '../../../core/identifiers.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';
import { userItem } from '../../support/user-items.ts';
import { waitFor } from '../../support/wait-for.ts';
import { A_ABORT, FAULTS, REASON, STRANGERS } from './broken-pdus.ts';

describe('the DIMSE door against peers that misbehave', function () {
  this.timeout(30_000);
  let hub: RunningGateway;

  before(async () => {
    hub = await startGateway();
  });
  after(async () => {
    await hub.remove();
  });
  afterEach(async () => {
    expect(hub.lines.filter(({ level }) => level === 'error')).to.deep.equal([]);
    // Whatever happened, the door still serves the next peer.
    const instance = mrInstance();
    expect(await stored(hub.port, instance)).to.equal(0);
  });

  for (const { name, bytes, reason } of FAULTS) {
    it(`aborts an association on ${name}`, async () => {
      const peer = await RawPeer.associate(hub.port);

      peer.send(bytes);

      expect((await peer.untilClosed()).map(abortOf)).to.deep.equal([[2, reason]]);
    });
  }

  for (const { name, bytes, reason } of STRANGERS) {
    it(`aborts a connection that brings ${name}`, async () => {
      const peer = await RawPeer.connect(hub.port);

      peer.send(bytes);

      expect((await peer.untilClosed()).map(abortOf)).to.deep.equal([[2, reason]]);
    });
  }

  it('answers five pipelined C-STOREs in order, and keeps five correct objects', async () => {
    const instances = Array.from({ length: 5 }, () => mrInstance({}, 96));
    const peer = await RawPeer.associate(hub.port);

    peer.send(...instances.map((one, n) => storeRequest({ ...one, messageId: n + 1 }, one.dataSet)), RELEASE_REQUEST);
    const said = await peer.untilClosed();

    expect(said.slice(0, 5).map((response) => [numberIn(response, 0x0120), statusOf(response)])).to.deep.equal(
      instances.map((_, n) => [n + 1, 0]),
    );
    expect(said.at(5)?.type).to.equal(6);
    for (const instance of instances)
      expect(await storedDataSet(hub, instance)).to.deep.equal(Buffer.from(instance.dataSet));
  });

  it('puts together a data set of two values in one PDU, an odd one, an empty one, and another PDU', async () => {
    const instance = mrInstance({}, 64);
    const peer = await RawPeer.associate(hub.port);
    const pieces = [
      instance.dataSet.subarray(0, 1001),
      instance.dataSet.subarray(1001, 3000),
      instance.dataSet.subarray(3000),
    ];
    const [first = Buffer.alloc(0), second = Buffer.alloc(0), third = Buffer.alloc(0)] = pieces;

    peer.send(
      data(value(1, 1, storeCommand(instance).subarray(0, 50))),
      data(value(1, 3, storeCommand(instance).subarray(50)), value(1, 0, first)),
      data(value(1, 0, second), value(1, 0, Buffer.alloc(0)), value(1, 0, third)),
      data(value(1, 2, Buffer.alloc(0))),
    );

    expect(statusOf(await peer.next())).to.equal(0);
    expect(await storedDataSet(hub, instance)).to.deep.equal(Buffer.from(instance.dataSet));
    peer.destroy();
  });

  it('takes a message that comes byte by byte', async () => {
    const instance = mrInstance({ PixelData: undefined });
    const peer = await RawPeer.associate(hub.port);

    for (const byte of storeRequest(instance, instance.dataSet)) peer.send(Uint8Array.of(byte));

    expect(statusOf(await peer.next())).to.equal(0);
    peer.destroy();
  });

  it('is not kept busy by an item of 60 KiB of spaces, which any stranger may send', async () => {
    const version = item(0x55, Buffer.from(`A${' '.repeat(60_000)}B`));
    const before = process.cpuUsage();

    const peer = await RawPeer.associate(hub.port, { userItems: [version] });

    expect(process.cpuUsage(before).user / 1000).to.be.below(1_000);
    peer.destroy();
  });

  it('accepts context ids in any order, and answers on the one that was used', async () => {
    const instance = mrInstance();
    const peer = await RawPeer.associate(hub.port, { contexts: [{ id: 5 }, { id: 255 }, { id: 3 }, { id: 1 }] });

    peer.send(storeRequest(instance, instance.dataSet, 255));
    const response = await peer.next();

    expect([response.body[4], statusOf(response)]).to.deep.equal([255, 0]);
    peer.destroy();
  });

  it('accepts 128 contexts and items it does not know', async () => {
    const contexts = Array.from({ length: 128 }, (_, n) => ({ id: 2 * n + 1 }));
    const identity = item(0x58, Buffer.from([3, 0, 0, 4, 0xff, 0x00, 0x80, 0x01, 0, 0]));

    const peer = await RawPeer.associate(hub.port, { contexts, userItems: [identity, item(0x7f, Buffer.alloc(9))] });

    peer.send(RELEASE_REQUEST);
    expect((await peer.untilClosed()).map(({ type }) => type)).to.deep.equal([6]);
  });

  it('answers an asynchronous window of any size with one operation each way, and none with none', async () => {
    const [asking, silent] = [await RawPeer.connect(hub.port), await RawPeer.connect(hub.port)];

    asking.send(associateRequest({ userItems: [item(0x53, Buffer.alloc(4))] }));
    silent.send(associateRequest());
    const [answer, other] = [await asking.next(), await silent.next()];

    expect([answer.type, other.type]).to.deep.equal([2, 2]);
    expect([...(userItem(answer.body, 0x53) ?? [])]).to.deep.equal([0, 1, 0, 1]);
    expect(userItem(other.body, 0x53)).to.equal(undefined);
    asking.destroy();
    silent.destroy();
  });

  it('announces its own maximum PDU length, not the smaller one of both', async () => {
    const peer = await RawPeer.connect(hub.port);

    peer.send(associateRequest());
    const { body } = await peer.next();

    expect(body.readUInt32BE(body.indexOf(Buffer.from([0x51, 0, 0, 4])) + 4)).to.equal(128 * 1024);
    peer.destroy();
  });

  const CUTS: readonly { readonly name: string; readonly cut: (peer: RawPeer) => void }[] = [
    { name: 'a cut connection', cut: (peer) => peer.destroy() },
    { name: 'a reset connection', cut: (peer) => peer.reset() },
    { name: 'an A-ABORT', cut: (peer) => peer.send(ABORT) },
  ];
  for (const { name, cut } of CUTS) {
    it(`keeps nothing of an object that ends in ${name}`, async () => {
      const instance = mrInstance({}, 64);
      const request = storeRequest(instance, instance.dataSet);
      const before = hub.lines.length;
      const peer = await RawPeer.associate(hub.port);

      // Up to the middle of the data set, then nothing between two PDUs for the abort to be mistaken for data.
      peer.send(data(value(1, 3, storeCommand(instance))), data(value(1, 0, instance.dataSet.subarray(0, 2000))));
      expect(request.length).to.be.greaterThan(2000);
      cut(peer);

      await waitFor('the association to end', () =>
        hub.lines.slice(before).some(({ message }) => message === 'association ended'),
      );
      const end = hub.lines.slice(before).find(({ message }) => message === 'association ended');
      expect(end?.fields).to.include({ instances: 0, failed: 0 });
    });
  }

  const BAD_UIDS = ['../../../tmp/x', '1.2.3\n', '', '1'.repeat(66)];
  for (const uid of BAD_UIDS) {
    it(`refuses SOP Instance UID ${JSON.stringify(uid.slice(0, 16))} and keeps a copy under a name of its own`, async () => {
      const instance = mrInstance();
      const known = new Set((await hub.ledger.quarantine.list({ limit: 100 })).map(({ quarantineId }) => quarantineId));
      const peer = await RawPeer.associate(hub.port);

      peer.send(storeRequest({ sopInstanceUid: uid }, instance.dataSet));

      expect(statusOf(await peer.next())).to.equal(0xa900);
      const held = await waitFor('the quarantine entry', async () =>
        (await hub.ledger.quarantine.list({ limit: 100 })).find(({ quarantineId }) => !known.has(quarantineId)),
      );
      expect(held.reason).to.match(/^dataset\.uid-/);
      expect(await bytesOf(hub, held.items[0]?.blob)).to.satisfy((kept: Buffer) =>
        kept.includes(Buffer.from(instance.dataSet)),
      );
      peer.destroy();
    });
  }

  it('answers 0x0122 when the command names another SOP class than the context', async () => {
    const instance = mrInstance();
    const peer = await RawPeer.associate(hub.port);

    peer.send(storeRequest({ ...instance, sopClassUid: '1.2.840.10008.5.1.4.1.1.2' }, instance.dataSet));

    expect(statusOf(await peer.next())).to.equal(0x0122);
    peer.destroy();
  });

  it('answers 0x0211 to an operation it does not perform, with and without a data set', async () => {
    const peer = await RawPeer.associate(hub.port);

    peer.send(data(value(1, 3, storeCommand({ sopInstanceUid: '1.2', field: 0x0020, hasDataSet: false }))));
    const [bare, full] = [
      await peer.next(),
      (peer.send(storeRequest({ sopInstanceUid: '1.2', field: 0x0020 }, Buffer.alloc(64))), await peer.next()),
    ];

    expect([statusOf(bare), statusOf(full)]).to.deep.equal([0x0211, 0x0211]);
    peer.destroy();
  });

  it('accepts a private SOP class, and refuses a context of a service it does not offer', async () => {
    const privateClass = '1.3.12.2.1107.5.9.1';
    const instance = mrInstance({ SOPClassUID: privateClass });
    const peer = await RawPeer.connect(hub.port);

    peer.send(
      associateRequest({
        contexts: [
          { id: 1, abstractSyntax: privateClass },
          { id: 3, abstractSyntax: '1.2.840.10008.5.1.4.1.2.2.1' },
          { id: 5, transferSyntaxes: ['1.2.3.4.5'] },
          { id: 7, transferSyntaxes: ['1.2.3.4.5', '1.2.840.10008.1.2.4.90', EXPLICIT] },
        ],
      }),
    );
    const { body } = await peer.next();
    peer.send(storeRequest({ ...instance, sopClassUid: privateClass }, instance.dataSet));

    expect(contextResults(body)).to.deep.equal([
      [1, 0, EXPLICIT],
      [3, 3, ''],
      [5, 4, ''],
      [7, 0, '1.2.840.10008.1.2.4.90'],
    ]);
    expect(statusOf(await peer.next())).to.equal(0);
    peer.destroy();
  });

  it('aborts on a C-STORE over a context it has rejected', async () => {
    const instance = mrInstance();
    const peer = await RawPeer.associate(hub.port, {
      contexts: [{ id: 1 }, { id: 3, transferSyntaxes: ['1.2.3.4.5'] }],
    });

    peer.send(storeRequest(instance, instance.dataSet, 3));

    expect((await peer.untilClosed()).map(abortOf)).to.deep.equal([[2, REASON.invalidParameterValue]]);
  });
});

async function stored(port: number, instance: ReturnType<typeof mrInstance>): Promise<number> {
  const peer = await RawPeer.associate(port, { contexts: [{ id: 1, abstractSyntax: MR }] });
  peer.send(storeRequest(instance, instance.dataSet));
  const status = statusOf(await peer.next());
  peer.destroy();
  return status;
}

async function storedDataSet(hub: RunningGateway, instance: ReturnType<typeof mrInstance>): Promise<Buffer> {
  const item = await waitFor('the instance in the ledger', async () => {
    const items = await hub.ledger.instances.ofStudy(parsed(instance.studyInstanceUid));
    return items.find((one) => one.sopInstanceUid === instance.sopInstanceUid);
  });
  const bytes = await bytesOf(hub, item.blob);
  return bytes.subarray(bytes.length - instance.dataSet.length);
}

async function bytesOf(hub: RunningGateway, blob: BlobRef | undefined): Promise<Buffer> {
  if (blob === undefined) throw new Error('no blob');
  const source = await openFileStore(hub.dataDir).open(blob);
  const bytes = Buffer.from(await source.read(0, source.sizeBytes));
  await source.close();
  return bytes;
}

function abortOf({ type, body }: Pdu): readonly number[] {
  return type === A_ABORT ? [...body.subarray(2, 4)] : [type];
}

/** [id, result, accepted transfer syntax] of each context of an A-ASSOCIATE-AC. */
function contextResults(body: Buffer): readonly (readonly [number, number, string])[] {
  const results: [number, number, string][] = [];
  for (let at = 68; at < body.length; at += 4 + body.readUInt16BE(at + 2)) {
    if (body[at] !== 0x21) continue;
    const result = body.readUInt8(at + 6);
    const syntax = body.toString('latin1', at + 12, at + 12 + body.readUInt16BE(at + 10));
    // PS3.8 Section 9.3.3.2: not significant when the context is rejected.
    results.push([body.readUInt8(at + 4), result, result === 0 ? syntax : '']);
  }
  return results;
}
