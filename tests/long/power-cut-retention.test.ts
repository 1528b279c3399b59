import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mkdir } from 'node:fs/promises';
import { expect } from 'chai';
import { skip } from '../support/skip.ts';
import { expectWhole, fill, later, SpoolHub } from '../support/spool-hub.ts';
import { type LoopDisk, mountLoopDisk } from './loop-disk.ts';

const ROUNDS = 12;

describe('when the power is cut while retention removes and copies', function () {
  this.timeout(600_000);
  let disk: LoopDisk | undefined;
  let reason = '';
  before(async () => {
    const mounted = await mountLoopDisk(200);
    if (typeof mounted === 'string') reason = mounted;
    else disk = mounted;
  });
  after(async () => disk?.remove());

  it(`every study that is not delivered has its rows and its bytes (${String(ROUNDS)} cuts)`, async function () {
    if (disk === undefined) skip(this, reason);
    let cutInTheMiddle = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const dataDir = join(disk.path, `data-${String(round)}`);
      await mkdir(dataDir);
      const hub = await SpoolHub.open(dataDir);
      const { waiting } = await fill(hub);
      const over = { isSo: false };
      const looking = hub
        .retention(later())
        .look()
        .finally(() => (over.isSo = true));
      // Each cut a little later; the last ones when it is all over.
      await delay(round * 4);
      if (!over.isSo) cutInTheMiddle += 1;
      const cut = await disk.cutPower();
      try {
        const after = await SpoolHub.open(join(cut.path, `data-${String(round)}`));
        await after.recorded();
        await expectWhole(after, waiting);
        await after.retention(later()).look();
        await expectWhole(after, waiting);
        await after.close();
      } finally {
        await cut.remove();
      }
      await looking;
      await hub.close();
    }

    expect(cutInTheMiddle).to.be.greaterThan(2);
  });
});
