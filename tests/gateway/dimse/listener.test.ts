import { Server } from 'node:net';
import { expect } from 'chai';
import { associationPolicy } from '../../../gateway/dimse/association-policy.ts';
import type { Desk } from '../../../gateway/dimse/commitment/desk.ts';
import { Door } from '../../../gateway/dimse/door.ts';
import { DimseListener } from '../../../gateway/dimse/listener.ts';
import { openSpoolFolder } from '../../../gateway/spool/files.ts';
import { openSpool } from '../../../gateway/spool/spool.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import { RawPeer, numberIn, statusOf, storeRequest } from '../../support/raw-association.ts';
import { startGateway } from '../../support/running-gateway.ts';
import { silentLog } from '../../support/silent-log.ts';
import { gatewayMetrics } from '../../../gateway/metrics.ts';
import { measuredMetrics } from '../../support/measured.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';

const MESSAGES = 200;
/** Nobody asks for a commitment here. */
const noDesk: Desk = {
  maxItems: 1,
  request: () => Promise.reject(new Error('not asked for')),
  opened: () => undefined,
  closed: () => undefined,
};

describe('the DIMSE port', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();

  it('has no more messages of one peer under way than it says, however many come in one read', async () => {
    const { spool } = await openSpool(
      await openSpoolFolder(folder.path),
      [],
      { disk: { maxUsedFraction: 1, minFreeBytes: 0 }, segmentBytes: 1e8, maxInFlightBytes: 1e8, maxObjectBytes: 1e8 },
      silentLog,
    );
    let underWay = 0;
    let most = 0;
    const held: (() => void)[] = [];
    const listener = new DimseListener(
      { doors: [{ host: '127.0.0.1', port: 0 }], pending: { total: 4, perAddress: 4 } },
      {
        policy: associationPolicy([{ aeTitle: 'HUB', storageCommitment: false }], []),
        load: () => ({
          ...{ isStopping: false, isDiskLow: false, associations: 0, maxAssociations: 4, maxAssociationsPerAddress: 4 },
          ofSource: () => 0,
          ofAddress: () => 0,
        }),
        desk: noDesk,
        askedCommitments: { report: () => Promise.resolve('unknown' as const) },
        metrics: gatewayMetrics(measuredMetrics()),
        maxPduLength: 128 * 1024,
        timeouts: { associationMs: 10_000, idleMs: 10_000, progressMs: 10_000, minBytes: 1, closeMs: 1_000 },
        receive: (prefix) => spool.receive(prefix),
        store: async (reception) => {
          most = Math.max(most, (underWay += 1));
          await new Promise<void>((go) => held.push(go));
          await reception.abandon();
          underWay -= 1;
          return { sizeBytes: 1 };
        },
        log: silentLog,
        onSeen: () => undefined,
        onRefused: () => undefined,
        onSilent: () => undefined,
      },
    );
    const peer = await RawPeer.associate((await listener.listen())[0] ?? 0);
    const tiny = mrInstance({ PixelData: undefined });
    const requests = Array.from({ length: MESSAGES }, (_, n) =>
      storeRequest({ ...tiny, messageId: n + 1 }, tiny.dataSet.subarray(0, 20)),
    );

    peer.send(...requests);
    await waitFor('the first of them', () => held.length > 0);
    const release = setInterval(() => held.splice(0).forEach((go) => go()), 1);
    for (let n = 1; n <= MESSAGES; n += 1) expect(numberIn(await peer.next(), 0x0120)).to.equal(n);
    clearInterval(release);

    expect(most).to.equal(8);
    peer.destroy();
    await listener.stop(1_000);
    await spool.close();
  });

  it('is named when another program holds it', async () => {
    const ports = {
      ...{ onReady: () => undefined, onSilent: () => undefined, onRefused: () => undefined, log: silentLog },
      onHandshake: () => () => undefined,
    };
    const first = new Door({ host: '127.0.0.1', port: 0 }, ports);
    const port = await first.listen();

    const { code, fields } = await thrownBy(new Door({ host: '127.0.0.1', port }, ports).listen());

    expect(code).to.equal('config.invalid');
    expect(fields['detail']).to.equal(
      `DICOM cannot listen on 127.0.0.1:${String(port)}: another program holds the port`,
    );
    await first.close();
  });

  it('outlives a connection it cannot accept', async () => {
    const servers: Server[] = [];
    // eslint-disable-next-line @typescript-eslint/unbound-method -- put back below
    const real = Server.prototype.listen;
    Server.prototype.listen = function (this: Server, ...args: never) {
      servers.push(this);
      return real.apply(this, args);
    };
    const hub = await startGateway();
    Server.prototype.listen = real;

    for (const server of servers) server.emit('error', Object.assign(new Error('accept'), { code: 'EMFILE' }));
    const instance = mrInstance();
    const peer = await RawPeer.associate(hub.port);
    peer.send(storeRequest(instance, instance.dataSet));

    expect(statusOf(await peer.next())).to.equal(0);
    expect(hub.lines.find(({ level }) => level === 'error')?.fields).to.include({ reason: 'EMFILE' });
    peer.destroy();
    await hub.remove();
  });
});
