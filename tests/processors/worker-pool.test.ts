import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { WorkerPool } from '../../processors/worker-pool.ts';
import { silentLog } from '../support/silent-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const TOYS = pathToFileURL(join(import.meta.dirname, 'toy-worker.ts'));

describe('the pool of threads that work steps', function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  const pools: WorkerPool[] = [];
  const open = () => {
    const pool = new WorkerPool({ entry: { url: TOYS, data: { dataDir: folder.path } }, size: 2 });
    pools.push(pool);
    return pool;
  };
  const run = (pool: WorkerPool, processor: string, timeLimitMs: number) =>
    pool.run({
      order: {
        ...{ processor, options: undefined, runId: 'run', route: 'all', studyInstanceUid: '2.25.1' },
        ...{ revision: 1, items: [], packName: `thread-${String(performance.now())}` },
      },
      log: silentLog,
      timeLimitMs,
      signal: new AbortController().signal,
      onProgress: () => undefined,
      crosswalk: { find: () => Promise.reject(new Error('nobody asks')), received: () => Promise.resolve([]) },
      quality: { past: () => Promise.resolve([]), device: () => Promise.reject(new Error('nobody asks')) },
    });
  /** What the step's thread is known by. */
  const threadOf = async (pool: WorkerPool) => {
    const result = await run(pool, 'thread', 10_000);
    return result.outcome === 'held' ? result.detail : 'not held';
  };

  before(() => mkdir(join(folder.path, 'store')));
  afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.close())));

  it('gives the next step to the thread that had the last one', async () => {
    const pool = open();

    expect(await threadOf(pool)).to.equal(await threadOf(pool));
  });

  // A thread that is ended in mid step never learns that a process it started has died: that one stays in the system's table.
  it('lets a step that took too long put away what it began, and goes on with its thread', async () => {
    const pool = open();
    const before = await threadOf(pool);

    const late = await thrownBy(run(pool, 'wait', 200));

    expect(late.code).to.equal('processor.timeout');
    expect(late.fields).to.deep.equal({ processor: 'wait', timeLimitMs: 200 });
    expect(await threadOf(pool)).to.equal(before);
  });

  it('ends the thread of a step that took too long and hears nothing', async () => {
    const pool = open();
    const before = await threadOf(pool);

    const late = await thrownBy(run(pool, 'deaf', 200));

    expect(late.code).to.equal('processor.timeout');
    expect(await threadOf(pool)).not.to.equal(before);
  });

  it('says which processor cannot be loaded, and goes on without it', async () => {
    const pool = open();

    const refused = await thrownBy(pool.prove(['pass', 'broken']));
    await pool.prove(['pass', 'pass']);

    expect(refused.code).to.equal('plugin.unusable');
    expect(refused.fields).to.deep.equal({ plugin: 'broken', detail: "Cannot find package 'gone'" });
    expect(pool.free).to.equal(2);
  });

  it('says so when a thread cannot even start', async () => {
    const pool = new WorkerPool({ entry: { url: new URL('./not-there.ts', TOYS) }, size: 1 });

    expect(await thrownBy(pool.prove(['pass']))).to.have.property('code', 'processor.failed');
  });
});
