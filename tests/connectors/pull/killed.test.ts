import { expect } from 'chai';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import type { HubProcess } from '../../support/hub-process.ts';
import { waitFor } from '../../support/wait-for.ts';
import { ended, hubWithPulls } from './hub-with-pull.ts';
import { GET, MadePacs, MOVE } from './made-pacs.ts';

const STUDIES = 6;
const INSTANCES = 4;

for (const retrieve of ['c-move', 'c-get'] as const) {
  describe(`a hub that is killed in the middle of a pull by ${retrieve}`, function () {
    this.timeout(60_000);
    let pacs: MadePacs;
    let hub: HubProcess;

    before(async () => {
      pacs = await MadePacs.start();
      const dicom = { host: '127.0.0.1', port: pacs.port, aeTitle: 'PACS', callingAeTitle: 'HUB' };
      hub = await hubWithPulls([
        { name: 'nightly', from: { dicom, retrieve }, query: { studyDate: { from: '2026-03-01', to: '2026-03-03' } } },
      ]);
      pacs.destinationPort = hub.dimsePort;
      for (let n = 0; n < STUDIES; n += 1) pacs.add(INSTANCES, `2026030${(n % 3) + 1}`);
      await hub.start();
    });
    after(async () => {
      await hub.remove();
      await pacs.stop();
    });

    it('goes on where it was: nothing is missing, and nothing is there twice', async () => {
      let retrieved = 0;
      let kill: Promise<void> | undefined;
      pacs.behave = async (asked) => {
        if (asked.command !== GET && asked.command !== MOVE) {
          await pacs.honest(asked);
          return;
        }
        retrieved += 1;
        if (retrieved !== 3) {
          await pacs.honest(asked);
          return;
        }
        // In mid study: half of it was told Success, then the plug goes.
        const half = pacs.instancesOf(asked.identifier).slice(0, INSTANCES / 2);
        if (asked.command === GET) for (const instance of half) await asked.store(instance);
        else await pacs.send(asked, half);
        kill = hub.kill();
      };
      await hub.command('pulls', 'backfill', 'nightly', '--from', '2026-03-01', '--to', '2026-03-03');
      await waitFor('the kill', () => kill !== undefined);
      await kill;
      const sentBefore = [...pacs.sent];

      await hub.start();
      const run = await ended(hub, 'nightly');

      expect(run, hub.log()).to.include({ kind: 'backfill', state: 'done', questions: 3, answered: 3, found: STUDIES });
      expect(run).to.include({ fetched: STUDIES, skipped: 0, instances: STUDIES * INSTANCES });
      const ledger = new DatabaseSync(join(hub.dataFolder, 'ledger.db'), { readOnly: true });
      const rows = ledger
        .prepare('SELECT sop_instance_uid AS uid, count(*) AS times FROM instances GROUP BY sop_instance_uid')
        .all() as { uid: string; times: number }[];
      const stored = ledger.prepare(`SELECT count(*) AS events FROM events WHERE type = 'instance.stored'`).get() as {
        events: number;
      };
      ledger.close();
      const all = pacs.studies.flatMap(({ instances }) => instances.map(({ sopInstanceUid }) => sopInstanceUid));
      expect(rows.map(({ uid }) => uid).sort()).to.deep.equal([...all].sort());
      expect(rows.every(({ times }) => times === 1)).to.equal(true);
      expect(stored.events).to.equal(all.length);
      // What was told Success before the plug went is not asked for again; no study that was whole is.
      expect([...pacs.sent].sort()).to.deep.equal([...all].sort());
      expect(sentBefore.length).to.equal(2 * INSTANCES + INSTANCES / 2);
    });
  });
}
