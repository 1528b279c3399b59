/** A gateway whose studies become complete, and those who make them so: a scanner, a STOW-RS client, a source that counts. */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { HubEvent } from '../../../core/events.ts';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { CompletionOptions } from '../../../gateway/completion/rules.ts';
import { mrInstance, newUid, type MrInstance } from '../../support/mr-instance.ts';
import { RawPeer, RELEASE_REQUEST, statusOf, storeRequest } from '../../support/raw-association.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';
import { waitFor } from '../../support/wait-for.ts';

export async function withGateway(
  completion: CompletionOptions,
  test: (hub: RunningGateway) => Promise<void>,
): Promise<void> {
  const hub = await startGateway({ options: { completion } });
  try {
    await test(hub);
  } finally {
    await hub.remove();
  }
}

export async function afterRestart(
  { dataDir }: RunningGateway,
  completion: CompletionOptions,
  test: (hub: RunningGateway) => Promise<void>,
): Promise<void> {
  const hub = await startGateway({ dataDir, options: { completion } });
  try {
    await test(hub);
  } finally {
    await hub.remove();
  }
}

export function studyOf(
  count: number,
  over: Parameters<typeof mrInstance>[0] = {},
): [MrInstance, MrInstance, MrInstance] {
  const study = newUid();
  const make = () => mrInstance({ StudyInstanceUID: study, ...over });
  expect(count).to.be.at.most(3);
  return [make(), make(), make()];
}

/** The status of one STOW-RS request. */
export async function stored(server: Server, parts: readonly Uint8Array[]): Promise<number> {
  const { port } = server.address() as AddressInfo;
  const body = Buffer.concat([
    ...parts.flatMap((part) => [
      Buffer.from('--part\r\nContent-Type: application/dicom\r\n\r\n'),
      part,
      Buffer.from('\r\n'),
    ]),
    Buffer.from('--part--\r\n'),
  ]);
  const headers = {
    'Content-Type': 'multipart/related; type="application/dicom"; boundary=part',
    Accept: 'application/dicom+json',
  };
  return (await fetch(`http://127.0.0.1:${port}/dicom-web/studies`, { method: 'POST', body, headers })).status;
}

export async function associated(hub: RunningGateway, ...instances: readonly MrInstance[]): Promise<RawPeer> {
  const peer = await RawPeer.associate(hub.port);
  for (const instance of instances) {
    peer.send(storeRequest(instance, instance.dataSet));
    expect(statusOf(await peer.next())).to.equal(0);
  }
  return peer;
}

export async function released(hub: RunningGateway, ...instances: readonly MrInstance[]): Promise<void> {
  const peer = await associated(hub, ...instances);
  peer.send(RELEASE_REQUEST);
  await peer.next();
  peer.destroy();
}

export async function completion(hub: RunningGateway): Promise<HubEvent<'study.completed'>['data']> {
  const event = await waitFor('study.completed', async () => {
    const [first] = await hub.ledger.events.read({
      streams: ['hub.ingest.v1'],
      after: 0,
      limit: 100,
      types: ['study.completed'],
    });
    return first;
  });
  return event.data as HubEvent<'study.completed'>['data'];
}

export async function study(hub: RunningGateway, { studyInstanceUid }: MrInstance) {
  return hub.ledger.studies.get(parseStudyInstanceUid(studyInstanceUid));
}

export async function recorded(hub: RunningGateway, instance: MrInstance, instances: number): Promise<void> {
  await waitFor('the ledger to know', async () => (await study(hub, instance))?.instances === instances);
}

export async function requested(
  hub: RunningGateway,
  transactionUid: string,
  instances: readonly MrInstance[],
): Promise<string> {
  const commitmentId = randomUUID();
  const items = instances.map(({ sopInstanceUid }) => ({ sopClassUid: '1.2.840.10008.5.1.4.1.1.4', sopInstanceUid }));
  const names = { source: 'loopback', callingAeTitle: 'PV7T', calledAeTitle: 'HUB', associationId: randomUUID() };
  await hub.ledger.commitments.request(
    { commitmentId, transactionUid, items, ...names },
    new Date(Date.now() + 60_000),
  );
  return commitmentId;
}

/** A QIDO-RS origin server that knows one number. */
export async function countingSource(instances: number) {
  let mood: 'answers' | 'hangs' | 'fails' = 'answers';
  let questions = 0;
  const server = createServer((_, response) => {
    questions += 1;
    if (mood === 'hangs') return;
    response.statusCode = mood === 'fails' ? 503 : 200;
    response.end(JSON.stringify([{ '00201208': { vr: 'IS', Value: [instances] } }]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    query: { kind: 'dicomweb', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dicom-web` } as const,
    questions: () => questions,
    hang: () => (mood = 'hangs'),
    fail: () => (mood = 'fails'),
    answer: () => (mood = 'answers'),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
