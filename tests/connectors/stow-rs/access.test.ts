import { expect } from 'chai';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { open as openStowRs, probe as probeStowRs } from '../../../connectors/stow-rs/connector.ts';
import { stowRs } from '../../../connectors/stow-rs/index.ts';
import type { RunItem } from '../../../core/store.ts';
import { type Authority, makeAuthority } from '../../support/certificates.ts';
import { freePort } from '../../support/child-process.ts';
import { startHttpFront } from '../../support/http-front.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../../support/outgoing.ts';
import { type OrthancPeer, startOrthanc } from '../../support/peer-servers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { startTlsFront } from '../../support/tls-front.ts';

/** A token server (RFC 6749 Section 4.4) that keeps what it was asked and which of its tokens are good. */
async function startTokenServer() {
  const asked: { readonly authorization: string | undefined; readonly form: Readonly<Record<string, string>> }[] = [];
  const good = new Set<string>();
  const behaviour = { expiresIn: 3_600 as number | undefined, body: undefined as string | undefined, status: 200 };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const form = Object.fromEntries(new URLSearchParams(Buffer.concat(parts).toString()));
      asked.push({ authorization: request.headers.authorization, form });
      const token = `token-${String(asked.length)}`;
      if (behaviour.status === 200) good.add(token);
      const body = { access_token: token, token_type: 'Bearer', expires_in: behaviour.expiresIn };
      response.writeHead(behaviour.status, { 'Content-Type': 'application/json' });
      response.end(behaviour.body ?? JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    ...{ asked, good, behaviour, port },
    url: `http://127.0.0.1:${String(port)}/token`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('the STOW-RS connector, where one must say who one is', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let orthanc: OrthancPeer;
  let tokens: Awaited<ReturnType<typeof startTokenServer>>;
  /** Orthanc behind a door that wants one of the token server's good tokens. */
  let guarded: Awaited<ReturnType<typeof startHttpFront>>;
  let authority: Authority;
  let secrets: Readonly<Record<string, string>>;

  before(async function () {
    this.timeout(120_000);
    orthanc = await startOrthanc({ dicomWeb: true });
    authority = await makeAuthority(folder.path);
    const client = await authority.sign('hub', '/CN=hub-savilahti');
    const stranger = await (await makeAuthority(folder.path, 'other-ca')).sign('stranger', '/CN=stranger');
    secrets = {
      SECRET: 'p@ss word:+',
      CA: await readFile(authority.certificate, 'utf8'),
      CERTIFICATE: await readFile(client.certificate, 'utf8'),
      KEY: await readFile(client.key, 'utf8'),
      STRANGER: await readFile(stranger.certificate, 'utf8'),
      STRANGER_KEY: await readFile(stranger.key, 'utf8'),
    };
  });
  after(() => orthanc.stop());
  beforeEach(async () => {
    tokens = await startTokenServer();
    const { port } = new URL(orthanc.url);
    guarded = await startHttpFront(Number(port), async ({ headers }) =>
      tokens.good.has(String(headers.authorization).replace('Bearer ', '')) ? undefined : 401,
    );
  });
  afterEach(async () => {
    await guarded.stop();
    await tokens.stop();
  });

  const optionsOf = (changes: Readonly<Record<string, unknown>>, oauth2: Readonly<Record<string, unknown>> = {}) =>
    stowRs.options.parse({
      ...{ name: 'kct-pacs', type: 'stow-rs', url: `http://127.0.0.1:${String(guarded.port)}/dicom-web` },
      auth: { oauth2: { tokenUrl: tokens.url, clientId: 'hub:1', clientSecret: { env: 'SECRET' }, ...oauth2 } },
      answerTimeout: '5s',
      ...changes,
    });
  const open = (
    store: MemoryStore,
    changes: Readonly<Record<string, unknown>> = {},
    oauth2: Readonly<Record<string, unknown>> = {},
  ) => openStowRs(optionsOf(changes, oauth2), contextOf(store, secrets));
  const images = (store: MemoryStore, count: number): Promise<readonly RunItem[]> =>
    Promise.all(Array.from({ length: count }, (_, index) => store.instance(mrImage(index + 1))));

  it('gets one token for all batches of all deliveries, by its credentials as they are to be encoded', async () => {
    const store = new MemoryStore();
    const items = await images(store, 6);
    const delivered: string[] = [];
    const connector = open(
      store,
      { batch: { instances: 2 }, verify: 'after' },
      { scope: 'dicom.write', audience: 'pacs' },
    );

    await Promise.all(
      [items.slice(0, 3), items.slice(3)].map((some) => connector.deliver(orderOf(some), (uid) => delivered.push(uid))),
    );
    const found = await connector.reconcile?.(orderOf(items));

    expect(delivered).to.have.length(6);
    expect(found?.missing).to.deep.equal([]);
    expect(tokens.asked).to.deep.equal([
      {
        authorization: `Basic ${Buffer.from('hub%3A1:p%40ss+word%3A%2B').toString('base64')}`,
        form: { grant_type: 'client_credentials', scope: 'dicom.write', audience: 'pacs' },
      },
    ]);
  });

  it('renews a token before it ends', async () => {
    const store = new MemoryStore();
    tokens.behaviour.expiresIn = 0.000_001;
    const connector = open(store, { batch: { instances: 1 } }, { credentialsIn: 'form' });

    await connector.deliver(orderOf(await images(store, 3)), () => undefined);

    expect(tokens.asked).to.have.length(3);
    expect(tokens.asked[0]).to.deep.equal({
      authorization: undefined,
      form: { grant_type: 'client_credentials', client_id: 'hub:1', client_secret: 'p@ss word:+' },
    });
  });

  it('renews a token that is refused before its time, once', async () => {
    const store = new MemoryStore();
    const items = await images(store, 4);
    const delivered: string[] = [];
    const connector = open(store, { batch: { instances: 2 } });
    await connector.deliver(orderOf(items), () => undefined);

    tokens.good.clear();
    await connector.deliver(orderOf(items), (uid) => delivered.push(uid));
    const asked = tokens.asked.length;
    tokens.good.clear();
    tokens.good.add = () => tokens.good;
    const error = await thrownBy(connector.deliver(orderOf(items), () => undefined));

    expect([asked, delivered.length]).to.deep.equal([2, 4]);
    expect([error.code, error.fields['status'], tokens.asked.length]).to.deep.equal(['partner.refused', 401, 3]);
  });

  it('says why it has no token: what OAuth 2.0 calls it, and nothing else that the server wrote', async () => {
    const store = new MemoryStore();
    const order = orderOf(await images(store, 1));
    const refusedBy = async (status: number, body: string) => {
      Object.assign(tokens.behaviour, { status, body });
      const error = await thrownBy(open(store).deliver(order, () => undefined));
      return [error.code, error.fields['detail']];
    };
    const gives = 'the token server gives no token';

    expect(await refusedBy(401, '{"error":"invalid_client"}')).to.deep.equal([
      'partner.refused',
      `${gives}: invalid_client`,
    ]);
    expect(await refusedBy(400, '{"error":"<b>Virtanen</b>"}')).to.deep.equal(['partner.refused', gives]);
    expect(await refusedBy(503, 'busy')).to.deep.equal(['partner.busy', gives]);
    expect((await refusedBy(200, '<html>'))[0]).to.equal('partner.refused');
    expect((await refusedBy(200, '{"access_token":"a\\nb","token_type":"bearer"}'))[0]).to.equal('partner.refused');
    const nobody = open(store, {}, { tokenUrl: `http://127.0.0.1:${String(await freePort())}/token` });
    const error = await thrownBy(nobody.deliver(order, () => undefined));
    expect([error.code, error.fields['detail']]).to.deep.equal([
      'partner.unreachable',
      'the token server does not answer',
    ]);
  });

  it('shows its certificate where the server wants one, to it and to the token server', async () => {
    const own = await authority.sign('server', '/CN=server');
    const [pacs, tokenServer] = [
      await startTlsFront(guarded.port, own, authority),
      await startTlsFront(tokens.port, own, authority),
    ];
    try {
      const store = new MemoryStore();
      const order = orderOf(await images(store, 1));
      const url = `https://127.0.0.1:${String(pacs.port)}/dicom-web`;
      const oauth2 = { tokenUrl: `https://127.0.0.1:${String(tokenServer.port)}/token` };
      const tls = { ca: { env: 'CA' }, certificate: { env: 'CERTIFICATE' }, key: { env: 'KEY' } };
      const delivered: string[] = [];

      await open(store, { url, tls }, oauth2).deliver(order, (uid) => delivered.push(uid));
      const failures = [
        await thrownBy(open(store, { url, tls: { ca: { env: 'CA' } } }, oauth2).deliver(order, () => undefined)),
        await thrownBy(open(store, { url }, oauth2).deliver(order, () => undefined)),
        await thrownBy(
          open(
            store,
            { url, tls: { ca: { env: 'CA' }, certificate: { env: 'STRANGER' }, key: { env: 'STRANGER_KEY' } } },
            oauth2,
          ).deliver(order, () => undefined),
        ),
      ];

      expect(delivered).to.have.length(1);
      expect([...pacs.clients, ...tokenServer.clients]).to.deep.equal(['hub-savilahti', 'hub-savilahti']);
      expect(failures.map(({ code }) => code)).to.deep.equal([1, 2, 3].map(() => 'partner.unreachable'));
    } finally {
      await pacs.stop();
      await tokenServer.stop();
    }
  });

  it('is diagnosed with its token and its certificate', async () => {
    const own = await authority.sign('server', '/CN=server');
    const pacs = await startTlsFront(guarded.port, own, authority);
    try {
      const diagnose = async (changes: Readonly<Record<string, unknown>>) => {
        const context = {
          ...contextOf(new MemoryStore(), secrets),
          sendTest: false,
          signal: new AbortController().signal,
        };
        const found = [];
        for await (const { id, verdict } of probeStowRs(optionsOf(changes), context)) found.push(`${id} ${verdict}`);
        return found;
      };
      const tls = { ca: { env: 'CA' }, certificate: { env: 'CERTIFICATE' }, key: { env: 'KEY' } };
      const url = `https://127.0.0.1:${String(pacs.port)}/dicom-web`;

      const good = await diagnose({ url, tls });
      const untrusted = await diagnose({ url });
      Object.assign(tokens.behaviour, { status: 401, body: '{"error":"invalid_client"}' });
      const refused = await diagnose({});

      expect(good.filter((line) => !line.startsWith('tls.'))).to.deep.equal([
        ...['tcp fine', 'token fine', 'clock fine', 'qido fine', 'test-object skipped'],
      ]);
      expect(untrusted).to.include('tls.chain wrong');
      expect(refused).to.deep.equal(['tcp fine', 'token wrong']);
    } finally {
      await pacs.stop();
    }
  });
});
