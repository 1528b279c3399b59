import { expect } from 'chai';
import type { Ledger } from '../../../core/ledger.ts';
import { HubError } from '../../../core/errors.ts';
import { openLedgerPort } from '../../../platform/ledger/sql/ledger-port.ts';
import { openReads, openWrites } from '../../../platform/ledger/sql/operations.ts';
import { runAtOnce, type Script } from '../../../platform/ledger/sql/script.ts';
import { openDatabase, type Database } from '../../../platform/ledger/sqlite/driver.ts';
import { migrate } from '../../../platform/ledger/sqlite/migrate.ts';
import { forScripts } from '../../../platform/ledger/sqlite/scripts.ts';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { completeStudy, inbox, releasedItem, startRun, TestClock } from '../../contracts/ledger-facts.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const LEASE_MS = 60_000;

describe('a claim whose answer is lost', () => {
  const folder = temporaryFolder();
  const clock = new TestClock();
  let db: Database;
  let ledger: Omit<Ledger, 'onCommit' | 'close'>;
  /** The next answer of this call gets lost, though it was done. */
  let loses: string | undefined;

  beforeEach(() => {
    const file = join(folder.path, `${randomUUID()}.db`);
    db = openDatabase(file, 'write');
    migrate(db, file);
    const writes = openWrites(forScripts(db)) as unknown as Readonly<
      Record<string, Readonly<Record<string, (...args: readonly unknown[]) => Script<unknown>>>>
    >;
    ledger = openLedgerPort({
      clock,
      reads: openReads(forScripts(db)),
      read: (query) => Promise.resolve(runAtOnce(query())),
      call: (group, method, args) => {
        const operation = writes[group]?.[method];
        if (operation === undefined) throw new TypeError(method);
        const value = runAtOnce(operation(...args));
        if (loses !== `${group}.${method}`) return Promise.resolve(value);
        loses = undefined;
        return Promise.reject(new HubError('ledger.unreachable'));
      },
    });
  });
  afterEach(() => db.close());

  const prepared = async () => {
    const whole = { ...ledger, onCommit: () => () => undefined, close: () => Promise.resolve() } as Ledger;
    await completeStudy(whole, clock);
    return await startRun(whole, { steps: [{ processor: 'deidentify', argument: 'kct' }] });
  };

  it('leaves no step waiting for a lease that nobody has', async () => {
    const run = await prepared();
    loses = 'jobs.claim';

    const lost = await ledger.runs.claim('runner', LEASE_MS, clock.now(), 1).catch((error: unknown) => error);
    const [job] = [
      ...(await ledger.runs.claim('runner', LEASE_MS, clock.now(), 1)),
      ...(await ledger.runs.claim('runner', LEASE_MS, clock.now(), 1)),
    ];

    expect(lost).to.include({ code: 'ledger.unreachable' });
    expect(job).to.include({ fence: 2, failures: 0, losses: 0 });
    expect(job?.run.runId).to.equal(run.runId);
  });

  it('leaves no delivery waiting for a lease that nobody has, and none that somebody has is given back', async () => {
    const run = await prepared();
    const [job] = await ledger.runs.claim('runner', LEASE_MS, clock.now(), 1);
    await ledger.runs.finishStep(job?.jobId ?? '', job?.fence ?? 0, { items: [releasedItem(1)], events: [] });
    const delivery = { runId: run.runId, destination: 'archive', releasedStudyInstanceUid: '2.25.1' };
    const ids = [randomUUID(), randomUUID()];
    await ledger.deliveries.open(
      inbox('dispatcher'),
      ids.map((deliveryId) => ({ ...delivery, deliveryId })),
    );
    const claim = (limit: number) => ledger.deliveries.claim('dispatcher', LEASE_MS, clock.now(), { archive: limit });
    const [held] = await claim(1);
    loses = 'deliveries.claim';

    await claim(2).catch((error: unknown) => error);
    const again = await claim(2);
    const more = await claim(2);

    expect(held?.deliveryId).to.equal(ids[0]);
    expect(again.map(({ deliveryId, attempt, fence }) => [deliveryId, attempt, fence])).to.deep.equal([[ids[1], 1, 2]]);
    expect(more).to.deep.equal([]);
  });
});
