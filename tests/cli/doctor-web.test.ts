import { expect } from 'chai';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { makeAuthority } from '../support/certificates.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';
import { examineDestination, type Ran } from './doctor-run.ts';

describe('hub doctor on a STOW-RS destination', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  const examine = (url: string, to: Readonly<Record<string, unknown>> = {}, ...args: readonly string[]): Promise<Ran> =>
    examineDestination(folder.path, { type: 'stow-rs', url, answerTimeout: '1s', ...to }, ...args);
  const examineServer = async (server: Server, scheme = 'http'): Promise<Ran> => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      return await examine(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/dicom-web`);
    } finally {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  };
  const answering = (listener: RequestListener) => examineServer(createHttpServer(listener));

  describe('with an Orthanc', () => {
    let orthanc: OrthancPeer;
    before(async () => {
      orthanc = await startOrthanc({ dicomWeb: true });
    });
    after(async () => orthanc.stop());

    it('stores a test instance and reads it back, when asked to', async () => {
      const without = await examine(orthanc.dicomWebUrl);
      const ran = await examine(orthanc.dicomWebUrl, {}, '--send-test');

      const patients = (await (await fetch(`${orthanc.url}/patients?expand`)).json()) as readonly {
        readonly MainDicomTags: Readonly<Record<string, string>>;
      }[];
      expect([without.code, without.wrong, without.check('test-object')?.verdict]).to.deep.equal([0, [], 'skipped']);
      expect(ran.checks.map(({ id, verdict }) => [id, verdict])).to.deep.equal([
        ['tcp', 'fine'],
        ['qido', 'fine'],
        ['test-object', 'fine'],
        ['test-object.read-back', 'fine'],
      ]);
      expect(patients.map(({ MainDicomTags }) => MainDicomTags['PatientID'])).to.deep.equal(['HUB-DOCTOR-TEST']);
    });

    it('says that the path is wrong', async () => {
      const ran = await examine(`${orthanc.url}/dicomweb`);

      expect(ran.wrong).to.deep.equal(['qido']);
      expect(ran.check('qido')?.remedy).to.contain('/dicom-web (Orthanc)');
    });
  });

  for (const [status, why] of [
    [401, /credentials, and ours are missing or not valid/],
    [403, /does not allow this/],
    [503, /service there is ill/],
  ] as const) {
    it(`explains ${status}, and prints no secret`, async () => {
      process.env['HUB_TEST_DOCTOR_TOKEN'] = 'planted-token-value';
      const server = createHttpServer((_, response) => response.writeHead(status).end());
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;

      const ran = await examine(`http://127.0.0.1:${port}/rs`, { auth: { bearer: { env: 'HUB_TEST_DOCTOR_TOKEN' } } });

      server.closeAllConnections();
      server.close();
      delete process.env['HUB_TEST_DOCTOR_TOKEN'];
      expect([ran.code, ran.wrong]).to.deep.equal([1, ['qido']]);
      expect(ran.check('qido')?.why).to.match(why);
      expect(JSON.stringify(ran.checks)).not.to.contain('planted-token-value');
    });
  }

  it('follows no redirect, says where it leads, and keeps the query to itself', async () => {
    const ran = await answering((_, response) =>
      response.writeHead(302, { Location: 'https://login.example.org/here?token=planted' }).end(),
    );

    expect(ran.check('qido')?.why).to.contain('redirects to https://login.example.org/here,');
    expect(JSON.stringify(ran.checks)).not.to.contain('planted');
  });

  it('does not take a login page for DICOMweb', async () => {
    const ran = await answering((_, response) =>
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>sign in</html>'),
    );

    expect(ran.check('qido')?.what).to.match(/does not answer as DICOMweb$/);
  });

  it('says that a server never answers', async () => {
    const ran = await answering(() => undefined);

    expect(ran.wrong).to.deep.equal(['qido']);
    expect(ran.check('qido')?.why).to.match(/said nothing in time/);
  });

  it('says that its clock is off', async () => {
    const ran = await answering((_, response) => {
      response.sendDate = false;
      response
        .writeHead(200, {
          'Content-Type': 'application/dicom+json',
          Date: new Date(Date.now() - 3_600_000).toUTCString(),
        })
        .end('[]');
    });

    expect(ran.wrong).to.deep.equal(['clock']);
    expect(ran.check('clock')?.what).to.match(/^Its clock is (3600|3599|3601) s behind ours$/);
  });

  it('says that it speaks plain HTTP where https is configured, and TLS where http is', async () => {
    const authority = await makeAuthority(folder.path);
    const secure = { cert: await readFile(authority.certificate), key: await readFile(authority.key) };

    const plain = await examineServer(
      createHttpServer((_, response) => response.end()),
      'https',
    );
    const tls = await examineServer(createHttpsServer(secure, (_, response) => response.end()));

    expect([plain.wrong, tls.wrong]).to.deep.equal([['tls.handshake'], ['qido']]);
    expect(plain.check('tls.handshake')?.why).to.match(/speaks HTTP, but without TLS/);
    expect(tls.check('qido')?.why).to.match(/speaks TLS, and the URL says http/);
  });

  it('sends nothing over a connection whose certificate nobody vouches for', async () => {
    const authority = await makeAuthority(folder.path, 'unknown');
    let requests = 0;
    const secure = { cert: await readFile(authority.certificate), key: await readFile(authority.key) };

    const ran = await examineServer(
      createHttpsServer(secure, (_, response) => {
        requests += 1;
        response.end();
      }),
      'https',
    );

    expect([ran.check('tls.chain')?.verdict, requests]).to.deep.equal(['wrong', 0]);
    expect(ran.check('tls.chain')?.remedy).to.contain('NODE_EXTRA_CA_CERTS');
  });

  it('says which secret is missing', async () => {
    const ran = await examine('http://127.0.0.1:9/rs', { auth: { bearer: { env: 'HUB_TEST_NO_SUCH_TOKEN' } } });

    expect(ran.wrong).to.deep.equal(['secret']);
    expect(ran.check('secret')?.why).to.contain('HUB_TEST_NO_SUCH_TOKEN');
  });
});

describe('hub doctor on a webhook', () => {
  const folder = temporaryFolder();
  const SECRET = 'HUB_TEST_DOCTOR_WEBHOOK';
  const OTHER_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  afterEach(() => {
    delete process.env['HUB_TEST_DOCTOR_WEBHOOK'];
  });

  const examine = (url: string, to: Readonly<Record<string, unknown>> = {}, ...args: readonly string[]): Promise<Ran> =>
    examineDestination(folder.path, { type: 'webhook', partner: 'kct', url, secret: { env: SECRET }, ...to }, ...args);

  it('calls no name that leads inside the network unless it may, and says where to allow it', async () => {
    process.env[SECRET] = OTHER_SECRET;

    const ran = await examine('https://localhost:8443/', {}, '--send-test');

    expect(ran.wrong).to.deep.equal(['address']);
    expect(ran.check('address')?.remedy).to.contain('add localhost to allowHosts');
  });

  it('sends a signed test event when asked to, and nothing else', async () => {
    const receiver = await startWebhookReceiver();
    process.env[SECRET] = receiver.secret;
    const allowed = { allowHosts: ['127.0.0.1'] };

    const without = await examine(receiver.url, allowed);
    const before = receiver.received.length;
    const ran = await examine(receiver.url, allowed, '--send-test');

    expect([without.code, before, ran.code]).to.deep.equal([0, 0, 0]);
    expect(receiver.received.map(({ event }) => (event as { type: string }).type)).to.deep.equal([
      'hub.connection.tested.v1',
    ]);
    await receiver.close();
  });

  it('says that the partner does not accept our signature', async () => {
    const receiver = await startWebhookReceiver();
    process.env[SECRET] = OTHER_SECRET;

    const ran = await examine(receiver.url, { allowHosts: ['127.0.0.1'] }, '--send-test');

    expect(ran.wrong).to.deep.equal(['test-event']);
    expect(ran.check('test-event')?.remedy).to.match(/compare the secret on both sides/);
    await receiver.close();
  });

  it('says that the secret is none, without showing it', async () => {
    process.env[SECRET] = 'planted-secret';

    const ran = await examine('https://hooks.example.org/x');

    expect(ran.wrong).to.deep.equal(['secret']);
    expect(JSON.stringify(ran.checks)).not.to.contain('planted-secret');
  });
});
