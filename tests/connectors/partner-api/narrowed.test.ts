/**
 * What stood in a partner's stream before its entitlement was narrowed: by every way to it, today's entitlement decides, and
 * what was there before answers as what was never there.
 */
import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import type { PartnerGrant } from '../../../core/partners.ts';
import {
  type Auth,
  type PartnerHub,
  partnerSettings,
  type ReleasedStudy,
  startPartnerHub,
} from '../../support/partner-hub.ts';
import { grantOnly } from '../../support/grants.ts';
import { waitFor } from '../../support/wait-for.ts';

type Json = Readonly<Record<string, unknown>>;

describe('an entitlement that is narrowed', () => {
  let hub: PartnerHub;
  let endpoint: Server;
  let url: string;
  let bodies: string[];
  let answer: number;
  let kct: Auth;
  let kept: ReleasedStudy;
  let taken: ReleasedStudy;
  let webhook: string;
  let messages: ReadonlyMap<string, string>;

  beforeEach(async () => {
    [bodies, answer] = [[], 204];
    endpoint = createServer((request, response) => {
      void textOf(request).then((body) => {
        bodies.push(body);
        response.writeHead(answer).end();
      });
    });
    endpoint.listen(0, '127.0.0.1');
    await once(endpoint, 'listening');
    url = `http://127.0.0.1:${String((endpoint.address() as AddressInfo).port)}/`;
    hub = await startPartnerHub([partnerSettings('kct', { webhookHosts: ['127.0.0.1'] })], { heartbeatMs: 100 });
    kct = await hub.as('kct');
    hub.startSender();
    webhook = `/webhooks/${String((await hub.call(kct, 'POST', '/webhooks', { url })).json['webhookId'])}`;
    kept = await hub.release('kct', { route: 'rat-brain' });
    taken = await hub.release('kct', { route: 'mouse' });
    await waitFor('both messages', async () => (await listed(`${webhook}/messages?state=succeeded`)).length === 2);
    messages = new Map(
      (await listed(`${webhook}/messages`)).map((row) => [String(row['subject']), String(row['messageId'])]),
    );
  });
  afterEach(async () => {
    await hub.stop();
    endpoint.closeAllConnections();
    endpoint.close();
    await once(endpoint, 'close');
  });

  const grant = async (change: PartnerGrant): Promise<void> => {
    await grantOnly(hub.ledger, 'kct', change);
    hub.directory.forget();
  };
  const listed = async (path: string): Promise<readonly Json[]> =>
    (await hub.call(kct, 'GET', path)).json['items'] as readonly Json[];
  const subjects = async (query = ''): Promise<readonly string[]> =>
    ((await hub.call(kct, 'GET', `/events${query}`)).json['events'] as readonly Json[]).map((event) =>
      String(event['subject']),
    );
  /** What a stream from the beginning brings until it is silent. */
  const streamed = async (): Promise<string> => {
    const response = await fetch(`${hub.http.url}/partner/v1/events/stream`, { headers: kct });
    let text = '';
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += part;
      if (text.includes('heartbeat')) break;
    }
    return text;
  };

  it('hides by route what stood in the feed, whatever place it is read from, and shows it again when it is granted again', async () => {
    const beginning = await subjects();
    const cursor = String((await hub.call(kct, 'GET', '/events?limit=1')).json['cursor']);

    await grant({ routes: ['rat-brain'] });

    expect(beginning).to.deep.equal([kept.studyInstanceUid, taken.studyInstanceUid]);
    expect(await subjects()).to.deep.equal([kept.studyInstanceUid]);
    expect(await subjects(`?after=${cursor}`)).to.deep.equal([]);
    expect(await subjects('?from=2020-01-01T00:00:00Z&types=hub.study.processed.v1')).to.deep.equal([
      kept.studyInstanceUid,
    ]);
    const stream = await streamed();
    expect(stream).to.contain(kept.studyInstanceUid).and.not.to.contain(taken.studyInstanceUid);
    await grant({});
    expect(await subjects()).to.deep.equal(beginning);
  });

  it('hides messages of webhooks, and sends none of them again', async () => {
    const [messageOfKept, messageOfTaken] = [kept, taken].map((study) => messages.get(study.studyInstanceUid) ?? '');
    await grant({ routes: ['rat-brain'] });
    const before = bodies.length;

    const shown = await listed(`${webhook}/messages`);
    const statuses = [];
    for (const id of [messageOfTaken, randomUUID(), messageOfKept]) {
      statuses.push((await hub.call(kct, 'GET', `${webhook}/messages/${id ?? ''}`)).status);
      statuses.push((await hub.call(kct, 'POST', `${webhook}/messages/${id ?? ''}/redeliver`)).status);
    }
    await hub.call(kct, 'POST', `${webhook}/redeliver`, { since: '2020-01-01T00:00:00Z', states: ['succeeded'] });
    const made = await hub.call(kct, 'POST', '/webhooks', { url, from: '2020-01-01T00:00:00Z' });
    const again = `/webhooks/${String(made.json['webhookId'])}`;
    await waitFor('what may be sent', async () => (await listed(`${again}/messages?state=succeeded`)).length === 1);
    await waitFor('the end of all', async () => (await hub.ledger.webhooks.nextDue(['kct'])) === undefined);

    expect(shown.map((row) => row['subject'])).to.deep.equal([kept.studyInstanceUid]);
    expect(statuses).to.deep.equal([404, 404, 404, 404, 200, 202]);
    expect(bodies.slice(before).join()).to.contain(kept.studyInstanceUid).and.not.to.contain(taken.studyInstanceUid);
  });

  it('hides what was released, delivered and may be retrieved, as what was never there', async () => {
    for (const { runId, studyInstanceUid } of [kept, taken]) {
      await hub.ledger.deliveries.open({ group: 'test', eventId: randomUUID() }, [
        {
          deliveryId: randomUUID(),
          runId,
          destination: 'kct-pacs',
          partner: 'kct',
          releasedStudyInstanceUid: studyInstanceUid,
        },
      ]);
    }
    const deliveries = await listed('/deliveries');

    await grant({ routes: ['rat-brain'] });

    const uids = async (path: string) => (await listed(path)).map((row) => row['studyInstanceUid']);
    expect(await uids('/studies')).to.deep.equal([kept.studyInstanceUid]);
    expect(await uids('/deliveries')).to.deep.equal([kept.studyInstanceUid]);
    const hidden = deliveries.find((row) => row['studyInstanceUid'] === taken.studyInstanceUid);
    for (const path of [`/deliveries/${String(hidden?.['deliveryId'])}`, `/studies/${taken.studyInstanceUid}`]) {
      expect((await hub.call(kct, 'GET', path)).status, path).to.equal(404);
    }
  });

  it('hides events of which nobody knows the route, and shows them to a partner of all routes', async () => {
    await hub.ledger.events.append([
      {
        ...{ type: 'study.processed', stream: 'partner.kct.v1', key: '2.25.77' },
        data: { studyInstanceUid: '2.25.77', revision: 1, instances: 1, artefacts: 0, destinations: [] },
      } as never,
    ]);

    const ofAll = await subjects();
    await grant({ routes: ['rat-brain', 'mouse'] });

    expect(ofAll).to.include('2.25.77');
    expect(await subjects()).to.deep.equal([kept.studyInstanceUid, taken.studyInstanceUid]);
  });

  it('tells of a webhook that was disabled all the same: that is no study', async () => {
    answer = 410;
    await grant({ routes: [] });
    await hub.call(kct, 'POST', `${webhook}/test`);

    const types = await waitFor('the event', async () => {
      const { json } = await hub.call(kct, 'GET', '/events');
      const found = (json['events'] as readonly Json[]).map((event) => event['type']);
      return found.length > 0 ? found : undefined;
    });

    expect(types).to.deep.equal(['hub.webhook.disabled.v1']);
  });
});
