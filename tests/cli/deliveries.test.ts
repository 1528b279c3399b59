import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { studies } from '../../cli/admin.ts';
import { deadLetters, deliveries } from '../../cli/deliveries.ts';
import type { Ledger } from '../../core/ledger.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { completeStudy, inbox, releasedItem, startRun, STUDY, TestClock } from '../contracts/ledger-facts.ts';
import { captureTerminal } from '../support/captured-terminal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

describe('the commands on many deliveries', () => {
  const folder = temporaryFolder();
  const clock = new TestClock();
  let data = '';
  let config = '';

  beforeEach(async () => {
    config = join(folder.path, 'hub.yaml');
    await writeFile(config, 'destinations: [{ name: own, type: folder, path: ./out }]\n');
  });
  beforeEach(async () => {
    data = join(folder.path, randomUUID());
    await mkdir(data);
  });

  const run = async (command: typeof studies, ...argv: readonly string[]) => {
    const terminal = captureTerminal();
    const code = await command([...argv, '--config', config, '--data', data], terminal);
    return { code, ...terminal };
  };
  const withLedger = async <Result>(work: (ledger: Ledger) => Promise<Result>): Promise<Result> => {
    const ledger = await openSqliteLedger({ file: join(data, 'ledger.db'), clock });
    const result = await work(ledger);
    await ledger.close();
    return result;
  };
  /** A processed run with deliveries to each, of which those of `dead` failed for good. */
  const prepare = async (ledger: Ledger, names: readonly string[], dead: readonly string[]): Promise<void> => {
    await completeStudy(ledger, clock);
    const { runId } = await startRun(ledger, { steps: [{ processor: 'deidentify', argument: 'kct' }] });
    const [job] = await ledger.runs.claim('worker', 60_000, clock.now(), 1);
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [releasedItem(1)], events: [] });
    await ledger.deliveries.open(
      inbox('connectors'),
      names.map((destination) => ({
        ...{ deliveryId: randomUUID(), runId, destination, releasedStudyInstanceUid: '2.25.1' },
      })),
    );
    const limits = Object.fromEntries(dead.map((name) => [name, 9]));
    for (const { deliveryId, fence } of await ledger.deliveries.claim('dispatcher', 60_000, clock.now(), limits)) {
      const attempt = { attempt: 1, startedAt: '2026-03-01T08:00:00.000Z', durationMs: 5, outcome: 'failed' } as const;
      await ledger.deliveries.fail(deliveryId, fence, { ...attempt, code: 'partner.refused' }, [], undefined, []);
    }
  };

  it('say for what a delivery waits, and until when, also while no hub runs', async () => {
    const hour = new Date().getUTCHours();
    const clockTime = (hours: number) => `${String((hour + hours) % 24).padStart(2, '0')}:00`;
    const window = `{ hours: "${clockTime(3)}-${clockTime(5)}", timeZone: UTC }`;
    await writeFile(config, `destinations: [{ name: own, type: folder, path: ./out, sendWindow: ${window} }]\n`);
    await withLedger((ledger) => prepare(ledger, ['own'], []));

    const { lines } = await run(deliveries, 'list');

    expect(lines[0]).to.contain('waits for');
    expect(lines[1]).to.match(
      new RegExp(`T${clockTime(3)}:00\\.000Z .*its send window, which opens at .*T${clockTime(3)}:00Z$`),
    );
  });

  it('say that the destination of a delivery is left alone, since it failed', async () => {
    await withLedger(async (ledger) => {
      await prepare(ledger, ['own', 'own'], []);
      const leased = await ledger.deliveries.claim('dispatcher', 60_000, clock.now(), { own: 2 });
      const attempt = { attempt: 1, startedAt: clock.now().toISOString(), durationMs: 5, outcome: 'failed' } as const;
      const century = 36_525 * 86_400_000;
      const breaker = { failures: 2, pauseMs: century, maxPauseMs: century };
      const failed = { ...attempt, code: 'partner.unreachable' };
      for (const { deliveryId, fence } of leased)
        await ledger.deliveries.fail(deliveryId, fence, failed, [], clock.now(), [], { breaker });
    });

    const { lines } = await run(deliveries, 'list');
    expect(lines[1]).to.match(
      /its destination, which failed \(partner\.unreachable\) and is tried again at \d{4}-\d\d-\d\dT[\d:]+Z/,
    );
  });

  it('only count until they are told to do it', async () => {
    await withLedger((ledger) => prepare(ledger, ['a', 'a', 'b'], ['a', 'b']));

    const counted = await run(deadLetters, 'replay', '--destination', 'a');
    const done = await run(deadLetters, 'replay', '--destination', 'a', '--yes');
    const left = await run(deadLetters, 'list');

    expect(counted.lines).to.deep.equal(['2 dead letters match', 'nothing was done: with --yes they go out again']);
    expect(done.lines).to.deep.equal(['2 dead letters match', '2 go out again']);
    expect(left.lines).to.have.length(2);
  });

  it('take no word without a filter for all there are', async () => {
    await withLedger((ledger) => prepare(ledger, ['a', 'b'], ['a', 'b']));

    const bare = await thrownBy(run(deadLetters, 'discard', '--yes'));
    const all = await run(deadLetters, 'discard', '--all', '--yes', '--json');

    expect(bare).to.include({ code: 'command.usage' });
    expect(JSON.parse(all.lines.join('\n'))).to.deep.equal({ matching: 2, isMore: false, done: 2, skipped: 0 });
  });

  it('retry and cancel what waits, and replay only what is named by its state', async () => {
    await withLedger((ledger) => prepare(ledger, ['a', 'b'], ['b']));

    const counted = await run(deadLetters, 'replay', '--destination', 'b');
    const retried = await run(deliveries, 'retry', '--destination', 'a', '--yes');
    const cancelled = await run(deliveries, 'cancel', '--since', '2026-01-01T00:00:00Z', '--yes');
    const unnamed = await thrownBy(run(deliveries, 'replay', '--destination', 'b', '--yes'));
    const replayed = await run(deliveries, 'replay', '--destination', 'b', '--state', 'dead', '--yes');

    expect([retried, cancelled, replayed].map(({ lines }) => lines[1])).to.deep.equal([
      '1 is tried now',
      '1 is given up',
      '1 goes out again',
    ]);
    expect(counted.lines).to.deep.equal(['1 dead letter matches', 'nothing was done: with --yes it goes out again']);
    expect(unnamed.message).to.contain('--state dead or --state succeeded');
  });

  it('send a study to a destination that its route does not name', async () => {
    await withLedger((ledger) => prepare(ledger, ['a'], []));

    const sent = await run(studies, 'replay', STUDY, '--to', 'own', '--from-stage', 'processed');
    const listed = await run(deliveries, 'list', '--destination', 'own', '--json');
    const wrong = await thrownBy(run(studies, 'replay', STUDY, '--to', 'nowhere'));
    const misplaced = await thrownBy(run(studies, 'list', '--to', 'own'));

    expect(sent.lines[0]).to.match(/^what was made of it goes out again: [0-9a-f-]{36}$/);
    expect((JSON.parse(listed.lines.join('\n')) as { items: unknown[] }).items).to.have.length(1);
    expect(wrong.message).to.contain('there is no destination nowhere');
    expect(misplaced).to.include({ code: 'command.usage' });
  });

  it('have a study that no route took decided on again', async () => {
    await withLedger((ledger) => completeStudy(ledger, clock));

    const { lines } = await run(studies, 'replay', STUDY);

    expect(lines).to.deep.equal(['it is routed again, by the routes there are now']);
  });
});
