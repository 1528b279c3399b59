import { readFileSync, readdirSync } from 'node:fs';
import { expect } from 'chai';
import { HubError } from '../../core/errors.ts';
import type { DecodeJob } from '../../pixels/jobs.ts';
import { PixelWorkers, type PixelWorkersOptions } from '../../pixels/workers.ts';
import { thrownBy } from '../support/thrown.ts';

const TOY = new URL('./toy-worker.ts', import.meta.url);
const REAL = new URL('../../wiring/pixel-worker.ts', import.meta.url);

describe('pixel workers', function () {
  this.timeout(20_000);
  let workers: PixelWorkers | undefined;
  afterEach(async () => {
    await workers?.close();
  });

  const start = (options: Partial<PixelWorkersOptions>): PixelWorkers =>
    (workers = new PixelWorkers({ entry: TOY, size: 1, ...options }));
  /** For the toy: so many milliseconds of work. */
  const job = (columns: number): DecodeJob => ({
    kind: 'decode',
    stored: new Uint8Array(columns),
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    description: {
      rows: 1,
      columns,
      samplesPerPixel: 1,
      bitsAllocated: 8,
      bitsStored: 8,
      highBit: 7,
      isSigned: false,
      isFloat: false,
      isPlanar: false,
      photometricInterpretation: 'MONOCHROME2',
      numberOfFrames: 1,
    },
  });
  const threadOf = async (pool: PixelWorkers, columns: number, signal?: AbortSignal): Promise<string> =>
    (await pool.run(() => Promise.resolve(job(columns)), signal)).photometricInterpretation;

  it('keep their thread when somebody hangs up in the middle of a frame', async () => {
    const pool = start({});
    const first = await threadOf(pool, 1);
    const hungUp = new AbortController();
    const abandoned = threadOf(pool, 300, hungUp.signal).catch(() => 'given up');
    setImmediate(() => hungUp.abort());

    await abandoned;

    expect(await threadOf(pool, 1)).to.equal(first);
  });

  it('end a thread that goes on for nobody', async () => {
    const pool = start({ abandonedMs: 50 });
    const first = await threadOf(pool, 1);
    const hungUp = new AbortController();
    const abandoned = thrownBy(threadOf(pool, 60_000, hungUp.signal));
    setImmediate(() => hungUp.abort());

    expect(await abandoned).to.include({ code: 'gateway.stopping' });
    expect(await threadOf(pool, 1)).not.to.equal(first);
  });

  it('end a thread at its time limit', async () => {
    const pool = start({ timeLimitMs: 400 });

    expect(await thrownBy(threadOf(pool, 60_000))).to.include({ code: 'pixels.timeout' });
    expect(await threadOf(pool, 1)).to.be.a('string');
  });

  it('ask for no more frames than there are threads, and refuse who would wait behind too many', async () => {
    const pool = start({ maxWaiting: 2 });
    let [held, most] = [0, 0];
    const work = async (): Promise<void> => {
      await pool.run(() => {
        most = Math.max(most, ++held);
        return Promise.resolve(job(20));
      });
      held--;
    };

    const all = await Promise.allSettled([work(), work(), work(), work()]);

    expect(most).to.equal(1);
    expect(all.map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
  });

  it('give their place back when a frame cannot be read', async () => {
    const pool = start({});

    await thrownBy(pool.run(() => Promise.reject(new HubError('store.failed'))));

    expect(await threadOf(pool, 1)).to.be.a('string');
  });

  it('stand back behind what receives', async function () {
    if (process.platform !== 'linux') this.skip();
    const ofNiceness3 = () =>
      readdirSync('/proc/self/task').filter((thread) => {
        const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
        // proc(5): the name may hold blanks; niceness is the 19th field, the 17th behind the name.
        return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16] === '3';
      });
    // Other tests of this process may have left some.
    const before = new Set(ofNiceness3());

    await threadOf(start({ entry: REAL }), 1);

    expect(ofNiceness3().filter((thread) => !before.has(thread))).to.have.length(1);
  });
});
