import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { networkInterfaces } from 'node:os';
import { createAddressGuard, isOwnAddress, isPublicAddress } from '../../../connectors/webhook/address-guard.ts';
import { parseSecret } from '../../../connectors/webhook/signature.ts';
import { open as openWebhook } from '../../../connectors/webhook/connector.ts';
import { webhook } from '../../../connectors/webhook/index.ts';
import { EVENTS } from '../../../core/events.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../../support/outgoing.ts';
import { thrownBy } from '../../support/thrown.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../../support/webhook-receiver.ts';

const OTHER_SECRET = `whsec_${Buffer.alloc(32, 5).toString('base64')}`;

function open(
  store: MemoryStore,
  url: string,
  secrets: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, unknown>> = {},
) {
  const options = webhook.options.parse({
    name: 'kct-hook',
    type: 'webhook',
    partner: 'kct',
    url: 'https://hooks.example.org/',
    secret: { env: 'SECRET' },
    allowHosts: ['127.0.0.1'],
    ...changes,
  });
  // An address that must not be called is a mistake of the configuration; the connector does not rely on that.
  return openWebhook({ ...options, url }, contextOf(store, secrets));
}

describe('the webhook connector', () => {
  describe('with a receiver that verifies by the Standard Webhooks library', () => {
    let receiver: WebhookReceiver;
    beforeEach(async () => {
      receiver = await startWebhookReceiver();
    });
    afterEach(() => receiver.close());

    it('announces what was released, signed, under the pseudonym only', async () => {
      const store = new MemoryStore();
      const image = await store.instance(mrImage(1));
      const report = store.artefact('qc/report.json', '{}');
      const order = orderOf([image, report], { studyInstanceUid: '2.25.99', destination: 'kct-hook', partner: 'kct' });

      await open(store, receiver.url, { SECRET: receiver.secret }).deliver(order, () => undefined);

      expect(receiver.refused).to.deep.equal([]);
      const [{ id, event, body } = { id: '', event: {}, body: '' }] = receiver.received;
      expect(id).to.equal(order.deliveryId);
      expect(event).to.deep.equal({
        specversion: '1.0',
        id: order.deliveryId,
        source: 'urn:hub:savilahti',
        type: 'hub.study.processed.v1',
        subject: '2.25.99',
        datacontenttype: 'application/json',
        dataschema: '/schemas/partner/hub.study.processed.v1.json',
        data: {
          studyInstanceUid: '2.25.99',
          revision: 1,
          instances: 1,
          artefacts: 1,
          destinations: ['kct-hook'],
          files: [{ name: 'qc/report.json', mediaType: 'text/plain', sizeBytes: 2, sha256: report.sha256 }],
        },
      });
      EVENTS['study.processed'].partner.parse((event as { data: unknown }).data);
      for (const secret of [order.runId, 'rat-brain', image.studyInstanceUid]) expect(body).not.to.contain(secret);
    });

    it('sends the same id and text on each attempt', async () => {
      const store = new MemoryStore();
      const connector = open(store, receiver.url, { SECRET: receiver.secret });
      const order = orderOf([await store.instance(mrImage(1))]);

      await connector.deliver(order, () => undefined);
      await connector.deliver({ ...order, attempt: 2 }, () => undefined);

      const [first, second] = receiver.received;
      expect([second?.id, second?.body]).to.deep.equal([first?.id, first?.body]);
    });

    it('signs with the old secret too while it is being changed', async () => {
      const store = new MemoryStore();
      const connector = open(
        store,
        receiver.url,
        { SECRET: OTHER_SECRET, OLD: receiver.secret },
        { previousSecret: { env: 'OLD' } },
      );

      await connector.deliver(orderOf([await store.instance(mrImage(1))]), () => undefined);

      expect(receiver.received).to.have.length(1);
    });

    it('is not believed with another secret, and says so for good', async () => {
      const store = new MemoryStore();

      const error = await thrownBy(
        open(store, receiver.url, { SECRET: OTHER_SECRET }).deliver(
          orderOf([await store.instance(mrImage(1))]),
          () => undefined,
        ),
      );

      expect([error.code, error.fields['status']]).to.deep.equal(['partner.refused', 401]);
      expect(receiver.received).to.deep.equal([]);
    });
  });

  describe('with an endpoint that answers as told', () => {
    let server: Server;
    let port = 0;
    let answer: (response: ServerResponse) => void = () => undefined;
    let asked = 0;
    before(async () => {
      server = createServer((request, response) => {
        asked += 1;
        request.resume();
        answer(response);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      port = typeof address === 'object' && address !== null ? address.port : 0;
    });
    beforeEach(() => {
      asked = 0;
    });
    after(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });

    const rows: readonly (readonly [number, string | undefined])[] = [
      [200, undefined],
      [204, undefined],
      [302, 'permanent'],
      [400, 'permanent'],
      [404, 'permanent'],
      [410, 'permanent'],
      [408, 'transient'],
      [429, 'transient'],
      [500, 'transient'],
      [503, 'transient'],
    ];
    for (const [status, retry] of rows) {
      it(`takes ${status} as ${retry ?? 'received'}`, async () => {
        answer = (response) => response.writeHead(status, { Location: 'http://169.254.169.254/' }).end();
        const store = new MemoryStore();
        const order = orderOf([await store.instance(mrImage(1))]);
        const work = open(store, `http://127.0.0.1:${port}/`, { SECRET: OTHER_SECRET }).deliver(order, () => undefined);

        const outcome = await work.then(
          () => undefined,
          (error: unknown) => (error as { row: { retry: string } }).row.retry,
        );

        expect(outcome).to.equal(retry);
        expect(asked).to.equal(1);
      });
    }

    it('never connects where it must not: by address, by another way to write it, by name', async () => {
      const store = new MemoryStore();
      const order = orderOf([await store.instance(mrImage(1))]);
      const hosts = [
        '127.0.0.1',
        '2130706433',
        '0x7f.1',
        '127.1',
        '[::ffff:127.0.0.1]',
        '[::1]',
        '0.0.0.0',
        'localhost',
        'LOCALHOST.',
      ];

      const codes = await Promise.all(
        hosts.map(async (host) => {
          const options = { allowHosts: ['hooks.example.org'] };
          const connector = open(store, `http://${host}:${port}/`, { SECRET: OTHER_SECRET }, options);
          return (await thrownBy(connector.deliver(order, () => undefined))).code;
        }),
      );

      expect(codes).to.deep.equal(hosts.map(() => 'partner.refused'));
      expect(asked).to.equal(0);
    });

    it('looks at what a name resolves to at the moment of connecting', async () => {
      const store = new MemoryStore();
      const order = orderOf([await store.instance(mrImage(1))]);
      const connector = open(store, 'https://localhost:8443/', { SECRET: OTHER_SECRET }, { allowHosts: [] });

      const error = await thrownBy(connector.deliver(order, () => undefined));

      expect([error.code, error.fields['detail']]).to.deep.equal([
        'partner.refused',
        'the name resolves to an address that is not public: see allowHosts',
      ]);
    });

    it('calls an internal endpoint that is allowed, by name or by range', async () => {
      answer = (response) => response.writeHead(204).end();
      const store = new MemoryStore();
      const order = orderOf([await store.instance(mrImage(1))]);

      await open(store, `http://localhost:${port}/`, { SECRET: OTHER_SECRET }, { allowHosts: ['localhost'] }).deliver(
        order,
        () => undefined,
      );
      await open(store, `http://127.0.0.1:${port}/`, { SECRET: OTHER_SECRET }, { allowHosts: ['127.0.0.0/8'] }).deliver(
        order,
        () => undefined,
      );

      expect(asked).to.equal(2);
    });
  });

  it('needs a partner', () => {
    const parsed = webhook.options.safeParse({
      name: 'x',
      type: 'webhook',
      url: 'https://example.org/',
      secret: { env: 'S' },
    });

    expect(parsed.error?.issues.map(({ path }) => path)).to.deep.equal([['partner']]);
  });

  it('takes only secrets of Standard Webhooks, and does not repeat a wrong one', () => {
    const wrong = ['', 'whsec_', 'whsec_c2hvcnQ=', `sk_${Buffer.alloc(32).toString('base64')}`];

    const messages = wrong.map((text) => {
      try {
        parseSecret(text);
        return 'taken';
      } catch (error) {
        return String(error);
      }
    });

    for (const message of messages) expect(message).to.contain('whsec_ and the base64').and.not.to.contain('c2hvcnQ');
    expect(parseSecret(OTHER_SECRET)).to.have.length(32);
  });
});

describe('the guard of outgoing addresses', () => {
  const rows: readonly (readonly [string, boolean])[] = [
    ['8.8.8.8', true],
    ['193.166.3.1', true],
    ['2001:708::1', true],
    ['10.1.2.3', false],
    ['172.16.0.1', false],
    ['172.32.0.1', true],
    ['192.168.1.1', false],
    ['169.254.169.254', false],
    ['100.64.0.1', false],
    ['127.0.0.1', false],
    ['0.0.0.0', false],
    ['224.0.0.1', false],
    ['255.255.255.255', false],
    ['::', false],
    ['::1', false],
    ['fe80::1', false],
    ['fe80::1%eth0', false],
    ['fc00::1', false],
    ['ff02::1', false],
    ['2001:db8::1', false],
    ['2002:7f00:1::', false],
    ['64:ff9b::7f00:1', false],
    ['::ffff:10.0.0.1', false],
    ['::ffff:8.8.8.8', true],
    ['::ffff:7f00:1', false],
  ];
  for (const [address, isPublic] of rows) {
    it(`finds ${address} ${isPublic ? 'public' : 'not public'}`, () => {
      expect(isPublicAddress(address)).to.equal(isPublic);
    });
  }

  it('knows this machine and its neighbours, however the address is wrapped', () => {
    const interfaces = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
    const own = [
      ...interfaces,
      ...[
        '127.9.9.9',
        '0.0.0.0',
        '::',
        '::1',
        '::127.0.0.1',
        '::ffff:127.0.0.1',
        '::ffff:a9fe:a9fe',
        '::ffff:0:7f00:1',
      ],
      ...['64:ff9b::a9fe:a9fe', '64:ff9b:1::7f00:1', '2002:7f00:1::', '2001:0:1::1', 'fe80::1', 'fe80::1%eth0'],
      ...['169.254.169.254', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'],
    ];
    const others = ['8.8.8.8', '10.255.255.254', '::ffff:10.255.255.254', '2001:708::1', 'fd12:3456::1'];

    expect([
      interfaces.length > 0,
      own.filter((each) => !isOwnAddress(each)),
      others.filter(isOwnAddress),
    ]).to.deep.equal([true, [], []]);
  });

  it('wants https on the usual ports unless a host is allowed by name', () => {
    const guard = createAddressGuard(['*.hospital.example', '10.1.0.0/16']);
    const isRefused = (url: string) => {
      try {
        guard.checkUrl(new URL(url));
        return false;
      } catch {
        return true;
      }
    };

    expect(
      [
        'https://a.example/',
        'https://a.example:8443/',
        'http://x.hospital.example:9000/',
        'http://10.1.2.3:9000/',
      ].filter(isRefused),
    ).to.deep.equal([]);
    const refused = [
      'http://a.example/',
      'https://a.example:9443/',
      'http://hospital.example:9000/',
      'http://10.2.2.3/',
      'https://xhospital.example:22/',
    ];
    expect(refused.filter((url) => !isRefused(url))).to.deep.equal([]);
  });
});
