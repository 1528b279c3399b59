import { expect } from 'chai';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { open as openCStore } from '../../../connectors/c-store/connector.ts';
import { cStore } from '../../../connectors/c-store/index.ts';
import { readDataSet } from '../../../core/dicom/part10.ts';
import type { InstanceItem } from '../../../core/store.ts';
import { run } from '../../support/child-process.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../../support/outgoing.ts';
import { startStorescp, type StorescpPeer } from '../../support/peer-servers.ts';
import { dcmtk } from '../../support/peers.ts';
import { startPynetdicomScp } from '../../support/pynetdicom-scp.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';

const MRI = resolve(import.meta.dirname, '../../../../shared/mri/dicom/pydicom_small');
const MR = '1.2.840.10008.5.1.4.1.1.4';
const [IMPLICIT, EXPLICIT, RLE] = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.5'];

describe('a C-STORE destination that does not take what an instance is in', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let scp: StorescpPeer | undefined;
  afterEach(async () => {
    await scp?.stop();
    scp = undefined;
  });

  async function deliver(
    store: MemoryStore,
    items: readonly InstanceItem[],
    place: { readonly port: number; readonly aeTitle: string },
    changes: Readonly<Record<string, unknown>>,
  ): Promise<readonly string[]> {
    const options = cStore.options.parse({
      ...{ name: 'kct-pacs', type: 'c-store', host: '127.0.0.1', port: place.port, aeTitle: place.aeTitle },
      ...changes,
    });
    const connector = openCStore(options, contextOf(store));
    const delivered: string[] = [];
    try {
      await connector.deliver(orderOf(items), (uid) => delivered.push(uid));
    } finally {
      await connector.close();
    }
    return delivered;
  }
  const file = (name: string): Promise<Buffer> => readFile(join(MRI, name));

  it('refuses it for good, and the failure names SOP class and transfer syntax', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'refused'), args: ['+xe'] });
    const store = new MemoryStore();
    const item = await store.instance(await file('MR_small_RLE.dcm'));

    const error = await thrownBy(deliver(store, [item], scp, {}));

    expect([error.code, error.row.retry]).to.deep.equal(['partner.rejected-instances', 'permanent']);
    expect(error.fields['rejected']).to.deep.equal([
      `${item.sopInstanceUid} 0x0122 SOP class ${MR} not accepted in RLE Lossless`,
    ]);
  });

  it('gets it decoded where that is configured: the pixels are those of the uncompressed file', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'decoded'), args: ['+xe', '-pdu', '4096'] });
    const store = new MemoryStore();
    const [rle, plain] = [await store.instance(await file('MR_small_RLE.dcm')), await file('MR_small.dcm')];

    const delivered = await deliver(store, [rle], scp, { transcode: 'explicit-little-endian' });

    const [name = ''] = await readdir(scp.dir);
    const received = new MemoryStore();
    const arrived = await received.instance(await readFile(join(scp.dir, name)));
    const pixelsOf = async (from: MemoryStore, { blob }: InstanceItem) =>
      (await readDataSet(await from.open(blob))).dataSet.element(0x7fe00010)?.value;
    const expected = await pixelsOf(received, await received.instance(plain));
    expect(delivered).to.deep.equal([rle.sopInstanceUid]);
    expect(arrived.transferSyntaxUid).to.equal(EXPLICIT);
    expect(Buffer.from((await pixelsOf(received, arrived)) ?? []).equals(Buffer.from(expected ?? [1]))).to.equal(true);
    const dump = await run((await dcmtk()).command('dcmdump'), ['-q', '+P', 'SOPInstanceUID', join(scp.dir, name)]);
    expect(dump.stdout).to.contain(rle.sopInstanceUid);
  });

  it('gets as it is what it takes, and decoded only what it does not', async () => {
    const peer = await startPynetdicomScp({ [MR]: [EXPLICIT, IMPLICIT] });
    try {
      const store = new MemoryStore();
      const items = [
        await store.instance(await file('MR_small_RLE.dcm')),
        await store.instance(mrImage(1)),
        await store.instance(await file('MR_small_jp2klossless.dcm'), { sopInstanceUid: '1.2.3.4' }),
      ];

      const delivered = await deliver(store, items, peer, { transcode: 'explicit-little-endian' });

      expect(delivered).to.have.length(3);
      expect(
        peer.said().flatMap(({ event, syntax, pixels }) => (event === 'stored' ? [[syntax, pixels]] : [])),
      ).to.deep.equal([8192, 8192, 8192].map((pixels) => [EXPLICIT, pixels]));
      const own = await startPynetdicomScp({ [MR]: [RLE, EXPLICIT] });
      try {
        await deliver(store, items.slice(0, 1), own, { transcode: 'explicit-little-endian' });
        expect(own.said().find(({ event }) => event === 'stored')?.syntax).to.equal(RLE);
      } finally {
        await own.stop();
      }
    } finally {
      await peer.stop();
    }
  });

  it('gets the others when one is damaged and cannot be decoded', async () => {
    scp = await startStorescp({ dir: join(folder.path, 'damaged'), args: ['+xe'] });
    const store = new MemoryStore();
    const whole = await file('MR_small_RLE.dcm');
    const damaged = Buffer.from(whole);
    // Within the first frame: what its segments hold is no RLE of that many pixels any more.
    damaged.fill(0, whole.byteLength - 3_000, whole.byteLength - 20);
    const items = [
      await store.instance(damaged, { sopInstanceUid: '1.2.3.4.5' }),
      await store.instance(whole),
      await store.instance(mrImage(1)),
    ];

    const error = await thrownBy(deliver(store, items, scp, { transcode: 'explicit-little-endian' }));

    expect([error.code, error.row.retry]).to.deep.equal(['partner.rejected-instances', 'permanent']);
    expect(String(error.fields['rejected'])).to.match(/^1\.2\.3\.4\.5 0x0110 /);
    expect(await readdir(scp.dir)).to.have.length(2);
  });
});
