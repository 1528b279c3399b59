import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { connect } from '../../../platform/ledger/postgres/connection.ts';
import { migrate as migratePostgres } from '../../../platform/ledger/postgres/migrate.ts';
import { openDatabase } from '../../../platform/ledger/sqlite/driver.ts';
import { migrate as migrateSqlite } from '../../../platform/ledger/sqlite/migrate.ts';
import { postgres } from '../../support/postgres.ts';

const SHIPPED = join(import.meta.dirname, '..', '..', '..', 'platform', 'ledger');

interface Engine {
  readonly name: 'sqlite' | 'postgres';
  readonly migrate: (folder?: string) => Promise<void>;
  readonly execute: (sql: string) => Promise<void>;
  readonly numbers: (sql: string) => Promise<readonly number[]>;
  readonly setCount: (count: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

function onSqlite(folder: string): Engine {
  const file = join(folder, 'ledger.db');
  const db = openDatabase(file, 'write');
  const done = (work: () => void) => Promise.resolve().then(work);
  return {
    name: 'sqlite',
    migrate: (from) => done(() => migrateSqlite(db, file, from)),
    execute: (sql) => done(() => db.exec(sql)),
    numbers: (sql) =>
      Promise.resolve(
        db
          .query<{ n: number }>(sql)
          .all()
          .map(({ n }) => n),
      ),
    setCount: (count) => done(() => db.exec(`PRAGMA user_version = ${String(count)}`)),
    close: () => done(() => db.close()),
  };
}

async function onPostgres(): Promise<Engine> {
  const peer = await postgres();
  const connection = await connect(await peer.createDatabase({ isEmpty: true }));
  const { client } = connection;
  return {
    name: 'postgres',
    migrate: (from) => migratePostgres(connection, from),
    execute: async (sql) => {
      await client.query(sql);
    },
    numbers: async (sql) => (await client.query<{ n: number }>(sql)).rows.map(({ n }) => n),
    setCount: async (count) => {
      await client.query('CREATE TABLE IF NOT EXISTS ledger_version (version INTEGER NOT NULL)');
      await client.query('DELETE FROM ledger_version');
      await client.query('INSERT INTO ledger_version VALUES ($1)', [count]);
    },
    close: () => connection.end(),
  };
}

const sqlOf = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .toSorted();

it('a migration has one number and one name on both engines, and no two have the same number', () => {
  const [sqlite, other] = ['sqlite', 'postgres'].map((engine) => sqlOf(join(SHIPPED, engine, 'migrations')));

  const numbers = (sqlite ?? []).map((name) => name.slice(0, 4));

  expect(sqlite).to.deep.equal(other);
  expect(new Set(numbers).size).to.equal(numbers.length);
});

for (const open of [onSqlite, onPostgres]) {
  describe(`migrations of a ledger, ${open === onSqlite ? 'SQLite' : 'PostgreSQL'}`, function () {
    this.timeout(60_000);
    const NUMBERS = 'SELECT number AS n FROM ledger_migrations ORDER BY number';
    const made: string[] = [];
    let folder = '';
    let ledger: Engine;

    const write = (file: string, sql: string) => {
      mkdirSync(join(folder, 'steps'), { recursive: true });
      writeFileSync(join(folder, 'steps', file), sql);
      return join(folder, 'steps');
    };

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'hub-migrations-'));
      made.push(folder);
      ledger = await open(folder);
    });
    afterEach(() => ledger.close());
    after(() => made.forEach((each) => rmSync(each, { recursive: true, force: true })));

    it('are applied once, and a number that comes in between later is not taken for applied', async () => {
      write('0001-one.sql', 'CREATE TABLE one (n INTEGER)');
      const steps = write('0003-three.sql', 'CREATE TABLE three (n INTEGER)');
      await ledger.migrate(steps);
      write('0002-two.sql', 'CREATE TABLE two (n INTEGER)');

      await ledger.migrate(steps);
      await ledger.migrate(steps);

      expect(await ledger.numbers(NUMBERS)).to.deep.equal([1, 2, 3]);
      expect(await ledger.numbers('SELECT n FROM two')).to.deep.equal([]);
    });

    it('go on where a ledger stood that only counted them', async () => {
      const shipped = join(SHIPPED, ledger.name, 'migrations');
      const before = sqlOf(shipped).filter((name) => name < '0024');
      for (const name of before) await ledger.execute(readFileSync(join(shipped, name), 'utf8'));
      await ledger.setCount(before.length);

      await ledger.migrate();

      expect(await ledger.numbers(NUMBERS)).to.deep.equal(sqlOf(shipped).map((name) => Number(name.slice(0, 4))));
    });

    it('change nothing of a ledger that has one this hub does not know', async () => {
      const steps = write('0001-one.sql', 'CREATE TABLE one (n INTEGER)');
      write('0007-seven.sql', 'CREATE TABLE seven (n INTEGER)');
      await ledger.migrate(steps);
      rmSync(join(steps, '0007-seven.sql'));
      write('0002-two.sql', 'CREATE TABLE two (n INTEGER)');

      const refused = await ledger.migrate(steps).catch((error: unknown) => error);

      expect(refused).to.deep.include({ code: 'ledger.newer', fields: { version: 7, newestKnown: 2 } });
      expect(await ledger.numbers(NUMBERS)).to.deep.equal([1, 7]);
    });

    it('leave nothing of a step that fails, and do it again', async () => {
      write('0001-one.sql', 'CREATE TABLE one (n INTEGER)');
      const steps = write('0002-two.sql', 'CREATE TABLE two (n INTEGER); CREATE TABLE one (n INTEGER)');
      const failed = await ledger.migrate(steps).catch((error: unknown) => error);
      if (ledger.name === 'sqlite') await ledger.close();
      if (ledger.name === 'sqlite') ledger = await open(folder);
      write('0002-two.sql', 'CREATE TABLE two (n INTEGER)');

      await ledger.migrate(steps);

      expect(failed).to.be.instanceOf(Error);
      expect(await ledger.numbers(NUMBERS)).to.deep.equal([1, 2]);
    });
  });
}
