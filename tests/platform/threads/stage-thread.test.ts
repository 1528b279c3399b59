import { getPriority } from 'node:os';
import { expect } from 'chai';
import type { LogFields, Logger } from '../../../core/ports.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { StageThread } from '../../../platform/threads/stage-thread.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { ThreadOrder } from './stages-worker.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

describe('a thread that runs stages of the hub', () => {
  let lines: Line[];
  let threads: StageThread[];
  let ended: number;

  beforeEach(() => {
    ended = 0;
    lines = [];
    threads = [];
  });

  afterEach(async () => {
    await Promise.all(threads.map((thread) => thread.stop(0)));
  });

  /** @param orders - of each start in turn; the last one for all that follow */
  async function start(...orders: readonly ThreadOrder[]): Promise<StageThread> {
    let starts = 0;
    const thread = await StageThread.start({
      name: 'tested',
      url: new URL('./stages-worker.ts', import.meta.url),
      log: linesInto(lines),
      onEnded: () => void (ended += 1),
      tell: () => ({ data: orders[Math.min(starts++, orders.length - 1)], transfer: [] }),
    });
    threads.push(thread);
    return thread;
  }

  it('writes its lines through the main thread, an error with its code and its fields', async () => {
    await start('run');

    await waitFor('the line', () => lines.length > 0);
    expect(lines[0]).to.deep.include({ level: 'error', message: 'failed' });
    expect(lines[0]?.fields).to.deep.include({ stage: 'tested' });
    expect(lines[0]?.fields?.['error']).to.deep.include({ code: 'store.full' });
  });

  it('stands back behind what receives', async () => {
    await start('run');

    await waitFor('the line', () => lines.length > 0);
    expect(lines[0]?.fields?.['niceness']).to.equal(Math.max(7, getPriority()));
  });

  it('adds its metrics to those of the process', async () => {
    const metrics = createMetrics();
    metrics.counter({ name: 'hub_test_steps_total', help: 'Steps.', labels: ['kind'] }).increment({ kind: 'a' }, 3);
    const thread = await start('run');

    const { body } = await metrics.render([await thread.values()]);

    expect(body).to.match(/^hub_test_steps_total\{kind="a"\} 5$/m);
    expect(body).to.match(/^process_cpu_seconds_total /m);
  });

  it('says why its stages did not start', async () => {
    const error = await thrownBy(start('refuse'));

    expect(error).to.deep.include({ code: 'config.invalid', fields: { detail: 'planted' } });
  });

  it('is started again when it ends by itself, and says so', async () => {
    const thread = await start('crash', 'run');

    await waitFor('the end', () => lines.some(({ message }) => message === 'a thread of the hub ended by itself'));
    expect(ended).to.equal(1);
    expect((await thrownBy(thread.check())).code).to.equal('internal.unexpected');
    expect(await thread.values()).to.deep.equal([]);
    await waitFor('the next start', () => lines.some(({ message }) => message === 'the thread runs again'), 10_000);
    await thread.check();
    expect(await thread.values()).not.to.deep.equal([]);
  });

  it('does not keep a scrape or the end of the hub waiting when it hangs', async function () {
    this.timeout(20_000);
    const thread = await start('hang');

    expect(await thread.values()).to.deep.equal([]);
    await thread.stop(0);
    await thread.stop(0);
  });
});

function linesInto(lines: Line[]): Logger {
  const write = (level: string) => (message: string, fields?: LogFields) => void lines.push({ level, message, fields });
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: () => linesInto(lines),
  };
}
