/** The stages in processes of their own: one asks for a storage commitment, another hears what came of it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CommitmentScp, startCommitmentScp } from '../support/commitment-scp.ts';
import { ended } from '../support/hub-api.ts';
import type { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { type Cluster, startCluster } from '../support/region/cluster.ts';
import { type SharedServers, startSharedServers } from '../support/region/servers.ts';
import { send } from '../support/scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';

describe('a storage commitment that one process asks for and another hears of', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  let archive: CommitmentScp;
  let servers: SharedServers;
  let cluster: Cluster;
  before(async () => {
    archive = await startCommitmentScp();
    servers = await startSharedServers();
    cluster = await startCluster({
      servers,
      stages: ['gateway', 'gateway', 'routers,processors,connectors'],
      config: {
        gateway: {
          completion: { quiet: '1s', force: '60s' },
          dimse: { sources: [{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] }] },
        },
        destinations: [
          {
            ...{ name: 'pacs', type: 'c-store', host: '127.0.0.1', port: archive.port, aeTitle: archive.aeTitle },
            ...{ verify: 'commitment', commitment: { sameAssociation: '0s', wait: '30d' } },
          },
        ],
        routes: [{ name: 'all', when: { Modality: 'MR' }, process: [], deliver: ['pacs'] }],
      },
    });
  });
  after(async () => {
    await cluster.stop();
    await servers.stop();
    await archive.stop();
  });
  const gateway = (n: number): HubProcess => cluster.of('gateway')[n]?.hub ?? expect.fail('no gateway');

  it('is told to a gateway that did not receive the study, while the one that asked is away', async () => {
    const [delivering] = cluster.of('routers,processors,connectors');
    const { part10, sopInstanceUid, ...made } = mrInstance({ StudyInstanceUID: newUid() });
    const file = join(folder.path, 'instance.dcm');
    await writeFile(file, part10);
    expect((await send(gateway(0).dimsePort, [file])).accepted).to.have.length(1);
    const request = await archive.asked(1);
    // Killed before it has noted that all was sent, it would send it once more.
    await waitFor('the delivery to wait', () => delivering?.hub.log().includes('delivery waits to hear'));
    await delivering?.kill();

    const answer = await archive.report({
      report: request.asked,
      committed: [sopInstanceUid],
      port: gateway(1).dimsePort,
    });
    await delivering?.again();
    const admin = [gateway(0), gateway(1)].find((hub) => hub.log().includes('admin token')) ?? gateway(0);
    const delivery = await ended(admin, made.studyInstanceUid, 'pacs', { deadlineMs: 120_000 });

    expect(answer).to.deep.equal({ reported: 0, role: [false, true] });
    expect(delivery).to.include({ state: 'succeeded' });
    expect(archive.stored).to.deep.equal([sopInstanceUid]);
  });
});
