import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { run } from '../../support/child-process.ts';

const MODULE = pathToFileURL(resolve(import.meta.dirname, '../../../platform/threads/give-back.ts')).href;
/** Holds some 60 MB, lets go of it, and says what is left when that is less than half, or after ten seconds. */
const BURST = (start: string) => `
  import { giveBackMemory } from ${JSON.stringify(MODULE)};
  import { getHeapStatistics } from 'node:v8';
  const held = () => Math.round(getHeapStatistics().total_heap_size / 1e6);
  ${start};
  let burst = Array.from({ length: 400_000 }, (_, n) => ({ n, text: 'x' + n, more: [n] }));
  const most = held();
  burst = undefined;
  const startedMs = performance.now();
  const looking = setInterval(() => {
    if (held() > most / 2 && performance.now() - startedMs < LIMIT) return;
    clearInterval(looking);
    console.log(JSON.stringify({ most, left: held() }));
  }, 100);`;

describe('memory of a thread', function () {
  this.timeout(30_000);

  const left = async (start: string, limitMs: number) => {
    const flags = ['--expose-gc', '--heap-growing-percent=100', '--disable-warning=ExperimentalWarning'];
    const code = BURST(start).replace('LIMIT', String(limitMs));
    const { stdout, stderr } = await run({ path: process.execPath, env: {} }, [
      ...flags,
      ...['--input-type=module', '-e', code],
    ]);
    const [, most, rest] = /"most":(\d+),"left":(\d+)/.exec(stdout) ?? expect.fail(stderr);
    return Number(rest) / Number(most);
  };

  it('is given back when the thread has become idle', async () => {
    expect(await left('giveBackMemory(100)', 20_000)).to.be.below(0.5);
  });
});
