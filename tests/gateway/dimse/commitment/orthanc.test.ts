import { expect } from 'chai';
import { freePort } from '../../../support/child-process.ts';
import { mrInstance, newUid } from '../../../support/mr-instance.ts';
import { startOrthanc, type OrthancPeer } from '../../../support/peer-servers.ts';
import { MR } from '../../../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../../../support/running-gateway.ts';
import { waitFor } from '../../../support/wait-for.ts';

const CT = '1.2.840.10008.5.1.4.1.1.2';

interface Outcome {
  readonly Status: string;
  readonly Success?: readonly { readonly SOPInstanceUID: string }[];
  readonly Failures?: readonly { readonly SOPInstanceUID: string; readonly FailureReason: number }[];
}

describe('storage commitment with Orthanc', function () {
  this.timeout(90_000);
  let orthanc: OrthancPeer | undefined;
  let hub: RunningGateway | undefined;

  before(async () => {
    // Each has to know the other's port before it starts.
    const port = await freePort();
    orthanc = await startOrthanc({ modalities: { hub: { aeTitle: 'HUB', port } } });
    const address = { host: '127.0.0.1', port: orthanc.port, tls: false };
    hub = await startGateway({
      dimse: {
        port,
        sources: [
          {
            ...{ name: 'orthanc', aeTitle: 'ORTHANC', hosts: ['127.0.0.1'] },
            storageCommitment: { address, triesSameAssociation: true },
          },
        ],
      },
    });
  });

  after(async () => {
    await hub?.remove();
    await orthanc?.stop();
  });

  it('sends it instances and asks the hub to be answerable for them, which it is', async () => {
    const instances = Array.from({ length: 3 }, () => mrInstance({ StudyInstanceUID: '1.2.3.4' }));
    const resources: string[] = [];
    for (const { part10 } of instances) {
      const answer = (await post('/instances', part10)) as { readonly ID: string };
      resources.push(answer.ID);
    }

    // Stores, and asks for commitment at the end of the job.
    const job = (await post(
      '/modalities/hub/store',
      JSON.stringify({ Resources: resources, StorageCommitment: true, Synchronous: false }),
    )) as { readonly ID: string };
    const transaction = await waitFor(
      'the job',
      async () => {
        const { Content, State } = (await get(`/jobs/${job.ID}`)) as {
          readonly State: string;
          readonly Content: { readonly StorageCommitmentTransactionUID?: string };
        };
        if (State === 'Failure') throw new Error(JSON.stringify(Content));
        return State === 'Success' ? Content.StorageCommitmentTransactionUID : undefined;
      },
      30_000,
    );
    const outcome = await result(transaction);

    expect(outcome.Status).to.equal('Success');
    expect(outcome.Success?.map(({ SOPInstanceUID }) => SOPInstanceUID).toSorted()).to.deep.equal(
      instances.map(({ sopInstanceUid }) => sopInstanceUid).toSorted(),
    );
  });

  it('is told which of them the hub has not, and which is of another class', async () => {
    const [stored] = (await hub?.ledger.commitments.list({ limit: 1 })) ?? [];
    const [first] = (await hub?.ledger.commitments.items(stored?.commitmentId ?? '')) ?? [];
    const missing = newUid();
    const known = first?.sopInstanceUid ?? '';

    const { ID } = (await post(
      '/modalities/hub/storage-commitment',
      JSON.stringify({
        DicomInstances: [
          [MR, missing],
          [CT, known],
        ],
      }),
    )) as { readonly ID: string };
    const outcome = await result(ID);

    expect(outcome.Status).to.equal('Failure');
    expect(
      outcome.Failures?.map(({ SOPInstanceUID, FailureReason }) => [SOPInstanceUID, FailureReason]),
    ).to.have.deep.members([
      [missing, 0x0112],
      [known, 0x0119],
    ]);
  });

  async function result(transaction: string): Promise<Outcome> {
    return waitFor(
      'the result',
      async () => {
        const outcome = (await get(`/storage-commitment/${transaction}`)) as Outcome;
        return outcome.Status === 'Pending' ? undefined : outcome;
      },
      30_000,
    );
  }

  async function post(path: string, body: string | Uint8Array): Promise<unknown> {
    const answer = await fetch(`${orthanc?.url ?? ''}${path}`, { method: 'POST', body: Buffer.from(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  async function get(path: string): Promise<unknown> {
    return (await fetch(`${orthanc?.url ?? ''}${path}`)).json();
  }
});
