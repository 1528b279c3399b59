import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { parseBlobRef } from '../../core/store.ts';
import { mrInstance } from '../support/mr-instance.ts';
import { expectWhole, fill, itemsOf, later, SEGMENT_BYTES, spoolBytes, SpoolHub } from '../support/spool-hub.ts';

describe('removing what was delivered', function () {
  this.timeout(60_000);
  let dataDir = '';

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'hub-retention-'));
  });
  afterEach(async () => {
    await rm(dataDir, { recursive: true, force: true });
  });

  it('removes files that nothing needs, copies the rest together, and leaves what is not delivered', async () => {
    const hub = await SpoolHub.open(dataDir);
    const { done, waiting } = await fill(hub);
    const before = await spoolBytes(dataDir);

    await hub.retention(later()).look();

    const after = await spoolBytes(dataDir);
    expect(after).to.be.lessThan(before * 0.7);
    await expectWhole(hub, waiting);
    for (const instance of done) expect(await itemsOf(hub.ledger, instance)).to.deep.equal([]);
    await hub.retention(later()).look();
    expect(await spoolBytes(dataDir), 'a second look finds nothing more').to.equal(after);
    await hub.close();
  });

  it('leaves a file alone in which something needed is not what was written: the copy would be all there is', async () => {
    const hub = await SpoolHub.open(dataDir);
    const { waiting } = await fill(hub);
    const [item] = await itemsOf(hub.ledger, waiting[0] ?? mrInstance());
    if (item === undefined) throw new Error('nothing waits');
    const { pack, offset, length } = parseBlobRef(item.blob);
    const file = await open(join(dataDir, pack), 'r+');
    await file.write(Buffer.from([0xff]), 0, 1, offset + length - 1);
    await file.close();

    await hub.retention(later()).look();

    expect(await itemsOf(hub.ledger, waiting[0] ?? mrInstance())).to.deep.equal([item]);
    expect(await readdir(join(dataDir, 'spool'))).to.include(basename(pack));
    await expectWhole(hub, waiting.slice(1));
    await hub.close();
  });

  it('takes an object that was removed and is sent again for new', async () => {
    const hub = await SpoolHub.open(dataDir);
    const { done } = await fill(hub);
    await hub.retention(later()).look();
    const [first] = done;
    if (first === undefined) throw new Error('nothing was delivered');

    await hub.receive(first);
    await hub.recorded();

    await expectWhole(hub, [first]);
    await hub.close();
  });

  it('never removes the file that objects are still appended to', async () => {
    const hub = await SpoolHub.open(dataDir, { segmentBytes: 10_000_000 });
    const { done } = await fill(hub);
    await hub.retention(later()).look();

    const next = mrInstance();
    await hub.receive(next);
    await hub.recorded();

    for (const instance of done) expect(await itemsOf(hub.ledger, instance)).to.deep.equal([]);
    await expectWhole(hub, [next]);
    await hub.close();
    const again = await SpoolHub.open(dataDir);
    await expectWhole(again, [next]);
    await again.close();
  });

  /** Everything that changes something, in the order it is done; the process dies in front of each, or right after it. */
  const STEPS = [
    ...['expire', 'announce', 'move', 'forgetSegment'].map((step) => ({ step, of: 'the ledger' as const })),
    ...['createUnfinished', 'finish', 'remove', 'syncFolder'].map((step) => ({ step, of: 'the disk' as const })),
  ];
  for (const { step, of } of STEPS) {
    for (const when of ['before', 'after'] as const) {
      it(`loses nothing when the process dies ${when} ${step} of ${of}, and ends it after the restart`, async () => {
        const dying = await SpoolHub.open(dataDir);
        const { done, waiting } = await fill(dying);
        const death = new Death(step, when);

        const thrown = await dying
          .retention(later(), (port) => death.under(port))
          .look()
          .then(
            () => undefined,
            (error: unknown) => error,
          );
        await dying.close();

        expect(thrown, `${step} was never reached`).to.equal(death.error);
        const hub = await SpoolHub.open(dataDir);
        await hub.recorded();
        await expectWhole(hub, waiting);
        expect(await hub.ledger.quarantine.list({ limit: 10 })).to.have.length(1);
        await hub.retention(later()).look();
        await expectWhole(hub, waiting);
        for (const instance of done) expect(await itemsOf(hub.ledger, instance)).to.deep.equal([]);
        const undisturbed = await undisturbedBytes();
        expect(await spoolBytes(dataDir), 'what is left on the disk').to.be.at.most(undisturbed + SEGMENT_BYTES);
        const [entry] = await hub.ledger.quarantine.list({ limit: 1 });
        expect(entry?.items, 'nothing was recorded twice').to.have.length(1);
        await hub.close();
      });
    }
  }
});

/** What a look that nothing disturbs leaves of the same. */
let undisturbed: Promise<number> | undefined;
async function undisturbedBytes(): Promise<number> {
  undisturbed ??= (async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'hub-retention-'));
    const hub = await SpoolHub.open(dataDir);
    await fill(hub);
    await hub.retention(later()).look();
    const bytes = await spoolBytes(dataDir);
    await hub.close();
    await rm(dataDir, { recursive: true });
    return bytes;
  })();
  return undisturbed;
}

/** From then on nothing happens any more: what comes after the step is as if it had never been called. */
class Death {
  readonly error = new Error('the process died here');
  readonly #step: string;
  readonly #when: 'before' | 'after';
  #isDead = false;

  constructor(step: string, when: 'before' | 'after') {
    this.#step = step;
    this.#when = when;
  }

  /** The same object, whose methods die with the process. */
  under<Port extends object>(port: Port): Port {
    return new Proxy(port, {
      get: (target, name, receiver): unknown => {
        const value: unknown = Reflect.get(target, name, receiver);
        if (typeof value !== 'function') return value;
        return async (...args: readonly unknown[]): Promise<unknown> => {
          if (this.#isDead) throw this.error;
          const isHere = name === this.#step;
          if (isHere && this.#when === 'before') this.#die();
          const answer: unknown = await Reflect.apply(value, target, args);
          if (isHere) this.#die();
          return answer;
        };
      },
    });
  }

  #die(): never {
    this.#isDead = true;
    throw this.error;
  }
}
