import { expect } from 'chai';
import { AttemptNotes, noting } from '../../connectors/attempt-notes.ts';
import { meteredStore } from '../../connectors/metered-store.ts';
import { MemoryStore } from '../support/outgoing.ts';

describe('the store as a destination reads it', () => {
  const store = new MemoryStore();
  const item = store.artefact('a.bin', 'x'.repeat(60_000));
  const readAll = async (metered: ReturnType<typeof meteredStore>): Promise<number> => {
    const source = await metered.open(item.blob);
    let bytes = 0;
    try {
      for await (const chunk of source.stream()) bytes += chunk.byteLength;
    } finally {
      await source.close();
    }
    return bytes;
  };

  it('counts for the attempt that reads, and not for another at the same time', async () => {
    const [one, other] = [0, 1].map(() => new AttemptNotes(new AbortController().signal));
    if (one === undefined || other === undefined) throw new Error('no notes');
    const metered = meteredStore(store, undefined);

    await Promise.all([
      noting(one, () => readAll(metered)),
      noting(other, async () => {
        const source = await metered.open(item.blob);
        await source.read(0, 100);
        await source.close();
      }),
    ]);

    expect([one.sizeBytes, other.sizeBytes]).to.deep.equal([60_000, 100]);
    expect(store.openSources).to.equal(0);
  });

  it('gives no more in a second than the destination may have, to all its deliveries together', async () => {
    const metered = meteredStore(store, 400_000);
    const startedMs = performance.now();

    const read = await Promise.all([readAll(metered), readAll(metered)]);

    const seconds = (performance.now() - startedMs) / 1000;
    expect(read).to.deep.equal([60_000, 60_000]);
    // 120,000 bytes at 400,000 a second; never faster, and a busy machine is slower.
    expect(seconds).to.be.greaterThan(0.28);
  });

  it('does not make an attempt wait that is over', async () => {
    const metered = meteredStore(store, 8_000);
    const over = new AbortController();
    const notes = new AttemptNotes(over.signal);
    const startedMs = performance.now();

    const reading = noting(notes, () => readAll(metered)).catch((error: unknown) => error);
    setImmediate(() => over.abort(new Error('stopping')));
    const error = await reading;

    expect(error).to.be.instanceOf(Error);
    expect(performance.now() - startedMs).to.be.lessThan(2_000);
    expect(store.openSources).to.equal(0);
  });

  it('keeps of a request and its answer one readable line', () => {
    const notes = new AttemptNotes(new AbortController().signal);

    notes.asked(`POST https://example.org\r\nX: ${'y'.repeat(500)}`);
    notes.answered('200');
    const first = notes.answer;
    notes.asked('again');

    expect(notes.request).to.equal('again');
    expect([first, notes.answer]).to.deep.equal(['200', undefined]);
  });
});
