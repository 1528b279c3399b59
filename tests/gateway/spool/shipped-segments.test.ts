import { join } from 'node:path';
import { expect } from 'chai';
import { ShippedSegments } from '../../../gateway/spool/shipped-segments.ts';
import { openTestLedger } from '../../support/open-ledger.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { type Bench, openBench } from './shipping-bench.ts';

describe('segments that were shipped', function () {
  this.timeout(30_000);
  const root = temporaryFolder();
  let number = 0;
  let bench: Bench;
  let ledger: Awaited<ReturnType<typeof openTestLedger>>;
  let removed: string[];
  let now: Date;
  let neededBytes: number;
  beforeEach(async () => {
    bench = await openBench(join(root.path, String((number += 1))), { segmentBytes: 10_000 });
    ledger = await openTestLedger();
    removed = [];
    now = new Date();
    neededBytes = 0;
  });
  afterEach(async () => {
    bench.shipping.stop();
    await bench.spool.close();
    await ledger.remove();
  });
  const segments = (keepMs = 0) =>
    new ShippedSegments(
      {
        files: bench.files,
        ledger: {
          retention: { ...ledger.ledger.retention, neededBytes: () => Promise.resolve(neededBytes) },
        },
        log: silentLog,
        clock: { now: () => now },
        isOpen: (segment) => bench.spool.isOpen(segment),
        onRemoved: (segment) => removed.push(segment),
      },
      keepMs,
    );

  it('removes a segment only when it is closed and told to its last byte', async () => {
    const [first, second, third] = [await bench.receive(6_000), await bench.receive(6_000), await bench.receive(6_000)];
    const shipped = segments();
    const looked: (readonly string[])[] = [];
    const look = async () => {
      await shipped.look();
      looked.push(await bench.files.list());
    };

    await look();
    shipped.told(first.segment, first.endOffset);
    await look();
    shipped.told(third.segment, third.endOffset);
    await look();
    shipped.told(second.segment, second.endOffset);
    await look();
    await bench.spool.close();
    await look();
    await shipped.stop();

    expect(first.segment).to.equal(second.segment).and.not.equal(third.segment);
    const both = [first.segment, third.segment];
    expect(looked).to.deep.equal([both, both, both, [third.segment], []]);
    expect(removed).to.deep.equal(both);
  });

  it('keeps it as long as it is told to, and one that something is still read from', async () => {
    const record = await bench.receive(20_000);
    await bench.spool.close();
    const shipped = segments(60_000);
    shipped.told(record.segment, record.endOffset);

    await shipped.look();
    const young = await bench.files.list();
    now = new Date(now.getTime() + 61_000);
    neededBytes = 1;
    await shipped.look();
    const needed = await bench.files.list();
    neededBytes = 0;
    await shipped.look();
    await shipped.stop();

    expect([young, needed, await bench.files.list()]).to.deep.equal([[record.segment], [record.segment], []]);
  });

  it('looks by itself after news, and takes up what a restart found', async () => {
    const record = await bench.receive(20_000);
    await bench.spool.close();
    const gone = new Promise<void>((resolve) => {
      const shipped = new ShippedSegments(
        {
          files: bench.files,
          ledger: ledger.ledger,
          log: silentLog,
          clock: { now: () => now },
          isOpen: () => false,
          onRemoved: () => resolve(),
        },
        0,
      );
      shipped.told(record.segment, record.endOffset);
      shipped.told('0000000099.seg', 16);
    });

    await gone;

    expect(await bench.files.list()).to.deep.equal([]);
  });
});
