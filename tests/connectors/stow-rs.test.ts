import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { parseStoreResponse } from '../../connectors/stow-rs/store-response.ts';
import { open as openStowRs } from '../../connectors/stow-rs/connector.ts';
import { stowRs } from '../../connectors/stow-rs/index.ts';
import { freePort } from '../support/child-process.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../support/outgoing.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { thrownBy } from '../support/thrown.ts';
import type { RunItem } from '../../core/store.ts';

function open(store: MemoryStore, url: string, changes: Readonly<Record<string, unknown>> = {}) {
  const options = stowRs.options.parse({ name: 'kct-pacs', type: 'stow-rs', url, answerTimeout: '2s', ...changes });
  return openStowRs(options, contextOf(store, { PASSWORD: 'se:cret', TOKEN: 'abc' }));
}

async function images(store: MemoryStore, count: number): Promise<readonly RunItem[]> {
  return await Promise.all(Array.from({ length: count }, (_, index) => store.instance(mrImage(index + 1))));
}

describe('the STOW-RS connector', () => {
  describe('with Orthanc', () => {
    let orthanc: OrthancPeer;
    before(async function () {
      this.timeout(120_000);
      orthanc = await startOrthanc({ dicomWeb: true });
    });
    after(() => orthanc.stop());

    it('delivers in batches, and a second time without harm', async () => {
      const store = new MemoryStore();
      const items = await images(store, 23);
      const delivered: string[] = [];
      const connector = open(store, orthanc.dicomWebUrl);

      await connector.deliver(orderOf([...items, store.artefact('qc/report.json', '{}')]), (uid) =>
        delivered.push(uid),
      );
      await connector.deliver(orderOf(items), (uid) => delivered.push(uid));

      const statistics: unknown = await (await fetch(`${orthanc.url}/statistics`)).json();
      expect(statistics).to.include({ CountStudies: 1, CountInstances: 23 });
      expect(delivered).to.have.length(46);
      expect(store.openSources).to.equal(0);
    });

    it('leaves the very bytes of the file there', async () => {
      const store = new MemoryStore();
      const bytes = mrImage(900);
      const item = await store.instance(bytes);

      await open(store, orthanc.dicomWebUrl).deliver(orderOf([item]), () => undefined);

      const found: unknown = await (
        await fetch(`${orthanc.url}/tools/lookup`, { method: 'POST', body: item.sopInstanceUid })
      ).json();
      const [{ Path: path }] = found as [{ Path: string }];
      const file = Buffer.from(await (await fetch(`${orthanc.url}${path}/file`)).arrayBuffer());
      expect(file.equals(bytes)).to.equal(true);
    });

    it('reads the answer of a server that refuses an object and takes the rest', async () => {
      const store = new MemoryStore();
      const good = await store.instance(mrImage(950));
      const bad = {
        ...(await store.instance(mrImage(951))),
        blob: store.artefact('x', 'this is no DICOM file').blob,
        sizeBytes: 21,
      };
      const delivered: string[] = [];

      const error = await thrownBy(
        open(store, orthanc.dicomWebUrl).deliver(orderOf([good, bad]), (uid) => delivered.push(uid)),
      );

      expect(delivered).to.deep.equal([good.sopInstanceUid]);
      expect(error.code).to.equal('partner.rejected-instances');
      expect(String(error.fields['rejected'])).to.contain('2.25.7000.1.1.951');
    });
  });

  describe('with a server that answers as told', () => {
    const requests: { readonly headers: IncomingMessage['headers']; readonly body: Buffer }[] = [];
    let answer: (response: ServerResponse) => void = () => undefined;
    let server: Server;
    let url = '';

    before(async () => {
      server = createServer((request, response) => {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part));
        request.on('end', () => {
          requests.push({ headers: request.headers, body: Buffer.concat(parts) });
          answer(response);
        });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      url = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}/dicom-web/`;
    });
    beforeEach(() => {
      requests.length = 0;
    });
    after(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });

    const respond = (status: number, body: unknown = '', headers: Readonly<Record<string, string>> = {}) => {
      answer = (response) =>
        response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    };

    it('sends no more than ten instances and ten megabytes at once, with the length said', async () => {
      respond(200);
      const store = new MemoryStore();

      await open(store, url).deliver(orderOf(await images(store, 12)), () => undefined);

      expect(
        requests.map(({ body }) => body.toString('latin1').split('application/dicom\r\n').length - 1),
      ).to.deep.equal([10, 2]);
      expect(requests.map(({ headers }) => Number(headers['content-length']))).to.deep.equal(
        requests.map(({ body }) => body.length),
      );
    });

    it('keeps a batch below the size it was given', async () => {
      respond(200);
      const store = new MemoryStore();

      await open(store, url, { batch: { instances: 10, size: '20kB' } }).deliver(
        orderOf(await images(store, 5)),
        () => undefined,
      );

      expect(requests).to.have.length(3);
    });

    it('sends less at once to a server that takes no more, learns it, and gives up only what alone is too large', async () => {
      const store = new MemoryStore();
      const items = await images(store, 12);
      const small = Math.max(...items.map(({ sizeBytes }) => sizeBytes));
      const large = await store.instance(mrImage(50, { ImageComments: 'x'.repeat(5 * small) }));
      const limit = 3 * small + 2_000;
      answer = (response) => response.writeHead((requests.at(-1)?.body.length ?? 0) > limit ? 413 : 200).end();
      const connector = open(store, url);
      const delivered: string[] = [];

      const error = await thrownBy(
        connector.deliver(orderOf([...items.slice(0, 6), large, ...items.slice(6)]), (uid) => delivered.push(uid)),
      );
      const refused = requests.filter(({ body }) => body.length > limit).length;
      requests.length = 0;
      await connector.deliver(orderOf(items), (uid) => delivered.push(uid));

      expect(error.code).to.equal('partner.rejected-instances');
      expect(String(error.fields['rejected'])).to.match(
        new RegExp(`^${large.sopInstanceUid} 0x0110 larger than the server takes at once`),
      );
      expect(delivered.slice(0, 12)).to.deep.equal(
        Array.from({ length: 12 }, (_, index) => `2.25.7000.1.1.${String(index + 1)}`),
      );
      expect(refused).to.be.lessThan(6);
      expect(requests.every(({ body }) => body.length <= limit)).to.equal(true);
      expect(store.openSources).to.equal(0);
    });

    it('says who it is', async () => {
      respond(200);
      const store = new MemoryStore();
      const order = orderOf(await images(store, 1));

      await open(store, url, { auth: { bearer: { env: 'TOKEN' } }, headers: { 'X-Site': 'kuopio' } }).deliver(
        order,
        () => undefined,
      );
      await open(store, url, { auth: { basic: { user: 'hub', password: { env: 'PASSWORD' } } } }).deliver(
        order,
        () => undefined,
      );

      expect(requests.map(({ headers }) => headers.authorization)).to.deep.equal([
        'Bearer abc',
        `Basic ${Buffer.from('hub:se:cret').toString('base64')}`,
      ]);
      expect(requests[0]?.headers['x-site']).to.equal('kuopio');
    });

    it('takes an instance that was there already as delivered', async () => {
      respond(409, failed([['2.25.7000.1.1.1', 0x0111]]));
      const store = new MemoryStore();
      const delivered: string[] = [];

      await open(store, url).deliver(orderOf(await images(store, 1)), (uid) => delivered.push(uid));

      expect(delivered).to.deep.equal(['2.25.7000.1.1.1']);
    });

    it('does not take it so when the instance was changed since: the server refused the new content', async () => {
      respond(409, failed([['2.25.7000.1.1.1', 0x0111]]));
      const store = new MemoryStore();
      const delivered: string[] = [];
      const order = orderOf(await images(store, 1), { revised: new Set(['2.25.7000.1.1.1']) });

      const error = await thrownBy(open(store, url).deliver(order, (uid) => delivered.push(uid)));

      expect(delivered).to.deep.equal([]);
      expect(error).to.include({ code: 'partner.rejected-instances' });
    });

    it('believes the Failed SOP Sequence of a 202, not the status', async () => {
      respond(202, { ...referenced(['2.25.7000.1.1.1']), ...failed([['2.25.7000.1.1.2', 0xa900]]) });
      const store = new MemoryStore();
      const delivered: string[] = [];

      const error = await thrownBy(
        open(store, url).deliver(orderOf(await images(store, 3)), (uid) => delivered.push(uid)),
      );

      expect(delivered).to.deep.equal(['2.25.7000.1.1.1']);
      expect(error.fields['rejected']).to.deep.equal([
        '2.25.7000.1.1.2 0xA900',
        '2.25.7000.1.1.3 0x0110 not in the answer',
      ]);
    });

    it('tries again when the server is out of room', async () => {
      respond(409, failed([['2.25.7000.1.1.1', 0xa700]]));
      const store = new MemoryStore();

      const error = await thrownBy(open(store, url).deliver(orderOf(await images(store, 1)), () => undefined));

      expect([error.code, error.row.retry]).to.deep.equal(['partner.busy', 'transient']);
    });

    const rows: readonly (readonly [string, number, string, string])[] = [
      ['a 503 with Retry-After', 503, 'partner.busy', 'transient'],
      ['a 500', 500, 'partner.busy', 'transient'],
      ['a 429', 429, 'partner.busy', 'transient'],
      ['a 400', 400, 'partner.refused', 'permanent'],
      ['a 401', 401, 'partner.refused', 'permanent'],
      ['a 413 of one instance', 413, 'partner.rejected-instances', 'permanent'],
      ['a redirect', 302, 'partner.refused', 'permanent'],
      ['a 409 that lists nothing', 409, 'partner.refused', 'permanent'],
      ['a 202 that lists nothing', 202, 'partner.refused', 'permanent'],
    ];
    for (const [what, status, code, retry] of rows) {
      it(`finds ${what} ${retry}`, async () => {
        respond(status, 'sorry', { 'Retry-After': '7', Location: url });
        const store = new MemoryStore();

        const error = await thrownBy(open(store, url).deliver(orderOf(await images(store, 1)), () => undefined));

        expect([error.code, error.row.retry]).to.deep.equal([code, retry]);
        if (code === 'partner.busy') expect(error.fields['retryAfterMs']).to.equal(7000);
      });
    }

    it('does not take the page of a proxy or a login for a receipt', async () => {
      for (const type of ['text/html', 'application/json', 'text/plain']) {
        respond(200, '<html><body>Please sign in</body></html>', { 'Content-Type': type });
        const store = new MemoryStore();
        const delivered: string[] = [];

        const error = await thrownBy(
          open(store, url).deliver(orderOf(await images(store, 1)), (uid) => delivered.push(uid)),
        );

        expect([error.code, delivered]).to.deep.equal(['partner.refused', []]);
      }
    });

    it('takes an empty 200, or one in XML, for what it says', async () => {
      for (const [body, type] of [
        ['', 'text/plain'],
        ['<NativeDicomModel/>', 'application/dicom+xml'],
      ] as const) {
        respond(200, body, { 'Content-Type': type });
        const store = new MemoryStore();
        const delivered: string[] = [];

        await open(store, url).deliver(orderOf(await images(store, 1)), (uid) => delivered.push(uid));

        expect(delivered).to.have.length(1);
      }
    });

    it('calls it ambiguous when the server took everything and says nothing', async () => {
      answer = () => undefined;
      const store = new MemoryStore();
      const connector = open(store, url, { answerTimeout: '300ms' });

      const error = await thrownBy(connector.deliver(orderOf(await images(store, 1)), () => undefined));

      expect([error.code, error.row.retry]).to.deep.equal(['partner.timeout', 'ambiguous']);
    });
  });

  it('finds nobody there transient', async () => {
    const store = new MemoryStore();

    const error = await thrownBy(
      open(store, `http://127.0.0.1:${await freePort()}`).deliver(orderOf(await images(store, 1)), () => undefined),
    );

    expect([error.code, error.fields['reason']]).to.deep.equal(['partner.unreachable', 'ECONNREFUSED']);
  });
});

describe('the answer to a STOW-RS request', () => {
  it('is read as one data set or an array of one', () => {
    const one = { ...referenced(['1.2']), ...failed([['1.3', 272]]) };

    const read = [one, [one]].map((body) => parseStoreResponse(Buffer.from(JSON.stringify(body))));

    for (const each of read) {
      expect([...(each?.stored ?? [])]).to.deep.equal(['1.2']);
      expect([...(each?.failed ?? [])]).to.deep.equal([['1.3', 272]]);
    }
  });

  it('is nothing when it is no DICOM JSON', () => {
    const bodies = ['', '<html>', 'null', '[]', '{"00081199": 3}'];

    expect(bodies.map((body) => parseStoreResponse(Buffer.from(body)))).to.deep.equal(bodies.map(() => undefined));
  });
});

function referenced(uids: readonly string[]) {
  return { '00081199': { vr: 'SQ', Value: uids.map((uid) => ({ '00081155': { vr: 'UI', Value: [uid] } })) } };
}

function failed(rows: readonly (readonly [string, number])[]) {
  const items = rows.map(([uid, reason]) => ({
    '00081155': { vr: 'UI', Value: [uid] },
    '00081197': { vr: 'US', Value: [reason] },
  }));
  return { '00081198': { vr: 'SQ', Value: items } };
}
