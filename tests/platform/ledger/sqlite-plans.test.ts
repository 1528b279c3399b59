import { join } from 'node:path';
import { expect } from 'chai';
import { completionReads, completionWrites } from '../../../platform/ledger/sql/completion.ts';
import { openDatabase } from '../../../platform/ledger/sqlite/driver.ts';
import { instanceReads } from '../../../platform/ledger/sql/instances.ts';
import type { Database } from '../../../platform/ledger/sql/script.ts';
import { migrate } from '../../../platform/ledger/sqlite/migrate.ts';
import { partnerReads } from '../../../platform/ledger/sql/partners.ts';
import { studyReads } from '../../../platform/ledger/sql/studies.ts';
import { webhookQueue, webhookSending } from '../../../platform/ledger/sql/webhook-sending.ts';
import { timelineReads } from '../../../platform/ledger/sql/timeline.ts';
import { forScripts } from '../../../platform/ledger/sqlite/scripts.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** What is asked of one study, again and again: with a million instances in the ledger each must still take a moment. */
const OF_ONE_STUDY: readonly (readonly [string, (db: Database) => unknown])[] = [
  ['studies', studyReads],
  ['instances', instanceReads],
  ['the timeline', timelineReads],
  ['completion', completionReads],
  ['completion, as it is written', completionWrites],
  ['what is a partner’s', partnerReads],
  ['messages of webhooks', webhookSending],
  ['what is due of webhooks', webhookQueue],
];
/** Tables that grow with all that was ever received. */
const WHOLE_TABLE =
  /^SCAN (?:instances|superseded_instances|studies|series|commitment_items|commitments|events|runs|deliveries|partner_releases|webhook_messages|webhook_attempts)\b/;

describe('the statements of the ledger', () => {
  const folder = temporaryFolder();

  for (const [what, open] of OF_ONE_STUDY) {
    it(`find ${what} through indexes`, () => {
      const file = join(folder.path, `${String(OF_ONE_STUDY.findIndex(([name]) => name === what))}.db`);
      const db = openDatabase(file, 'write');
      migrate(db, file);
      const statements: string[] = [];
      open(
        forScripts({
          ...db,
          query: (sql) => {
            statements.push(sql);
            return db.query(sql);
          },
        }),
      );

      const scans = statements.flatMap((sql) => {
        const parameters = Array.from({ length: sql.split('?').length - 1 }, () => 1);
        const steps = db.query<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters);
        return steps.filter(({ detail }) => WHOLE_TABLE.test(detail)).map(({ detail }) => `${detail}: ${sql}`);
      });
      db.close();

      expect(statements).not.to.deep.equal([]);
      expect(scans).to.deep.equal([]);
    });
  }
});
