import { expect } from 'chai';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openLocalFiles } from '../../../cli/local-files.ts';
import { open } from '../../../connectors/c-store/connector.ts';
import { cStore } from '../../../connectors/c-store/index.ts';
import { TwoBuffers } from '../../../connectors/c-store/two-buffers.ts';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import { dataSetOffset } from '../../../core/dicom/part10.ts';
import { fileRange } from '../../../platform/store/file-range.ts';
import type { ByteSource } from '../../../core/store.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { contextOf, orderOf } from '../../support/outgoing.ts';
import { startStorescp } from '../../support/peer-servers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** So many bytes of one value. */
function sourceOf(value: number, sizeBytes: number): ByteSource {
  return fileRange({
    read: (bytes, offset, length) => {
      bytes.fill(value, offset, offset + length);
      return length;
    },
    start: 0,
    sizeBytes,
    close: () => Promise.resolve(),
    failed: () => new Error('failed'),
  });
}

describe('the buffers of instances on their way out', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();

  it('hold what was read until the call after the next one, and are the same two then', async () => {
    const buffers = new TwoBuffers();

    const first = await buffers.read(sourceOf(1, 100_000));
    const second = await buffers.read(sourceOf(2, 90_000));
    const [one, other] = [first?.at(-1), second?.at(-1)];
    const third = await buffers.read(sourceOf(3, 80_000));

    expect([one, other, first?.byteLength, second?.byteLength]).to.deep.equal([1, 2, 100_000, 90_000]);
    expect(third?.buffer).to.equal(first?.buffer);
    expect([...new Set(third)], 'nothing of what was there before').to.deep.equal([3]);
    expect(second?.at(0)).to.equal(2);
  });

  it('are new where somebody may still read from the old ones, and where one is too small', async () => {
    const buffers = new TwoBuffers();
    const first = await buffers.read(sourceOf(1, 10));
    buffers.forget();
    const second = await buffers.read(sourceOf(2, 10));
    await buffers.read(sourceOf(3, 10));
    const larger = await buffers.read(sourceOf(4, 200_000));

    expect(second?.buffer).to.not.equal(first?.buffer);
    expect([...(first ?? [])]).to.deep.equal(Array.from({ length: 10 }, () => 1));
    expect(larger?.byteLength).to.equal(200_000);
    expect(larger?.buffer).to.not.equal(second?.buffer);
  });

  it('are not for what is large, nor for a source that gives only its own', async () => {
    const buffers = new TwoBuffers();

    expect(await buffers.read(sourceOf(1, 2 ** 20 + 1))).to.equal(undefined);
    expect(await buffers.read(bytesAsSource(new Uint8Array(10)))).to.equal(undefined);
  });

  it('bring every instance byte for byte, small and large by turns', async () => {
    const sent = join(folder.path, 'sent');
    const dir = join(folder.path, 'taken');
    await mkdir(sent);
    const study = newUid();
    const dataSets = new Map<string, Uint8Array>();
    // From a few bytes to some chunks of what goes without the buffers.
    for (const [n, sizeBytes] of [10, 150_000, 2_500_000, 20, 30, 700_000, 2_500_000, 40, 100_000].entries()) {
      const value = Buffer.alloc(sizeBytes, n + 1);
      const { part10, sopInstanceUid } = mrInstance({ StudyInstanceUID: study, PixelData: { vr: 'OW', value } });
      await writeFile(join(sent, `${String(n)}.dcm`), part10);
      dataSets.set(sopInstanceUid, part10.subarray(dataSetOffset(part10)));
    }
    const scp = await startStorescp({ dir, args: ['+xa', '+B'] });
    try {
      const { instances, store } = await openLocalFiles(sent);
      const connector = open(
        cStore.options.parse({ name: 'pacs', type: 'c-store', host: scp.host, port: scp.port, aeTitle: scp.aeTitle }),
        contextOf(store),
      );
      const delivered: string[] = [];
      await connector.deliver(orderOf(instances), (uid) => delivered.push(uid));
      await connector.close();

      expect(delivered.toSorted()).to.deep.equal([...dataSets.keys()].toSorted());
      const taken = await readdir(dir);
      expect(taken).to.have.length(dataSets.size);
      for (const [uid, dataSet] of dataSets) {
        const name = taken.find((each) => each.endsWith(uid)) ?? '';
        const file = await readFile(join(dir, name));
        expect(file.subarray(dataSetOffset(file)).equals(dataSet), name).to.equal(true);
      }
    } finally {
      await scp.stop();
    }
  });

  it('are of no use for a file that ends inside its meta information', () => {
    const { part10 } = mrInstance();

    expect(() => dataSetOffset(part10.subarray(0, 200)))
      .to.throw()
      .with.property('code', 'dataset.unreadable');
  });
});
