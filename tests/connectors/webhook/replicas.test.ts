/** Webhooks of partners where two hubs share a PostgreSQL ledger. */
import { expect } from 'chai';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPartnerDirectory } from '../../../connectors/partner-api/directory.ts';
import { createKeyBox } from '../../../connectors/webhook/key-box.ts';
import { startWebhookSender, type WebhookSender } from '../../../connectors/webhook/sender.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { NewEvent } from '../../../core/ledger/common.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { Replicas } from '../../platform/ledger/postgres-ledgers.ts';
import { partnerSettings } from '../../support/partner-hub.ts';
import { postgres } from '../../support/postgres.ts';
import { silentLog } from '../../support/silent-log.ts';
import { waitFor } from '../../support/wait-for.ts';

const LEASE_MS = 60_000;
const KEY = randomBytes(32);

describe('webhooks of two hubs on one PostgreSQL ledger', function () {
  this.timeout(60_000);
  let replicas: Replicas;
  let a: Ledger;
  let b: Ledger;
  let endpoint: Server;
  let received: string[];
  let webhookId: string;
  const senders: WebhookSender[] = [];

  before(() => postgres());
  beforeEach(async () => {
    replicas = new Replicas();
    const server = await (await postgres()).createDatabase();
    [a, b] = [await replicas.open(server), await replicas.open(server)];
    received = [];
    endpoint = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        received.push(String(request.headers['webhook-id']));
        response.writeHead(204).end();
      });
    });
    endpoint.listen(0, '127.0.0.1');
    await once(endpoint, 'listening');
    webhookId = randomUUID();
    await a.webhooks.create(
      {
        ...{ webhookId, partner: 'kct', ordered: false, secret: createKeyBox(KEY).make(webhookId).kept },
        url: `http://127.0.0.1:${String((endpoint.address() as AddressInfo).port)}/`,
      },
      9,
    );
  });
  afterEach(async () => {
    await Promise.all(senders.splice(0).map((sender) => sender.stop(0)));
    await replicas.close();
    endpoint.closeAllConnections();
    endpoint.close();
    await once(endpoint, 'close');
  });

  const directoryOf = (ledger: Ledger) =>
    createPartnerDirectory(ledger, () => [partnerSettings('kct', { webhookHosts: ['127.0.0.1'] })]);
  const start = (ledger: Ledger): void => {
    const ports = { ledger, directory: directoryOf(ledger), clock: replicas.clock, log: silentLog };
    senders.push(
      startWebhookSender(
        { ...ports, metrics: createMetrics(), random: () => 0 },
        { hubName: 'savilahti', key: KEY, timeoutMs: 5_000 },
      ),
    );
  };
  const tell = async (ledger: Ledger, study: number): Promise<string> => {
    const id = randomUUID();
    const studyInstanceUid = `2.25.${String(study)}`;
    await ledger.events.append([
      {
        ...{ id, type: 'study.processed', stream: 'partner.kct.v1', key: studyInstanceUid, route: 'rat' },
        // On a partner's stream the data has the partner's schema.
        data: { studyInstanceUid, revision: 1, instances: 1, artefacts: 0, destinations: [] },
      } as unknown as NewEvent,
    ]);
    return id;
  };
  const isThrough = async () =>
    (await a.webhooks.messages('kct', webhookId, { limit: 1, state: 'pending' })).length === 0 &&
    (await a.webhooks.messages('kct', webhookId, { limit: 500, state: 'succeeded' })).length;

  it('tell an endpoint of each event once, whichever of them it happened at', async () => {
    start(a);
    start(b);

    const told = await Promise.all(Array.from({ length: 120 }, (_, n) => tell(n % 2 === 0 ? a : b, n)));
    await waitFor('all of them', async () => (await isThrough()) === told.length);

    expect(received.toSorted()).to.deep.equal(told.toSorted());
  });

  it('take up what a hub that died had begun, when its lease is over, and not before', async () => {
    const id = await tell(a, 1);
    await a.webhooks.fanOut(['kct']);
    const options = { leaseMs: LEASE_MS, now: replicas.clock.now(), partners: ['kct'], perWebhook: 8, limit: 8 };
    const lost = await a.webhooks.claim(options);
    start(b);
    const later = await tell(b, 2);
    await waitFor('what is free', () => Promise.resolve(received.includes(later)));
    const before = [...received];

    replicas.clock.advance(LEASE_MS + 1_000);
    // It looks when something is committed, or its own timer ends.
    await tell(b, 3);
    await waitFor('what was lost', () => Promise.resolve(received.includes(id)));

    expect(lost.map(({ messageId }) => messageId)).to.deep.equal([id]);
    expect(before).to.deep.equal([later]);
    expect(received.filter((each) => each === id)).to.have.length(1);
  });

  it('agree within moments on what was granted, and on who is a partner', async () => {
    const other = directoryOf(b);
    const now = new Date();
    expect([await other.hasAccess('kct', now), await other.find('uef')]).to.deep.equal([true, undefined]);

    await a.partners.changeGrant('kct', { suspended: true }, 'ann');
    await a.partners.register({ name: 'uef' }, { types: ['qc.completed'] }, 'ann', 9);
    await waitFor('the suspension', async () => !(await other.hasAccess('kct', now)));

    expect((await other.find('uef'))?.entitlements.types).to.deep.equal(['qc.completed']);
  });
});
