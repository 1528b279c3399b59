import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { pauseMs, retryDelayMs } from '../../../connectors/webhook/schedule.ts';
import { grantOnly } from '../../support/grants.ts';
import { type Auth, type PartnerHub, partnerSettings, startPartnerHub } from '../../support/partner-hub.ts';
import { waitFor } from '../../support/wait-for.ts';

interface Received {
  readonly id: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly subject: string;
  readonly type: string;
}

type Json = Readonly<Record<string, unknown>>;

describe('webhooks that a partner manages', () => {
  let hub: PartnerHub;
  let kct: Auth;
  let server: Server;
  let url: string;
  let received: Received[];
  let answer: RequestListener;

  beforeEach(async () => {
    received = [];
    answer = (_request, response) => void response.writeHead(204).end();
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => (body += part));
      request.on('end', () => {
        const headers = Object.fromEntries(Object.entries(request.headers).map(([key, value]) => [key, String(value)]));
        const event = JSON.parse(body) as { subject?: string; type: string };
        received.push({
          id: headers['webhook-id'] ?? '',
          body,
          headers,
          subject: event.subject ?? '',
          type: event.type,
        });
        answer(request, response);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/hook`;
    hub = await startPartnerHub([
      partnerSettings('kct', { webhookHosts: ['127.0.0.1'] }),
      partnerSettings('uef', { webhookHosts: ['127.0.0.1'] }),
    ]);
    kct = await hub.as('kct');
  });
  afterEach(async () => {
    await hub.stop();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const create = async (changes: Json = {}) => {
    const { status, json } = await hub.call(kct, 'POST', '/webhooks', { url, ...changes });
    expect(status, JSON.stringify(json)).to.equal(201);
    return json as { webhookId: string; secret: string; keys: readonly { publicKey: string }[] };
  };
  const messages = async (webhookId: string) =>
    (await hub.call(kct, 'GET', `/webhooks/${webhookId}/messages`)).json['items'] as readonly {
      messageId: string;
      state: string;
      attempts: number;
      subject: string;
      lastStatus?: number;
    }[];

  it('announce each event once, signed, with the id of the event, and log what came of it', async () => {
    const { webhookId, secret } = await create();
    hub.startSender();
    const { studyInstanceUid } = await hub.release('kct');

    await waitFor('the message', async () => (await messages(webhookId))[0]?.state === 'succeeded');

    const [message] = received;
    if (message === undefined) throw new Error('received');
    expect(new Webhook(secret).verify(message.body, message.headers)).to.deep.include({ subject: studyInstanceUid });
    expect(message.headers['webhook-signature']).to.match(/^v1,\S+ v1a,\S+$/);
    const feed = await hub.call(kct, 'GET', '/events');
    expect((feed.json['events'] as readonly Json[])[0]).to.deep.equal(JSON.parse(message.body));
    const log = await hub.call(kct, 'GET', `/webhooks/${webhookId}/messages/${message.id}`);
    expect(log.json).to.deep.include({ messageId: message.id, state: 'succeeded', subject: studyInstanceUid });
    expect((log.json['history'] as readonly Json[])[0]).to.include({ attempt: 1, outcome: 'succeeded', status: 204 });
    expect(received).to.have.length(1);
  });

  it('send only the types asked for, only to their partner', async () => {
    const { webhookId } = await create({ types: ['hub.qc.completed.v1'] });
    const all = await create();
    hub.startSender();
    await hub.release('uef');
    const { studyInstanceUid } = await hub.release('kct');

    await waitFor('the message', async () => (await messages(all.webhookId))[0]?.state === 'succeeded');

    expect(received.map(({ subject }) => subject)).to.deep.equal([studyInstanceUid]);
    expect(await messages(webhookId)).to.deep.equal([]);
  });

  it('begin at a moment or a cursor of the feed when one is named', async () => {
    const first = await hub.release('kct');
    await waitFor(
      'the feed',
      async () => ((await hub.call(kct, 'GET', '/events')).json['events'] as readonly Json[]).length === 1,
    );
    const { cursor } = (await hub.call(kct, 'GET', '/events')).json;
    const second = await hub.release('kct');

    const since = await create({ from: '2020-01-01T00:00:00Z' });
    const after = await create({ after: cursor });
    hub.startSender();

    await waitFor('three messages', () => received.length === 3);
    const subjects = async (id: string) => (await messages(id)).map(({ subject }) => subject).toReversed();
    expect(await subjects(since.webhookId)).to.deep.equal([first.studyInstanceUid, second.studyInstanceUid]);
    expect(await subjects(after.webhookId)).to.deep.equal([second.studyInstanceUid]);
  });

  it('leave a failing endpoint alone for as long as it asks, and redeliver when they are told to', async () => {
    answer = (_request, response) => {
      if (received.length === 1) response.writeHead(503, { 'Retry-After': '1' }).end('<html>busy</html>');
      else response.writeHead(200).end('garbage, no JSON');
    };
    const { webhookId } = await create();
    hub.startSender();
    await hub.release('kct');
    await waitFor('the first attempt', async () => (await messages(webhookId))[0]?.lastStatus === 503);
    const state = (await hub.call(kct, 'GET', `/webhooks/${webhookId}`)).json;
    await hub.release('kct');

    await waitFor('the second message', async () => (await messages(webhookId))[0]?.state === 'succeeded', 10_000);

    expect(state).to.include({ failures: 1, state: 'enabled' });
    expect(state).to.have.property('failingSince');
    const [, first] = await messages(webhookId);
    expect(first).to.include({ state: 'pending', attempts: 1 });
    await hub.call(kct, 'POST', `/webhooks/${webhookId}/messages/${first?.messageId ?? ''}/redeliver`);
    await waitFor('the redelivery', async () => (await messages(webhookId))[1]?.state === 'succeeded');
    expect((await hub.call(kct, 'GET', `/webhooks/${webhookId}`)).json).to.include({ failures: 0 });
  });

  it('are disabled by 410, with an event in the feed, and go on where they stood when they are enabled again', async () => {
    answer = (_request, response) => void response.writeHead(410).end();
    const { webhookId } = await create();
    hub.startSender();
    await hub.release('kct');
    const disabled = await waitFor('it to be disabled', async () => {
      const { json } = await hub.call(kct, 'GET', `/webhooks/${webhookId}`);
      return json['state'] === 'disabled' ? json : undefined;
    });
    await hub.release('kct');
    const events = await waitFor('the event', async () => {
      const all = (await hub.call(kct, 'GET', '/events?types=hub.webhook.disabled.v1')).json[
        'events'
      ] as readonly Json[];
      return all.length > 0 ? all : undefined;
    });
    const tested = await hub.call(kct, 'POST', `/webhooks/${webhookId}/test`);
    answer = (_request, response) => void response.writeHead(200).end();

    await hub.call(kct, 'PATCH', `/webhooks/${webhookId}`, { enabled: true });
    await hub.call(kct, 'POST', `/webhooks/${webhookId}/redeliver`, {
      since: '2020-01-01T00:00:00Z',
      states: ['pending', 'failed'],
    });

    await waitFor('everything', async () => (await messages(webhookId)).every(({ state }) => state === 'succeeded'));
    expect(disabled['disabledBecause']).to.equal('gone');
    expect(events[0]).to.deep.include({ subject: webhookId });
    expect(events[0]?.['data']).to.deep.include({ webhookId, reason: 'gone' });
    expect(tested.status).to.equal(409);
    expect((await messages(webhookId)).length).to.equal(3);
  });

  it('are disabled when nothing arrived for days', async () => {
    answer = (_request, response) => void response.writeHead(500).end();
    const { webhookId } = await create();
    hub.startSender({ disableAfterMs: 0 });
    await hub.release('kct');

    const json = await waitFor('it to be disabled', async () => {
      const found = (await hub.call(kct, 'GET', `/webhooks/${webhookId}`)).json;
      return found['state'] === 'disabled' ? found : undefined;
    });

    expect(json['disabledBecause']).to.equal('failing');
  });

  it('can be tested, and say what came of it', async () => {
    const { webhookId } = await create();
    hub.startSender();

    const { status, json } = await hub.call(kct, 'POST', `/webhooks/${webhookId}/test`);

    await waitFor('the test', () => received.length === 1);
    expect([status, received[0]?.id, received[0]?.type]).to.deep.equal([
      202,
      json['messageId'],
      'hub.connection.tested.v1',
    ]);
    expect((await hub.call(kct, 'GET', '/events')).json['events']).to.deep.equal([]);
  });

  it('sign with both keys while they are being changed, and then with the new one alone', async () => {
    const { webhookId, secret: old } = await create();
    hub.startSender();
    const rotated = await hub.call(kct, 'POST', `/webhooks/${webhookId}/keys`, { overlapSeconds: 60 });
    await hub.call(kct, 'POST', `/webhooks/${webhookId}/test`);
    await waitFor('the first', () => received.length === 1);
    const last = await hub.call(kct, 'POST', `/webhooks/${webhookId}/keys`, { overlapSeconds: 0 });
    await hub.call(kct, 'POST', `/webhooks/${webhookId}/test`);
    await waitFor('the second', () => received.length === 2);

    const believes = (secret: unknown, message: Received | undefined): boolean => {
      try {
        new Webhook(String(secret)).verify(message?.body ?? '', message?.headers ?? {});
        return true;
      } catch {
        return false;
      }
    };
    const [first, second] = received;
    expect([believes(old, first), believes(rotated.json['secret'], first)]).to.deep.equal([true, true]);
    expect([
      believes(old, second),
      believes(rotated.json['secret'], second),
      believes(last.json['secret'], second),
    ]).to.deep.equal([false, false, true]);
    expect(last.json['keys']).to.have.length(1);
  });

  it('keep the order of a study while its first message fails, and let others pass', async () => {
    const blocked = new Set<string>();
    answer = (_request, response) => {
      const { subject } = received.at(-1) ?? { subject: '' };
      response.writeHead(blocked.has(subject) ? 422 : 200).end();
    };
    const { webhookId } = await create({ ordered: true });
    const one = await hub.release('kct');
    blocked.add(one.studyInstanceUid);
    const again = (revision: number) => ({
      type: 'study.processed' as const,
      stream: 'hub.result.v1' as const,
      key: one.original,
      data: {
        ...{ studyInstanceUid: one.original, revision, runId: one.runId, route: 'rat-brain', partner: 'kct' },
        ...{ releasedStudyInstanceUid: one.studyInstanceUid, instances: 1, artefacts: 0, destinations: [] },
      },
    });
    await hub.ledger.events.append([again(2)]);
    hub.startSender();
    await waitFor('the first to fail', async () =>
      (await messages(webhookId)).some(({ lastStatus }) => lastStatus === 422),
    );
    const other = await hub.release('kct');

    await waitFor('the other study', () => received.some(({ subject }) => subject === other.studyInstanceUid), 10_000);

    expect(received.filter(({ subject }) => subject === one.studyInstanceUid)).to.have.length(1);
  });

  it('wait while the partner is suspended, and go on afterwards', async () => {
    const { webhookId } = await create();
    await hub.release('kct');
    await grantOnly(hub.ledger, 'kct', { suspended: true });
    hub.directory.forget();
    hub.startSender();
    const refused = await hub.call(kct, 'GET', '/webhooks');
    await grantOnly(hub.ledger, 'kct', {});
    hub.directory.forget();

    // Any commit that makes work wakes the sender.
    await hub.call(kct, 'POST', `/webhooks/${webhookId}/test`);

    await waitFor('both', () => received.length === 2);
    expect(refused.status).to.equal(403);
  });

  it('cannot be aimed at the inside: by address, by another way to write it, by name, by credentials', async () => {
    const strict = await hub.as('uef');
    hub.settings = [partnerSettings('kct'), partnerSettings('uef')];
    const urls = [
      'https://127.0.0.1/x',
      'https://2130706433/x',
      'https://[::ffff:127.0.0.1]/x',
      'https://169.254.169.254/latest/meta-data',
      'https://10.0.0.1/x',
      'https://localhost/x',
      'https://no-such-name.invalid/x',
      'http://example.org/x',
      'https://example.org:22/x',
    ];

    const answers = await Promise.all(urls.map((each) => hub.call(strict, 'POST', '/webhooks', { url: each })));
    const others = await Promise.all(
      ['https://user:secret@example.org/', 'ftp://example.org/', 'javascript:alert(1)', 'x'].map((each) =>
        hub.call(strict, 'POST', '/webhooks', { url: each }),
      ),
    );

    expect(answers.map(({ status }) => status)).to.deep.equal(urls.map(() => 400));
    // Whether a name is known inside is not told.
    expect(new Set(answers.map(({ json }) => json['detail'])).size).to.equal(1);
    expect(others.map(({ status }) => status)).to.deep.equal([400, 400, 400, 400]);
    expect(JSON.stringify(others)).not.to.contain('secret');
  });

  it('fail with the same words where nobody listens and where they may not go', async () => {
    const { webhookId: forbidden } = await create();
    const { webhookId: deaf } = await create({ url: 'http://127.0.0.1:1/' });
    const historyOf = async (webhookId: string) => {
      const { json } = await hub.call(kct, 'POST', `/webhooks/${webhookId}/test`);
      hub.startSender();
      return await waitFor('an attempt', async () => {
        const message = await hub.call(kct, 'GET', `/webhooks/${webhookId}/messages/${String(json['messageId'])}`);
        return (message.json['history'] as readonly Json[])[0];
      });
    };

    const unreached = await historyOf(deaf);
    hub.settings = [partnerSettings('kct')];
    const refused = await historyOf(forbidden);

    // Two codes would tell which names there are inside.
    expect([refused['code'], refused['detail']]).to.deep.equal([unreached['code'], unreached['detail']]);
    expect(refused['code']).to.equal('partner.unreachable');
    expect(received).to.deep.equal([]);
  });

  it('of one partner do not wait behind those of another that keep the same host busy', async () => {
    const arrived = new Set<string>();
    answer = ({ url: path }, response) => {
      if (path === '/hook') return;
      arrived.add(path ?? '');
      response.writeHead(204).end();
    };
    // More than there are connections to a host.
    for (let count = 0; count < 3; count += 1) {
      const { webhookId } = await create();
      for (let test = 0; test < 8; test += 1) await hub.call(kct, 'POST', `/webhooks/${webhookId}/test`);
    }
    const sender = hub.startSender();
    await waitFor('all connections to hang', () => received.length === 16);
    const other = await hub.as('uef');
    const made = await hub.call(other, 'POST', '/webhooks', { url: `${url}/of-another` });

    await hub.call(other, 'POST', `/webhooks/${String(made.json['webhookId'])}/test`);

    await waitFor('the other', () => arrived.has('/hook/of-another'));
    await sender.stop(0);
  });

  it('are as many as the partner may have', async () => {
    hub.settings = [
      partnerSettings('kct', {
        webhookHosts: ['127.0.0.1'],
        quotas: { requestsPerSecond: 999, webhooks: 1, streams: 1 },
      }),
    ];
    await create();

    expect((await hub.call(kct, 'POST', '/webhooks', { url })).status).to.equal(409);
  });
});

describe('the schedule of a message', () => {
  it('tries for three days and then no more by itself', () => {
    const delays = Array.from({ length: 10 }, (_, index) => retryDelayMs(index + 1, 0));

    expect(delays.slice(0, 3)).to.deep.equal([5_000, 300_000, 1_800_000]);
    expect(delays.reduce<number>((sum, delay) => sum + (delay ?? 0), 0) / 3_600_000).to.be.within(72, 80);
    expect(delays.at(-1)).to.equal(undefined);
    expect(retryDelayMs(1, 0.999)).to.be.within(5_000, 6_000);
  });

  it('leaves an endpoint alone for longer each time, and as long as it asks within reason', () => {
    expect([1, 2, 3, 20].map((failures) => pauseMs(failures, undefined))).to.deep.equal([1_000, 2_000, 4_000, 300_000]);
    expect([pauseMs(1, 60_000), pauseMs(1, 86_400_000)]).to.deep.equal([60_000, 3_600_000]);
  });
});
