import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeAuthority } from '../support/certificates.ts';
import { run } from '../support/child-process.ts';
import { startCommitmentScu, type CommitmentScu } from '../support/commitment-scu.ts';
import { HubProcess, lastingPort } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { dcmtk } from '../support/peers.ts';
import { MR } from '../support/raw-association.ts';
import { waitFor } from '../support/wait-for.ts';

describe('a hub that is killed between the request for a storage commitment and its result', function () {
  this.timeout(120_000);
  let hub: HubProcess | undefined;
  const scus: CommitmentScu[] = [];

  afterEach(async () => {
    for (const scu of scus.splice(0)) await scu.stop();
    await hub?.remove();
  });

  it('tells the result after its next start, over TLS and by the configuration file', async () => {
    const listen = await lastingPort();
    const tlsPort = await lastingPort();
    hub = await HubProcess.create({ config: {}, env: { HUB_TEST_PASSCODE: 'open sesame' } });
    const pki = join(hub.folder, 'pki');
    await mkdir(pki);
    const authority = await makeAuthority(pki);
    const own = await authority.sign('hub', '/CN=localhost');
    const scanner = await authority.sign('mr-1', '/O=Hospital/CN=mr-1');
    await hub.configure({
      gateway: {
        dimse: {
          titles: [{ aeTitle: 'ARCHIVE', sources: ['pv-7t'] }],
          sources: [
            {
              ...{ name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] },
              certificate: { subject: 'CN=mr-1' },
              storageCommitment: { host: 'localhost', port: listen, tls: true },
            },
            {
              ...{ name: 'named', aeTitle: 'NAMED', hosts: ['127.0.0.1'] },
              userIdentity: { username: 'mr', passcode: { env: 'HUB_TEST_PASSCODE' } },
            },
          ],
          tls: {
            port: tlsPort,
            certificate: { file: own.certificate },
            key: { file: own.key },
            ca: { file: authority.certificate },
          },
          storageCommitment: { retry: { attempts: 1000, firstDelay: '1s', maxDelay: '1s' } },
        },
      },
    });
    await hub.start();
    const instance = mrInstance();
    const file = join(hub.folder, 'instance.dcm');
    await writeFile(file, instance.part10);
    const tools = await dcmtk();
    const tls = ['+tls', scanner.key, scanner.certificate, '+cf', authority.certificate];
    const titles = ['-aet', 'PV7T', '-aec', 'ARCHIVE'];
    const sent = await run(tools.command('storescu'), [...tls, ...titles, 'localhost', String(tlsPort), file]);
    expect(sent.code, sent.stderr).to.equal(0);
    const files = { certificate: scanner.certificate, key: scanner.key, ca: authority.certificate };
    const asking = await startCommitmentScu({
      ...{ port: tlsPort, called: 'ARCHIVE', transaction: newUid(), tls: files },
      items: [[MR, instance.sopInstanceUid]],
    });
    scus.push(asking);
    expect(await asking.action()).to.equal(0);

    await hub.kill();
    const taking = await startCommitmentScu({ listen, tls: files });
    scus.push(taking);
    await hub.start();
    const [result] = await taking.results(1, 30_000);

    expect(result).to.deep.include({ event: 1, by: 'ARCHIVE', committed: [instance.sopInstanceUid], failed: [] });
    // The association is released before the ledger is told.
    await waitFor('the log', () => hub?.log().includes('storage commitment reported'));
    expect(hub.log()).to.not.include('open sesame');
  });
});
