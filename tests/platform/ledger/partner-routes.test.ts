/** What becomes of partners' events that were written before their streams kept routes, on both engines. */
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { connect } from '../../../platform/ledger/postgres/connection.ts';
import { openDatabase } from '../../../platform/ledger/sqlite/driver.ts';
import { postgres } from '../../support/postgres.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const ENGINES = resolve(import.meta.dirname, '../../../platform/ledger');
const MIGRATION = '0020-partners-at-run-time.sql';

interface Engine {
  execute(sql: string): Promise<void>;
  rows(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  close(): Promise<void>;
}

const openers = (folder: { readonly path: string }): Readonly<Record<string, () => Promise<Engine>>> => ({
  sqlite: () => {
    const db = openDatabase(join(folder.path, 'ledger.db'), 'write');
    const engine: Engine = {
      execute: (sql) => {
        db.exec(sql);
        return Promise.resolve();
      },
      rows: (sql) => Promise.resolve(db.query<Readonly<Record<string, unknown>>>(sql).all()),
      close: () => {
        db.close();
        return Promise.resolve();
      },
    };
    return Promise.resolve(engine);
  },
  postgres: async () => {
    const { client } = await connect(await (await postgres()).createDatabase({ isEmpty: true }));
    return {
      execute: async (sql) => {
        await client.query(sql);
      },
      rows: async (sql) => (await client.query<Record<string, unknown>>(sql)).rows,
      close: () => client.end(),
    };
  },
});

const FACTS = [
  ['1', 'hub.result.v1', 'original-1', { partner: 'kct', releasedStudyInstanceUid: '2.25.1', route: 'rat' }],
  ['2', 'partner.kct.v1', '2.25.1', {}],
  // By two routes: which of them the partner's event is of, nobody knows.
  ['3', 'hub.result.v1', 'original-2', { partner: 'kct', releasedStudyInstanceUid: '2.25.2', route: 'rat' }],
  ['4', 'hub.delivery.v1', 'original-2', { partner: 'kct', releasedStudyInstanceUid: '2.25.2', route: 'mouse' }],
  ['5', 'partner.kct.v1', '2.25.2', {}],
  // Another partner's, under a UID of the same text.
  ['6', 'hub.result.v1', 'original-1', { partner: 'uef', releasedStudyInstanceUid: '2.25.1', route: 'mouse' }],
  ['7', 'partner.uef.v1', '2.25.1', {}],
  ['8', 'partner.uef.v1', 'a-webhook', {}],
] as const;

describe('events of partners from before their streams kept routes', () => {
  const files = temporaryFolder();
  for (const [name, open] of Object.entries(openers(files))) {
    it(`get the one route by which their study was released, on ${name}`, async () => {
      const engine = await open();
      try {
        const folder = join(ENGINES, name, 'migrations');
        const before = (await readdir(folder)).filter((file) => file < MIGRATION).toSorted();
        for (const file of before) await engine.execute(await readFile(join(folder, file), 'utf8'));
        const values = FACTS.map(
          ([id, stream, key, data]) =>
            `('${id}', 'study.processed', '${stream}', '${key}', '2026-03-01T08:00:00.000Z', '${JSON.stringify(data)}')`,
        );
        await engine.execute(`INSERT INTO events (id, type, stream, key, time, data) VALUES ${values.join(', ')}`);

        await engine.execute(await readFile(join(folder, MIGRATION), 'utf8'));

        const rows = await engine.rows('SELECT id, route FROM events WHERE route IS NOT NULL ORDER BY id');
        expect(rows.map(({ id, route }) => [id, route])).to.deep.equal([
          ['2', 'rat'],
          ['7', 'mouse'],
        ]);
      } finally {
        await engine.close();
      }
    });
  }
});
