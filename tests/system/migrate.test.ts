/** A hub of one machine that moves up: everything is there afterwards, whatever the move met on its way. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { startOrigin } from '../support/crash-origin.ts';
import type { SeenDelivery, SeenStudy } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance } from '../support/mr-instance.ts';
import { execute, postgres, type PostgresPeer } from '../support/postgres.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';
import { adminOf, envOf, type HubToMove, MOVE_MS, started, startHubToMove, written } from './hub-to-move.ts';

describe('hub migrate', function () {
  this.timeout(240_000);
  let database: PostgresPeer;
  let s3: S3Server;
  let moving: HubToMove;

  before(async () => {
    [database, s3] = await Promise.all([postgres(), startS3Server()]);
    moving = await startHubToMove();
  });
  afterEach(() => moving.removeCopies());
  after(async () => {
    await moving.remove();
    await s3.stop();
  });

  it('takes a hub to PostgreSQL and S3, on another machine, and what was pending there is delivered', async () => {
    const server = await database.createDatabase({ isEmpty: true });
    const bucket = await s3.bucket();
    const other = join(moving.folder, 'another-machine');
    const moved = await moving.aside({ ledger: server, bucket, data: other });

    const dry = await moved.migrate('--dry-run');
    const keysAfterDry = await bucket.keys();
    const done = await moved.migrate('--json');
    const again = await moved.migrate();

    expect(dry.code, dry.stderr).to.equal(0);
    expect(dry.stdout).to.match(/^to move: \d+ rows of the ledger, [\d.]+ MB in \d+ packs$/m);
    expect(keysAfterDry).to.deep.equal([]);
    expect(done.code, done.stderr).to.equal(0);
    const summary = JSON.parse(done.stdout) as {
      rows: Record<string, number>;
      objects: { read: number; damaged: number };
    };
    const ledger = new DatabaseSync(join(moved.data, 'ledger.db.moved'), { readOnly: true });
    const positions = ledger.prepare('SELECT position, id FROM events ORDER BY position').all();
    ledger.close();
    expect(await execute(server, 'SELECT position::int, id FROM events ORDER BY position')).to.deep.equal(
      positions.map((row) => ({ ...row })),
    );
    expect(summary.rows['events']).to.equal(positions.length);
    expect(summary.objects.read).to.be.at.least(moving.was.delivered.length * 2 + moving.was.receiving.length + 2);
    expect(summary.objects.damaged).to.equal(0);
    expect(done.stdout + done.stderr).to.match(/HUB_FEED_KEY \(what stands in keys\/feed\.key\)/);
    const secrets = await Promise.all(
      (await readdir(join(moved.data, 'keys'))).map((name) => readFile(join(moved.data, 'keys', name), 'utf8')),
    );
    for (const secret of secrets) expect(done.stdout + done.stderr).not.to.include(secret.trim());
    expect(await readdir(moved.data))
      .to.include('ledger.db.moved')
      .and.not.include('ledger.db');
    expect(again.code, again.stderr).to.equal(0);
    expect(again.stdout).to.match(/^moved already, on /m);

    const keys = Object.fromEntries(
      await Promise.all(
        (await readdir(join(moved.data, 'keys')))
          .filter((name) => name !== 'replica.key')
          .map(async (name) => [
            `HUB_${basename(name, '.key').toUpperCase().replaceAll('-', '_')}_KEY`,
            (await readFile(join(moved.data, 'keys', name), 'utf8')).trim(),
          ]),
      ),
    ) as Record<string, string>;
    const next = await HubProcess.create({ config: {}, env: { ...envOf(server), ...keys } });
    moving.own(next);
    await started({ config: moved.config, next });
    const origin = await startOrigin({ port: moving.laterPort });
    try {
      await moving.expectAllOf(next);
      const later = moving.was.deliveries.find(({ destination }) => destination === 'later');
      const admin = await adminOf(next);
      await waitFor('the pending delivery', async () => {
        const response = await next.get(`/api/v1/deliveries/${later?.deliveryId ?? ''}`, admin);
        return ((await response.json()) as SeenDelivery).state === 'succeeded';
      });
      expect(origin.copies.size).to.equal(3);
      // It goes on: numbers, positions and what was still coming.
      const [coming] = moving.was.receiving;
      await next.command('studies', 'complete', coming?.studyInstanceUid ?? '');
      const fresh = mrInstance();
      await send(next.dimsePort, await written(next, [fresh]));
      const states = async (uid: string) =>
        (
          (await (await next.get('/api/v1/studies?limit=500', admin)).json()) as { items: readonly SeenStudy[] }
        ).items.find(({ studyInstanceUid }) => studyInstanceUid === uid)?.state;
      await waitFor('both to be routed', async () => {
        const both = [coming?.studyInstanceUid ?? '', fresh.studyInstanceUid];
        return (await Promise.all(both.map(states))).every((state) => state === 'routed');
      });
    } catch (error) {
      process.stderr.write(next.log().slice(-4000));
      throw error;
    } finally {
      await origin.close();
    }
  });

  it('goes on where it was killed, at any point, and nothing is there twice', async () => {
    const server = await database.createDatabase({ isEmpty: true });
    const bucket = await s3.bucket();
    const moved = await moving.aside({ ledger: server, bucket });
    const rows = async (sql: string) => (await execute(server, sql).catch(() => [])).length > 0;
    const points: readonly (readonly [string, () => Promise<boolean>])[] = [
      ['the bucket is marked', async () => (await bucket.keys()).length >= 1],
      ['some packs are there', async () => (await bucket.keys()).length >= 4],
      ['the tables are there', () => rows("SELECT 1 WHERE to_regclass('studies') IS NOT NULL")],
      ['the database is marked', () => rows('SELECT 1 FROM ledger_move')],
      ['studies are there', () => rows('SELECT 1 FROM studies')],
      ['events are there', () => rows('SELECT 1 FROM events LIMIT 1')],
      ['all rows are there', () => rows("SELECT 1 FROM ledger_move_tables WHERE name = 'tokens'")],
    ];
    let killed = 0;
    for (const [, isReached] of points) {
      const child = moved.begin();
      if (await killedWhen(child, isReached)) killed += 1;
    }

    const done = await moved.migrate('--json');

    expect(killed).to.be.at.least(4);
    expect(done.code, done.stderr).to.equal(0);
    const next = await started(moved);
    await moving.expectAllOf(next);
    await waitFor('segments to leave the spool', async () => {
      return !(await readdir(join(moved.data, 'spool'))).some((name) => name.endsWith('.seg'));
    });
    await moving.expectAllOf(next);
  });

  it('copies the rows again when the hub has run between two attempts', async () => {
    const server = await database.createDatabase({ isEmpty: true });
    const moved = await moving.aside({ ledger: server });
    const child = moved.begin();
    await killedWhen(child, async () => (await execute(server, 'SELECT 1 FROM studies').catch(() => [])).length > 0);
    const ledger = new DatabaseSync(join(moved.data, 'ledger.db'));
    ledger.exec("UPDATE studies SET last_received_at = '2026-01-01T00:00:00.000Z' WHERE study = 1");
    ledger.close();

    const done = await moved.migrate();

    expect(done.code, done.stderr).to.equal(0);
    expect(done.stdout).to.match(/the hub has run since the last attempt: the rows are copied from the beginning/);
    const found = await execute(server, "SELECT 1 FROM studies WHERE last_received_at = '2026-01-01T00:00:00.000Z'");
    expect(found).to.have.length(1);
  });

  it('lets no hub begin on half a ledger, nor on one whose bytes are still on their way', async () => {
    const server = await database.createDatabase({ isEmpty: true });
    const bucket = await s3.bucket();
    const moved = await moving.aside({ ledger: server, bucket });
    await killedWhen(moved.begin(), async () => (await bucket.keys()).length >= 1);
    const early = await HubProcess.create({ config: {}, env: envOf(server) });
    await early.configure({ ...moved.config, hub: { name: 'tested', data: early.dataFolder } });

    const failure = await early.start().then(
      () => '',
      (error: unknown) => String(error),
    );

    expect(failure).to.match(/A ledger is being moved into the database/);
    await early.remove();
  });

  it('ends what was cut off between its last two steps, and refuses a hub that has gone on here since', async () => {
    const server = await database.createDatabase({ isEmpty: true });
    const moved = await moving.aside({ ledger: server });
    const [ledger, gone] = [join(moved.data, 'ledger.db'), join(moved.data, 'ledger.db.moved')];
    expect((await moved.migrate()).code).to.equal(0);
    await rename(gone, ledger);

    const ends = await moved.migrate();
    await rename(gone, ledger);
    const db = new DatabaseSync(ledger);
    db.exec("INSERT INTO events (id, type, stream, key, time, data) VALUES ('x', 'x', 'x', 'x', 'x', '{}')");
    db.close();
    const refused = await moved.migrate();

    expect(ends.code, ends.stderr).to.equal(0);
    expect(ends.stdout).to.match(/^moved already, on /m);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(/and has gone on here since/);
    expect(await readdir(moved.data)).to.include('ledger.db');
  });

  it('moves only the ledger where the bytes stay', async () => {
    const server = await database.createDatabase({ isEmpty: true });
    const moved = await moving.aside({ ledger: server });

    const done = await moved.migrate();

    expect(done.code, done.stderr).to.equal(0);
    const next = await started(moved);
    await moving.expectAllOf(next);
  });

  it('moves only the bytes where the ledger stays', async () => {
    const bucket = await s3.bucket();
    const moved = await moving.aside({ bucket });

    const done = await moved.migrate();
    const again = await moved.migrate();

    expect(done.code, done.stderr).to.equal(0);
    expect(again.code, again.stderr).to.equal(0);
    expect(again.stdout)
      .to.match(/^to move: /m)
      .and.to.match(/^0 rows of the ledger name the new places$/m);
    const next = await started(moved);
    await moving.expectAllOf(next);
  });

  it('moves what its disk has damaged as it is, and names it', async () => {
    const bucket = await s3.bucket();
    const moved = await moving.aside({ bucket });
    const spool = join(moved.data, 'spool');
    const [segment = ''] = (await readdir(spool)).filter((name) => name.endsWith('.seg')).toSorted();
    const bytes = await readFile(join(spool, segment));
    const at = bytes.length - 1000;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    await writeFile(join(spool, segment), bytes);

    const done = await moved.migrate();

    expect(done.code, done.stderr).to.equal(0);
    expect(done.stdout).to.match(/^1 of them were damaged or gone here already/m);
    expect(done.stdout).to.include(`spool/${segment}#`);
  });

  describe('refuses, and changes nothing,', () => {
    it('while the hub runs', async () => {
      const moved = await moving.aside({ ledger: await database.createDatabase({ isEmpty: true }) });
      const running = moved.next;
      await running.configure(moving.shared);
      await running.start();

      const refused = await moved.migrate();

      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(/Another process uses the ledger/);
    });

    it('a database that is not empty', async () => {
      const server = await database.createDatabase();
      await execute(server, "INSERT INTO tokens VALUES ('a', 'b', 'admin', NULL, '', NULL, NULL, NULL)");
      const moved = await moving.aside({ ledger: server });

      const refused = await moved.migrate();

      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(/the database of the target is not empty: table tokens has rows/);
      expect(await readdir(moved.data)).to.include('ledger.db');
    });

    it('a bucket that is not empty', async () => {
      const bucket = await s3.bucket();
      await bucket.client.send(new PutObjectCommand({ Bucket: bucket.options.bucket, Key: 'hub/other', Body: 'x' }));
      const moved = await moving.aside({ bucket });

      const refused = await moved.migrate();

      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(/the bucket of the target holds something below its prefix/);
      expect(await bucket.keys()).to.have.length(1);
    });

    it('a target that another hub is being moved to', async () => {
      const server = await database.createDatabase({ isEmpty: true });
      const one = await moving.aside({ ledger: server });
      const other = await moving.aside({ ledger: server });
      await rm(join(other.data, 'keys', 'replica.key'));
      expect((await one.migrate()).code).to.equal(0);

      const refused = await other.migrate();

      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(/another hub was moved to it/);
    });

    it('a hub whose spool has objects that the ledger was not told of, and says what to do', async () => {
      const server = await database.createDatabase({ isEmpty: true });
      const moved = await moving.aside({ ledger: server });
      const running = moved.next;
      await running.configure(moving.shared);
      await running.start();
      // The hub itself may be writing at this moment.
      const ledger = new DatabaseSync(join(moved.data, 'ledger.db'), { timeout: 10_000 });
      ledger.exec('BEGIN IMMEDIATE');
      const sent = await send(running.dimsePort, await written(running, [mrInstance()]));
      await running.kill();
      ledger.exec('ROLLBACK');
      ledger.close();

      const refused = await moved.migrate();
      await running.start();
      await running.stop();
      const done = await moved.migrate();

      expect(sent.accepted).to.have.length(1);
      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(
        /1 objects were acknowledged and are not in the ledger yet\. Start the hub once more/,
      );
      expect(done.code, done.stderr).to.equal(0);
    });

    it('configurations between which there is nothing to move', async () => {
      const moved = await moving.aside({});

      const refused = await moved.migrate();

      expect(refused.code).to.equal(1);
      expect(refused.stderr).to.match(/there is nothing to move/);
    });
  });
});

/** @returns false when it had ended before */
async function killedWhen(child: ChildProcess, isReached: () => Promise<boolean>): Promise<boolean> {
  const exited = once(child, 'exit');
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  await waitFor('the point to kill at', async () => isOver() || (await isReached()), MOVE_MS);
  child.kill('SIGKILL');
  if (!isOver()) await exited;
  return child.signalCode === 'SIGKILL';
}
