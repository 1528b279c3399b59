/** Storage commitments that the hub asks of its destinations, reported on associations of theirs. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CommitmentScp, startCommitmentScp } from '../support/commitment-scp.ts';
import { ended, fetched, type SeenDelivery } from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { send } from '../support/scanner.ts';
import { waitFor } from '../support/wait-for.ts';

/** Long enough never to be over in a test. */
const NEVER = { sameAssociation: '0s', wait: '30d' };
const RETRY = { attempts: 5, firstDelay: '100ms', maxDelay: '200ms' };
const SOURCES = [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }];
const WAITS = 'waits for the report of the storage commitment';

/** What a scanner sends, routed by the study's description to the destination of that name. */
async function receive(hub: HubProcess, destination: string, instances = 2) {
  const StudyInstanceUID = newUid();
  const files = await Promise.all(
    Array.from({ length: instances }, async () => {
      const { part10, sopInstanceUid } = mrInstance({ StudyInstanceUID, StudyDescription: destination });
      const file = join(hub.folder, `${sopInstanceUid}.dcm`);
      await writeFile(file, part10);
      return { file, sopInstanceUid };
    }),
  );
  const sent = await send(
    hub.dimsePort,
    files.map(({ file }) => file),
  );
  expect(sent.accepted).to.have.length(instances);
  return { study: StudyInstanceUID, uids: files.map(({ sopInstanceUid }) => sopInstanceUid).toSorted() };
}

async function deliveryOf(hub: HubProcess, study: string): Promise<SeenDelivery | undefined> {
  return (await fetched<SeenDelivery>(hub, `deliveries?study=${study}&limit=500`))[0];
}

interface SeenAttempt {
  readonly outcome: string;
  readonly code?: string;
  readonly detail?: string;
  readonly answer?: string;
}

async function historyOf(hub: HubProcess, { deliveryId }: SeenDelivery): Promise<readonly SeenAttempt[]> {
  const { history } = (await (await hub.get(`/api/v1/deliveries/${deliveryId}`)).json()) as {
    readonly history: readonly SeenAttempt[];
  };
  return history;
}

async function waiting(hub: HubProcess, study: string): Promise<SeenDelivery> {
  return waitFor(
    'the delivery to wait',
    async () => {
      const delivery = await deliveryOf(hub, study);
      return delivery?.reason === WAITS && delivery.state === 'pending' ? delivery : undefined;
    },
    30_000,
  );
}

const routesTo = (...destinations: readonly string[]) =>
  destinations.map((name) => ({ name, when: { StudyDescription: name }, process: [], deliver: [name] }));

describe('a storage commitment that the hub asked for', function () {
  this.timeout(180_000);

  describe('of an archive that reports when it likes', () => {
    let hub: HubProcess;
    let archive: CommitmentScp;
    before(async () => {
      archive = await startCommitmentScp();
      const to = { type: 'c-store', host: '127.0.0.1', port: archive.port, aeTitle: archive.aeTitle, retry: RETRY };
      hub = await HubProcess.create({
        config: {
          gateway: { dimse: { sources: SOURCES, aeTitle: ['HUB', 'SECOND'] } },
          destinations: [
            { ...to, name: 'patient', verify: 'commitment', commitment: NEVER },
            {
              ...{ ...to, name: 'hasty', verify: 'commitment' },
              commitment: { sameAssociation: '0s', wait: '1s', requests: 2 },
            },
          ],
          routes: routesTo('patient', 'hasty'),
        },
      });
      await hub.start();
    });
    after(async () => {
      await archive.stop();
      await hub.remove();
    });
    let asked = 0;
    const next = () => archive.asked((asked += 1));

    it('is heard after a restart between request and report, and nothing is sent again', async () => {
      const before = archive.stored.length;
      const { study, uids } = await receive(hub, 'patient');
      const request = await next();
      await waiting(hub, study);
      await hub.kill();
      await hub.start();

      const answer = await archive.report({ report: request.asked, committed: uids, port: hub.dimsePort });
      const delivery = await ended(hub, study, 'patient');
      const history = await historyOf(hub, delivery);

      expect(request.items.map(([, uid]) => uid).toSorted()).to.deep.equal(uids);
      expect(answer).to.deep.equal({ reported: 0, role: [false, true] });
      expect(delivery).to.include({ state: 'succeeded' });
      expect(archive.stored.slice(before).toSorted()).to.deep.equal(uids);
      expect(history.map(({ outcome, detail, answer }) => [outcome, detail, answer])).to.deep.equal([
        ['waiting', WAITS, 'it took the request, and has not reported yet'],
        ['succeeded', undefined, '2 committed, 0 failed'],
      ]);
    });

    it('that failed for an instance sends that one again, and asks again', async () => {
      const before = archive.stored.length;
      const { study, uids } = await receive(hub, 'patient');
      const [lost = '', kept = ''] = uids;
      const first = await next();
      await archive.report({
        report: first.asked,
        committed: [kept],
        failed: [[lost, 0x0112]],
        port: hub.dimsePort,
      });

      const second = await next();
      await archive.report({ report: second.asked, committed: uids, port: hub.dimsePort });
      const delivery = await ended(hub, study, 'patient');
      const failed = (await historyOf(hub, delivery)).find(({ outcome }) => outcome === 'failed');

      expect(delivery).to.include({ state: 'succeeded' });
      expect(archive.stored.slice(before).toSorted()).to.deep.equal([...uids, lost].toSorted());
      expect(second.asked).to.not.equal(first.asked);
      expect(failed).to.include({ code: 'delivery.mismatch' });
      expect(failed?.detail).to.include('0x0112 no such object instance × 1');
    });

    it('that fails for good makes a dead letter which names the Failure Reason', async () => {
      const { study, uids } = await receive(hub, 'patient', 1);
      const request = await next();

      await archive.report({ report: request.asked, failed: [[uids[0] ?? '', 0x0122]], port: hub.dimsePort });
      const delivery = await ended(hub, study, 'patient');

      expect(delivery).to.include({ state: 'dead' });
      expect(delivery.reason).to.include('0x0122');
    });

    it('is answered with what is wrong about a report, and the delivery waits on', async () => {
      const { study, uids } = await receive(hub, 'patient', 1);
      const { asked: report } = await next();
      await waiting(hub, study);
      const port = hub.dimsePort;

      const answers = {
        stranger: await archive.report({ report, committed: uids, port, calling: 'STRANGER' }),
        otherTitle: await archive.report({ report, committed: uids, port, called: 'SECOND' }),
        unknown: await archive.report({ report: newUid(), committed: uids, port }),
        event: await archive.report({ report, committed: uids, port, event: 3 }),
        empty: await archive.report({ report, port }),
      };
      const stillWaits = await deliveryOf(hub, study);

      expect(answers).to.deep.equal({
        stranger: { reported: 'rejected' },
        otherTitle: { reported: 'rejected' },
        unknown: { reported: 0x0115, role: [false, true] },
        event: { reported: 0x0113, role: [false, true] },
        empty: { reported: 0x0115, role: [false, true] },
      });
      expect(stillWaits).to.include({ state: 'pending', reason: WAITS });

      const taken = await archive.report({ report, committed: uids, port, role: false, store: true });
      const again = await archive.report({ report, committed: uids, port });
      await ended(hub, study, 'patient');

      expect(taken).to.include({ reported: 0, stores: false });
      expect(again).to.include({ reported: 0 });
      const metrics = await (await hub.get('/metrics')).text();
      expect(metrics).to.match(/hub_gateway_commitment_results_total\{destination="hasty",outcome="unknown"\} 1/);
      expect(metrics).to.match(
        /hub_gateway_commitment_results_total\{destination="patient",outcome="recorded"\} [1-9]/,
      );
    });

    it('that is never reported is asked for again, then looked for with C-FIND', async () => {
      const before = archive.finds();
      const { study } = await receive(hub, 'hasty', 1);
      const first = await next();
      const second = await next();
      const delivery = await ended(hub, study, 'hasty');

      expect(delivery).to.include({ state: 'succeeded' });
      expect(second.asked).to.not.equal(first.asked);
      expect(archive.finds()).to.equal(before + 1);
      expect(await archive.report({ report: second.asked, committed: ['1.2.3'], port: hub.dimsePort })).to.include({
        reported: 0,
      });
    });
  });

  describe('of Orthanc', () => {
    let hub: HubProcess;
    let orthanc: OrthancPeer;
    before(async () => {
      hub = await HubProcess.create({ config: {} });
      orthanc = await startOrthanc({ modalities: { hub: { aeTitle: 'HUB', port: hub.dimsePort } } });
      const to = { type: 'c-store', host: '127.0.0.1', port: orthanc.port, aeTitle: orthanc.aeTitle, retry: RETRY };
      await hub.configure({
        gateway: { dimse: { sources: SOURCES } },
        destinations: [{ ...to, name: 'orthanc', verify: 'commitment', commitment: NEVER }],
        routes: routesTo('orthanc'),
      });
      await hub.start();
    });
    after(async () => {
      await orthanc.stop();
      await hub.remove();
    });

    it('is reported on an association of its own, and the delivery succeeds', async () => {
      const { study } = await receive(hub, 'orthanc', 3);

      const delivery = await ended(hub, study, 'orthanc');

      expect(delivery).to.include({ state: 'succeeded' });
      expect(hub.log()).to.match(/storage commitment reported.*"committed":3/);
    });
  });
});
