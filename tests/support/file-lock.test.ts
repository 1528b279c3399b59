import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { withFileLock } from './file-lock.ts';
import { waitFor } from './wait-for.ts';

describe('the file lock', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hub-lock-'));
  });
  after(async () => rm(dir, { recursive: true, force: true }));

  it('lets one work at a time, in a folder it makes', async () => {
    const steps: string[] = [];
    const work = (name: string) => async () => {
      steps.push(`${name} begins`);
      await new Promise((turn) => setImmediate(turn));
      steps.push(`${name} ends`);
    };

    const lock = join(dir, 'new/lock');
    await Promise.all([withFileLock(lock, 5000, work('a')), withFileLock(lock, 5000, work('b'))]);

    expect(steps[1]?.charAt(0)).to.equal(steps[0]?.charAt(0));
    expect(steps).to.have.lengthOf(4);
  });

  it('is released when the work fails', async () => {
    const lock = join(dir, 'failing');

    const failure = await withFileLock(lock, 1000, () => Promise.reject(new Error('broken'))).catch(String);

    expect(failure).to.equal('Error: broken');
    expect(await withFileLock(lock, 1000, async () => 'free')).to.equal('free');
  });

  it('is taken over from a holder that is dead', async () => {
    const lock = join(dir, 'stale');
    // Above the largest process id Linux gives (2^22).
    await writeFile(lock, '4194305');

    expect(await withFileLock(lock, 1000, async () => 'taken')).to.equal('taken');
  });

  it('is waited for only until the deadline', async () => {
    const lock = join(dir, 'held');
    await writeFile(lock, String(process.pid));

    const failure = await withFileLock(lock, 50, async () => 'taken').catch(String);

    expect(failure).to.match(/waited 50 ms in vain for: the lock/);
  });
});

describe('waiting for a condition', () => {
  it('returns what the condition came to', async () => {
    let asked = 0;

    expect(await waitFor('the third time', () => ++asked === 3 && 'done')).to.equal('done');
  });
});
