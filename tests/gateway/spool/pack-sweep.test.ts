import { expect } from 'chai';
import { packName, packOrigin } from '../../../gateway/spool/pack-name.ts';
import { sweepPacks } from '../../../gateway/spool/pack-sweep.ts';
import { openTestLedger } from '../../support/open-ledger.ts';
import { HeldStore } from './shipping-bench.ts';

const SEGMENT = '0000000007.seg';
const pack = (over: Partial<Parameters<typeof packName>[0]> = {}) =>
  packName({ node: 'hub-0', segment: SEGMENT, from: 16, to: 5_000, mark: '0123456789ab', ...over });

describe('sweeping packs of received objects', () => {
  let ledger: Awaited<ReturnType<typeof openTestLedger>>;
  let store: HeldStore;
  let local: string[];
  /** Packs some row points into. */
  let needed: Set<string>;
  beforeEach(async () => {
    ledger = await openTestLedger();
    store = new HeldStore();
    local = [];
    needed = new Set();
  });
  afterEach(() => ledger.remove());
  const sweep = () =>
    sweepPacks({
      shelf: store,
      files: { list: () => Promise.resolve(local) },
      ledger: {
        instances: ledger.ledger.instances,
        retention: {
          ...ledger.ledger.retention,
          neededBytes: (name) => Promise.resolve(needed.has(`spool/${name}`) ? 1 : 0),
        },
      },
      node: 'hub-0',
    });
  const tell = (segment: string, offset: number) => ledger.ledger.instances.record([], { segment, offset });
  const put = (...names: readonly string[]) => {
    for (const name of names) store.packs.set(name, Buffer.alloc(5_000));
  };

  it('says of a name what it was made of', () => {
    const origin = { node: 'hub-0.b', segment: SEGMENT, from: 16, to: 5_000, mark: '0123456789ab' };

    expect(packOrigin(packName(origin))).to.deep.equal(origin);
    for (const name of [
      'results/a.pack',
      'spool/0000000001.seg',
      'spool/a/x.seg',
      'spool/a/b/0000000001-1-2-0123456789ab.seg',
    ])
      expect(packOrigin(name), name).to.equal(undefined);
  });

  it('leaves every pack alone that this ledger was not told of', async () => {
    put(pack(), pack({ node: 'hub-1' }), 'spool/hub-0/by-hand.seg');

    expect(await sweep()).to.equal(0);

    expect(store.removed).to.deep.equal([]);
  });

  it('removes what was told and is not needed, and nothing beyond how far it was told', async () => {
    const [old, wanted, next] = [pack(), pack({ from: 5_000, to: 9_000 }), pack({ from: 9_000, to: 12_000 })];
    const leftOver = pack({ from: 5_000, to: 7_000, mark: 'ba9876543210' });
    put(old, wanted, next, leftOver);
    needed.add(wanted);
    await tell(SEGMENT, 9_000);
    local = [SEGMENT];

    const first = await sweep();
    await tell(SEGMENT, 12_000);
    const second = await sweep();

    expect([first, second]).to.deep.equal([2, 1]);
    expect(store.removed).to.have.members([old, leftOver, next]);
    expect([...store.packs.keys()]).to.deep.equal([wanted]);
  });

  it('knows a segment as long as it, or a pack of it, is there: else it would be told again as new', async () => {
    const kept = pack();
    put(kept);
    needed.add(kept);
    await tell(SEGMENT, 5_000);
    await tell('0000000008.seg', 100);
    await tell('0000000009.seg', 100);
    await tell('0000000010.seg', 100);
    local = ['0000000008.seg'];

    await sweep();

    const known = (await ledger.ledger.instances.spoolPositions()).map(({ segment }) => segment);
    // The highest number is kept in any case, so that it does not come again.
    expect(known).to.deep.equal([SEGMENT, '0000000008.seg', '0000000010.seg']);
  });

  it('removes the packs of a rebuilt ledger too, which was told of them by name', async () => {
    const rebuilt = pack();
    put(rebuilt);
    await tell(rebuilt.slice('spool/'.length), 5_000);

    expect(await sweep()).to.equal(1);
  });
});
