import { expect } from 'chai';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { HubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import { attachSqliteLedger, openSqliteLedger } from '../../../platform/ledger/sqlite/client.ts';
import { audited, completeStudy, received, record, startRun, STUDY, TestClock } from '../../contracts/ledger-facts.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';

const HOLDER = join(import.meta.dirname, 'ledger-holder.ts');

describe('the writer of the SQLite ledger', () => {
  let folder: string;
  let file: string;
  const opened: Ledger[] = [];
  const openLedger = async (options: Partial<Parameters<typeof openSqliteLedger>[0]> = {}) => {
    const ledger = await openSqliteLedger({ file, ...options });
    opened.push(ledger);
    return ledger;
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ledger-'));
    file = join(folder, 'ledger.db');
  });
  afterEach(async () => {
    await Promise.allSettled(opened.splice(0).map((ledger) => ledger.close()));
    await rm(folder, { recursive: true });
  });

  it('lets nobody else on the machine read what headers say, in a folder that is open to all', async () => {
    await chmod(folder, 0o755);
    await writeFile(file, '', { mode: 0o644 });
    const ledger = await openLedger();

    await record(ledger, received(1));

    const names = (await readdir(folder)).filter((name) => name.startsWith('ledger.db') && !name.endsWith('.lock'));
    expect(names).to.include('ledger.db-wal');
    for (const name of names) expect((await stat(join(folder, name))).mode & 0o077, name).to.equal(0);
  });

  it('serves several threads in one commit, and tells the others what may be work for them', async () => {
    const batches: number[] = [];
    const owner = await openSqliteLedger({ file, onBatch: ({ calls }) => batches.push(calls) });
    const other = attachSqliteLedger({ file, port: owner.connect() });
    opened.push(other, owner);
    const heard: string[] = [];
    owner.onCommit(() => heard.push('owner'));
    other.onCommit(() => heard.push('other'));

    await record(other, received(1));
    await waitFor('both to hear of it', () => heard.length === 2);
    await owner.tokens.list();
    await other.groups.commit('g', 1);

    expect(heard.toSorted()).to.deep.equal(['other', 'owner']);
    expect(await owner.studies.get(STUDY)).to.deep.include({ instances: 1 });
    expect(batches, 'the calls of the other thread are not among those of this one').to.deep.equal([]);
  });

  it('answers nothing more through a port that was closed', async () => {
    const owner = await openSqliteLedger({ file });
    opened.push(owner);
    const other = attachSqliteLedger({ file, port: owner.connect() });

    await other.close();

    expect(await thrownBy(other.events.append([audited('a')]))).to.deep.include({ code: 'store.failed' });
    expect(await owner.events.head()).to.equal(0);
  });

  it('commits together what comes together, and undoes only the call that fails', async () => {
    const batches: number[] = [];
    const ledger = await openLedger({ onBatch: ({ calls }) => batches.push(calls) });
    await record(ledger, received(1));
    const token = { tokenId: '1', role: 'admin', createdAt: '2026-03-01T08:00:00Z', secretSha256: 'x' } as const;

    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, index) =>
        index % 3 === 0 ? ledger.tokens.create(token) : ledger.events.append([audited('a')]),
      ),
    );

    expect(outcomes.filter(({ status }) => status === 'rejected')).to.have.length(99);
    expect(await ledger.events.head()).to.equal(201);
    expect(await ledger.tokens.list()).to.have.length(1);
    expect(batches.length).to.be.below(50);
    expect(Math.max(...batches)).to.be.within(2, 256);
  });

  it('leaves nothing of a call that fails half-way', async () => {
    const ledger = await openLedger();
    const twice = received(1);
    const wrong = { ...received(2), sizeBytes: 1.5 };

    const error = await record(ledger, twice, wrong).catch((thrown: unknown) => thrown);

    expect(error).to.be.instanceOf(Error);
    expect(await ledger.studies.get(STUDY)).to.equal(undefined);
    expect(await ledger.events.head()).to.equal(0);
    expect(await ledger.instances.spoolPositions()).to.deep.equal([]);
  });

  it('refuses a second opener in this process, and lets it in after the first has closed', async () => {
    const first = await openLedger();

    const refused = await openLedger().catch((error: unknown) => error);
    await first.events.append([audited('a')]);
    await first.close();
    const second = await openLedger();

    expect(refused).to.be.instanceOf(HubError).and.to.include({ code: 'ledger.locked' });
    expect(await second.events.head()).to.equal(1);
  });

  it('refuses another process, and needs no clearing away after that one was killed', async () => {
    const holder = fork(HOLDER, [file], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    await once(holder, 'message');

    const refused = await openLedger().catch((error: unknown) => error);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const ledger = await openLedger();

    expect(refused).to.be.instanceOf(HubError).and.to.include({ code: 'ledger.locked' });
    expect(await ledger.events.head()).to.be.at.least(1);
  });

  it('loses nothing it acknowledged when the process is killed, thirty times', async function () {
    this.timeout(120_000);
    const acknowledged = new Set<string>();

    for (let round = 0; round < 30; round += 1) {
      const holder = fork(HOLDER, [file, String(round)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      const enough = 3 + round * 4;
      await new Promise<void>((resolve) => {
        let seen = 0;
        holder.on('message', (subject) => {
          if (typeof subject === 'string' && subject !== 'open') acknowledged.add(subject);
          seen += 1;
          if (seen === enough) {
            holder.kill('SIGKILL');
            resolve();
          }
        });
      });
      await once(holder, 'exit');
    }

    const ledger = await openLedger();
    const kept = new Set<string>();
    for (let after = 0; ;) {
      const page = await ledger.events.read({ streams: ['hub.audit.v1'], after, limit: 1000 });
      for (const { data } of page) if ('subject' in data) kept.add(data.subject);
      if (page.length < 1000) break;
      after = page.at(-1)?.position ?? after;
    }
    expect(acknowledged.size).to.be.above(1500);
    expect([...acknowledged].filter((subject) => !kept.has(subject))).to.deep.equal([]);
    const check = new DatabaseSync(file, { readOnly: true });
    expect(check.prepare('PRAGMA integrity_check').get()).to.include({ integrity_check: 'ok' });
    check.close();
  });

  it('moves what a killed hub left in the WAL into the file before anything else', async () => {
    const [next, alone] = [join(folder, 'next.db'), join(folder, 'alone.db')];
    const before = await openLedger();
    for (let n = 0; n < 20; n += 1) await before.events.append([audited('a', String(n))]);
    await copyFile(file, next);
    await copyFile(`${file}-wal`, `${next}-wal`);

    await openLedger({ file: next });
    await copyFile(next, alone);
    const database = new DatabaseSync(alone);
    const row = database.prepare('SELECT count(*) AS events FROM events').get();
    database.close();

    expect(row?.['events']).to.equal(20);
  });

  it('gives work that a closed or killed hub had under way to the next one at once', async () => {
    const clock = new TestClock();
    const before = await openLedger({ clock });
    await completeStudy(before, clock);
    await startRun(before);
    const [lost] = await before.runs.claim('worker-1', 60_000, clock.now(), 1);
    await before.close();

    const ledger = await openLedger({ clock });
    const [taken] = await ledger.runs.claim('worker-2', 60_000, clock.now(), 1);

    expect(taken).to.include({ jobId: lost?.jobId, attempt: 2, fence: 2 });
    const stale = await ledger.runs.finishStep(lost?.jobId ?? '', lost?.fence ?? 0, { items: [], events: [] });
    expect(stale).to.equal(false);
  });

  it('refuses a ledger of a later version and leaves it as it is', async () => {
    const ledger = await openLedger();
    await ledger.close();
    const db = new DatabaseSync(file);
    db.exec('PRAGMA user_version = 99');
    db.close();

    const refused = await openLedger().catch((error: unknown) => error);

    expect(refused).to.be.instanceOf(HubError).and.to.include({ code: 'ledger.newer' });
    const again = await openLedger().catch((error: unknown) => error);
    expect(again).to.include({ code: 'ledger.newer' });
  });

  it('says so when the place for the ledger is not there', async () => {
    const refused = await openLedger({ file: join(folder, 'missing', 'ledger.db') }).catch((error: unknown) => error);

    expect(refused).to.be.instanceOf(HubError).and.to.include({ code: 'store.failed' });
  });

  it('ends with everybody told when the file is damaged', async () => {
    const before = await openLedger();
    for (let number = 0; number < 200; number += 1) await before.events.append([audited('a', 'x'.repeat(2000))]);
    await before.close();
    const { size } = await stat(file);
    const damaged = await open(file, 'r+');
    // The schema lies in front and can still be read; where the next event goes cannot.
    const half = Math.ceil(size / 2);
    await damaged.write(Buffer.alloc(size - half, 0xff), 0, size - half, half);
    await damaged.close();
    const failures: HubError[] = [];

    const error = await openLedger({ onFailure: (failure) => failures.push(failure) })
      .then((ledger) => Promise.all([ledger.events.append([audited('a')]), ledger.events.append([audited('b')])]))
      .catch((thrown: unknown) => thrown);

    expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.failed' });
    expect(failures.map(({ code }) => code)).to.deep.equal(['store.failed']);
  });

  it('leaves one file behind when it closes', async () => {
    const ledger = await openLedger();
    await ledger.events.append([audited('a')]);

    await ledger.close();

    expect(await readdir(folder)).to.have.members(['ledger.db', 'ledger.db.lock']);
  });

  it('keeps what it was asked to do before it was asked to close', async () => {
    const first = await openLedger();
    const appends = Array.from({ length: 500 }, () => first.events.append([audited('a')]));

    await Promise.all([...appends, first.close()]);

    const second = await openLedger();
    expect(await second.events.head()).to.equal(500);
  });
});
