import { expect } from 'chai';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { openFileStore } from '../../platform/store/file.ts';
import { audited } from '../contracts/ledger-facts.ts';
import { skip } from '../support/skip.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

const DISK_BYTES = 8 * 1024 * 1024;

describe('on a disk that is full', () => {
  let disk: SmallDisk;
  before(async function () {
    const mounted = await mountSmallDisk(DISK_BYTES);
    if (typeof mounted === 'string') skip(this, mounted);
    disk = mounted;
  });
  after(async () => {
    await disk.remove();
  });

  it('the ledger refuses what it cannot keep, keeps what it acknowledged, and goes on when there is room', async () => {
    const ballast = join(disk.path, 'ballast');
    await writeFile(ballast, new Uint8Array(2 * 1024 * 1024));
    const ledger = await openSqliteLedger({ file: join(disk.path, 'ledger.db') });
    let acknowledged = 0;
    let refusal: unknown;
    while (refusal === undefined && acknowledged < 10_000) {
      await ledger.events.append([audited('a', 'x'.repeat(20_000))]).then(
        () => (acknowledged += 1),
        (error: unknown) => (refusal = error),
      );
    }

    const kept = await ledger.events.head();
    await rm(ballast);
    await ledger.events.append([audited('a', 'after')]);
    const events = await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 10_000 });
    await ledger.close();

    expect(refusal).to.be.instanceOf(HubError).and.to.include({ code: 'store.full' });
    expect(kept).to.equal(acknowledged);
    expect(events).to.have.length(acknowledged + 1);
    await rm(join(disk.path, 'ledger.db'));
  });

  it('the store refuses what it cannot keep and leaves nothing behind', async () => {
    await mkdir(join(disk.path, 'store'));
    const store = openFileStore(disk.path);
    const pack = await store.createPack('run-1');
    await pack.append(new Uint8Array(1024 * 1024));

    const error = await pack.append(new Uint8Array(DISK_BYTES)).catch((thrown: unknown) => thrown);
    await pack.abort();
    const next = await store.createPack('run-2');
    await next.append(new Uint8Array(1024 * 1024));
    await next.commit();

    expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.full' });
  });
});
