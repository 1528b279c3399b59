import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import { createCursors } from '../../../connectors/feed/cursor.ts';
import { projectForPartner } from '../../../connectors/feed/projection.ts';
import { checkEvent, EVENTS, type HubEvent } from '../../../core/events.ts';
import type { Ledger } from '../../../core/ledger.ts';
import type { NewEvent } from '../../../core/ledger/common.ts';
import { partnerStream } from '../../../core/partners.ts';
import type { EventBus } from '../../../core/ports.ts';
import { type Auth, type PartnerHub, partnerSettings, startPartnerHub } from '../../support/partner-hub.ts';
import type { RunningHttp } from '../../support/running-http.ts';
import { waitFor } from '../../support/wait-for.ts';

const ORIGINAL = '1.2.826.0.1.777';

function released(partner: string | undefined, index = 1): NewEvent {
  return {
    type: 'study.processed',
    stream: 'hub.result.v1',
    key: ORIGINAL,
    correlationId: 'association-1',
    causationId: randomUUID(),
    data: {
      studyInstanceUid: ORIGINAL,
      revision: index,
      runId: randomUUID(),
      route: 'secret-route',
      ...(partner === undefined ? {} : { partner }),
      releasedStudyInstanceUid: partner === undefined ? ORIGINAL : `2.25.${partner === 'kct' ? 1 : 2}`,
      instances: 3,
      artefacts: 1,
      destinations: ['kct-pacs', 'uef-pacs', 'own-archive'],
    },
  };
}

interface Page {
  readonly events: readonly {
    readonly id: string;
    readonly type: string;
    readonly subject: string;
    readonly data: Readonly<Record<string, unknown>>;
  }[];
  readonly cursor: string;
  readonly hasMore: boolean;
}

describe('the feed of a partner', () => {
  let hub: PartnerHub;
  let ledger: Ledger;
  let bus: EventBus;
  let http: RunningHttp;
  let kct: Auth;
  let uef: Auth;

  beforeEach(async () => {
    hub = await startPartnerHub([partnerSettings('kct'), partnerSettings('uef')], { heartbeatMs: 150 });
    ({ ledger, bus, http } = hub);
    [kct, uef] = [await hub.as('kct'), await hub.as('uef')];
  });
  afterEach(() => hub.stop());

  const get = async (query: string, headers: Readonly<Record<string, string>>): Promise<Page> => {
    const response = await fetch(`${http.url}/partner/v1/events${query}`, { headers });
    expect(response.status).to.equal(200);
    return (await response.json()) as Page;
  };
  const until = async (count: number, headers = kct, query = ''): Promise<Page> =>
    await waitFor(`${count} events`, async () => {
      const page = await get(query, headers);
      return page.events.length >= count ? page : undefined;
    });

  it('shows what was released for it, under the pseudonym, as a CloudEvent of its published schema', async () => {
    await ledger.events.append([released('kct')]);

    const { events } = await until(1);

    const [event] = events;
    expect(event).to.deep.include({
      specversion: '1.0',
      source: 'urn:hub:savilahti',
      type: 'hub.study.processed.v1',
      subject: '2.25.1',
      dataschema: '/schemas/partner/hub.study.processed.v1.json',
      data: { studyInstanceUid: '2.25.1', revision: 1, instances: 3, artefacts: 1, destinations: ['kct-pacs'] },
    });
    EVENTS['study.processed'].partner.parse(event?.data);
  });

  it('keeps every trace of the original, of the hub and of other partners back', async () => {
    const facts = [released('kct'), released('uef'), released(undefined)];
    await ledger.events.append(facts);

    const pages = [await until(1), await until(1, uef)];

    for (const page of pages) {
      const text = JSON.stringify(page);
      expect(page.events).to.have.length(1);
      for (const secret of [ORIGINAL, 'secret-route', 'association-1', 'own-archive', 'correlationid', 'causationid']) {
        expect(text).not.to.contain(secret);
      }
      for (const fact of facts) if ('runId' in fact.data) expect(text).not.to.contain(fact.data.runId);
    }
    expect(JSON.stringify(pages[0])).not.to.contain('2.25.2').and.not.to.contain('uef');
    expect(JSON.stringify(pages[1])).not.to.contain('2.25.1').and.not.to.contain('kct');
  });

  it('projects a fact once, however often the bus brings it', async () => {
    await ledger.events.append([released('kct')]);
    await until(1);

    await bus.seek('feed', 0);
    await ledger.events.append([released('kct', 2)]);

    const { events } = await until(2);
    expect(events.map(({ data }) => data['revision'])).to.deep.equal([1, 2]);
  });

  it('is read page by page with a cursor, which stands still at the end', async () => {
    await ledger.events.append([1, 2, 3].map((index) => released('kct', index)));
    await until(3);

    const first = await get('?limit=2', kct);
    const second = await get(`?limit=2&after=${first.cursor}`, kct);
    const third = await get(`?limit=2&after=${second.cursor}`, kct);

    expect(
      [first, second, third].map(({ events, hasMore }) => [events.map(({ data }) => data['revision']), hasMore]),
    ).to.deep.equal([
      [[1, 2], true],
      [[3], false],
      [[], false],
    ]);
    expect(third.cursor).to.equal(second.cursor);
  });

  it('can be narrowed to types', async () => {
    await ledger.events.append([released('kct')]);
    await until(1);

    const other = await get('?types=hub.qc.completed.v1', kct);
    const same = await get('?types=hub.qc.completed.v1,hub.study.processed.v1', kct);

    expect([other.events.length, same.events.length]).to.deep.equal([0, 1]);
  });

  it('refuses what is not a cursor of this very feed, a type it does not have, and other nonsense', async () => {
    await ledger.events.append([released('uef')]);
    const foreign = (await until(1, uef)).cursor;
    const wrong = [`after=${foreign}`, 'after=7', 'after=', 'limit=0', 'limit=5000', 'types=hub.instance.stored.v1'];

    const answers = await Promise.all(
      wrong.map(async (query) => await fetch(`${http.url}/partner/v1/events?${query}`, { headers: kct })),
    );

    expect(answers.map(({ status }) => status)).to.deep.equal(wrong.map(() => 400));
    expect(await answers[0]?.json()).to.include({ type: 'urn:hub:error:request.invalid', status: 400 });
  });

  it('is for partners only', async () => {
    const headers = [
      {},
      await http.as('admin'),
      await http.as('operator'),
      await http.as('auditor'),
      { Authorization: 'Bearer nonsense' },
    ];

    const statuses = await Promise.all(
      headers.flatMap((each) =>
        ['', '/stream'].map(
          async (path) => (await fetch(`${http.url}/partner/v1/events${path}`, { headers: each })).status,
        ),
      ),
    );

    expect(statuses).to.deep.equal([401, 401, 403, 403, 403, 403, 403, 403, 401, 401]);
  });

  describe('as a stream', () => {
    const open = async (headers: Readonly<Record<string, string>>, query = '') => {
      const stop = new AbortController();
      const response = await fetch(`${http.url}/partner/v1/events/stream${query}`, { headers, signal: stop.signal });
      let text = '';
      const reading = (async () => {
        for await (const part of response.body ?? []) text += Buffer.from(part as Uint8Array).toString('utf8');
      })().catch(() => undefined);
      return {
        response,
        text: () => text,
        ids: () => [...text.matchAll(/^id: (.+)$/gm)].map(([, id = '']) => id),
        close: async () => {
          stop.abort();
          await reading;
        },
        ended: reading,
      };
    };

    it('brings what is there and what comes', async () => {
      await ledger.events.append([released('kct', 1)]);
      const stream = await open(kct);
      await waitFor('the first event', () => stream.ids().length === 1);

      await ledger.events.append([released('uef'), released('kct', 2)]);

      await waitFor('the second event', () => stream.ids().length === 2);
      const bodies = [...stream.text().matchAll(/^data: (.+)$/gm)].map(
        ([, data = '']) => JSON.parse(data) as { data: { revision: number } },
      );
      expect(bodies.map(({ data }) => data.revision)).to.deep.equal([1, 2]);
      expect(stream.response.headers.get('content-type')).to.contain('text/event-stream');
      expect(stream.response.headers.get('x-accel-buffering')).to.equal('no');
      await stream.close();
    });

    it('goes on after the last event that was seen, and shares its cursors with the pages', async () => {
      await ledger.events.append([1, 2, 3].map((index) => released('kct', index)));
      await until(3);
      const first = await open(kct);
      await waitFor('all', () => first.ids().length === 3);
      await first.close();

      const again = await open({ ...kct, 'Last-Event-ID': first.ids()[0] ?? '' });
      await waitFor('the rest', () => again.ids().length === 2);

      expect(again.ids()).to.deep.equal(first.ids().slice(1));
      expect((await get(`?after=${first.ids()[1] ?? ''}`, kct)).events).to.have.length(1);
      await again.close();
    });

    it('opens no stream for somebody who only asks for its head', async () => {
      const statuses = [];
      for (let count = 0; count < 9; count += 1)
        statuses.push((await fetch(`${http.url}/partner/v1/events/stream`, { method: 'HEAD', headers: kct })).status);

      const stream = await open(kct);

      expect(new Set(statuses)).to.deep.equal(new Set([200]));
      expect(stream.response.status).to.equal(200);
      await stream.close();
    });

    it('beats while nothing happens, though others are busy', async () => {
      const stream = await open(kct);
      const quiet = new AbortController();
      const others = (async () => {
        while (!quiet.signal.aborted) await ledger.events.append([released('uef')]);
      })();

      await waitFor('two beats', () => (stream.text().match(/^: heartbeat$/gm)?.length ?? 0) >= 2);

      quiet.abort();
      await others;
      expect(stream.ids()).to.deep.equal([]);
      await stream.close();
    });

    it('allows a partner a few streams at once, and the place of one that has gone', async () => {
      const streams = await Promise.all(Array.from({ length: 8 }, () => open(kct)));

      const ninth = await fetch(`${http.url}/partner/v1/events/stream`, { headers: kct });
      const other = await open(uef);
      await streams[0]?.close();

      expect([ninth.status, ninth.headers.get('retry-after'), other.response.status]).to.deep.equal([429, '5', 200]);
      const again = await waitFor('the place', async () => {
        const next = await open(kct);
        if (next.response.status === 200) return next;
        await next.close();
        return undefined;
      });
      await Promise.all([...streams, other, again].map((stream) => stream.close()));
    });

    it('ends when the hub stops', async () => {
      const stream = await open(kct);
      await waitFor('the stream', () => stream.text().includes('retry:'));

      await hub.stop();

      await stream.ended;
      hub = await startPartnerHub([]);
    });
  });
});

describe('the projection of a fact', () => {
  const isOfPartner = () => true;
  const fact = (event: NewEvent): HubEvent => ({ ...event, id: randomUUID(), time: '2026-03-01T08:00:00.000Z' });

  it('is nothing for what has no partner or is not for partners', () => {
    const audited: NewEvent = {
      type: 'action.audited',
      stream: 'hub.audit.v1',
      key: 'a',
      data: { actor: 'a', role: 'admin', action: 'x', subject: 'y', outcome: 'done' },
    };

    expect([released(undefined), audited].map((event) => projectForPartner(fact(event), isOfPartner))).to.deep.equal([
      undefined,
      undefined,
    ]);
  });

  it('fits the partner schema of every type that has one', () => {
    const data: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
      'study.deidentified': {
        policy: 'p',
        policyHash: 'a'.repeat(64),
        tableEdition: '2026c',
        instances: 1,
        counts: { X: 3 },
        reportRef: 'r',
      },
      'qc.completed': { verdict: 'pass', series: [], reportRef: 'r' },
      'segmentation.completed': {
        model: 'm',
        modelVersion: '1',
        modelSha256: 'b'.repeat(64),
        runtime: 'onnx',
        seconds: 1,
        series: [],
      },
      'study.processed': { instances: 1, artefacts: 0, destinations: ['x'] },
      'delivery.succeeded': { deliveryId: randomUUID(), destination: 'x', instances: 1, attempts: 1 },
      'delivery.dead-lettered': { deliveryId: randomUUID(), destination: 'x', reason: 'partner.refused', attempts: 10 },
    };
    const ofNoStudy = ['webhook.disabled'];
    const partnerTypes = Object.entries(EVENTS).filter(
      ([type, entry]) => 'partner' in entry && !ofNoStudy.includes(type),
    );

    for (const [type, entry] of partnerTypes) {
      const full = {
        studyInstanceUid: ORIGINAL,
        revision: 1,
        runId: randomUUID(),
        route: 'r',
        partner: 'kct',
        releasedStudyInstanceUid: '2.25.1',
        ...data[type],
      };
      const event = { type, stream: entry.stream, key: ORIGINAL, data: entry.data.parse(full) } as NewEvent;
      const projected = projectForPartner(fact(event), isOfPartner);
      expect(projected?.stream).to.equal('partner.kct.v1');
      if (projected !== undefined) checkEvent(fact(projected));
    }
    expect(partnerTypes.map(([type]) => type)).to.deep.equal(Object.keys(data));
  });

  it('refuses to let the original study UID through in whatever field', () => {
    const event = released('kct');
    const leaking = { ...event, data: { ...event.data, destinations: [`archive-of-${ORIGINAL}`] } } as NewEvent;

    expect(() => projectForPartner(fact(leaking), isOfPartner)).to.throw(TypeError, 'original study UID');
  });
});

describe('a cursor', () => {
  const cursors = createCursors(Buffer.alloc(32, 7));

  it('comes back as the position it was made of, for the same feed only', () => {
    const cursor = cursors.format(partnerStream('kct'), 123_456_789);

    expect(cursors.parse(partnerStream('kct'), cursor)).to.equal(123_456_789);
    expect(() => cursors.parse(partnerStream('uef'), cursor)).to.throw('not a cursor of this feed');
  });

  it('is the same for the same place, and says nothing of how much else the hub has done', () => {
    const near = [1, 2, 3].map((position) => cursors.format(partnerStream('kct'), position));
    const bytes = near.map((cursor) => Buffer.from(cursor, 'base64url'));

    expect(cursors.format(partnerStream('kct'), 1)).to.equal(near[0]);
    for (const [n, one] of bytes.entries()) {
      expect(one.toString('latin1')).not.to.match(/\b[123]\b/);
      const next = bytes[(n + 1) % 3] ?? Buffer.alloc(0);
      expect([...one].filter((byte, at) => byte === next[at]).length).to.be.lessThan(6);
    }
  });

  it('of another key, or with a bit changed, is none', () => {
    const cursor = Buffer.from(cursors.format(partnerStream('kct'), 5), 'base64url');
    const other = createCursors(Buffer.alloc(32, 8)).format(partnerStream('kct'), 5);
    const changed = Buffer.from(cursor);
    changed[15] = (changed[15] ?? 0) ^ 1;

    for (const text of [other, changed.toString('base64url'), `${cursor.toString('base64url')}AA`, ''])
      expect(() => cursors.parse(partnerStream('kct'), text), text).to.throw('not a cursor of this feed');
  });
});
