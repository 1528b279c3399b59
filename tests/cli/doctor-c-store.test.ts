import { expect } from 'chai';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { contextDiagnoses } from '../../connectors/c-store/probe-contexts.ts';
import { type Authority, type Certificate, makeAuthority } from '../support/certificates.ts';
import { freePort } from '../support/child-process.ts';
import { startOrthanc, startStorescp, type OrthancPeer, type StorescpPeer } from '../support/peer-servers.ts';
import { startGateway } from '../support/running-gateway.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { examineDestination, type Ran } from './doctor-run.ts';

const TIMEOUTS = { connect: '2s', association: '500ms', response: '2s' };

/** A listener of the test's own. */
async function listen(server: Server): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('hub doctor on a C-STORE destination', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  const examine = (to: Readonly<Record<string, unknown>>, ...args: readonly string[]): Promise<Ran> =>
    examineDestination(
      folder.path,
      { type: 'c-store', host: '127.0.0.1', aeTitle: 'PACS', timeouts: TIMEOUTS, ...to },
      ...args,
    );
  const examineServer = async (server: Server, to: Readonly<Record<string, unknown>> = {}): Promise<Ran> => {
    const { port, close } = await listen(server);
    try {
      return await examine({ port, ...to });
    } finally {
      await close();
    }
  };

  it('says that nothing listens', async () => {
    const ran = await examine({ port: await freePort() });

    expect([ran.code, ran.wrong]).to.deep.equal([1, ['tcp']]);
    expect(ran.check('tcp')?.why).to.match(/nothing listens on port/);
  });

  it('says that the name is not known', async () => {
    const ran = await examine({ host: 'nowhere.invalid', port: 104 });

    expect(ran.wrong).to.deep.equal(['dns']);
    expect(ran.check('dns')?.remedy).to.contain('getent hosts nowhere.invalid');
  });

  it('says that a web server is on the port', async () => {
    const ran = await examineServer(createHttpServer((_, response) => response.end('hello')));

    expect(ran.wrong).to.deep.equal(['association']);
    expect(ran.check('association')?.why).to.match(/^A web server \(HTTP\) is on port/);
  });

  it('says that a listener never answers', async () => {
    const ran = await examineServer(createServer());

    expect(ran.wrong).to.deep.equal(['association']);
    expect(ran.check('association')?.why).to.match(/did not answer the association request within 0.5 s/);
  });

  it('says that a host filter hangs up, and which address of ours it must know', async () => {
    const ran = await examineServer(createServer((socket) => socket.end()));

    expect(ran.wrong).to.deep.equal(['association']);
    expect(ran.check('association')?.remedy).to.contain('add the address 127.0.0.1 to the hosts');
  });

  it('says that a peer is out of resources', async () => {
    const full = await startGateway({ options: { disk: { minFreeBytes: Number.MAX_SAFE_INTEGER } } });

    const ran = await examine({ port: full.port, aeTitle: 'HUB' });

    expect(ran.wrong).to.deep.equal(['association']);
    expect(ran.check('association')?.why).to.match(/out of resources.*source 3, reason 2/);
    await full.remove();
  });

  describe('with an Orthanc that looks at titles and hosts', () => {
    let orthanc: OrthancPeer;
    before(async () => {
      orthanc = await startOrthanc({
        aeTitle: 'PACS',
        config: {
          DicomCheckCalledAet: true,
          DicomCheckModalityHost: true,
          DicomAlwaysAllowEcho: false,
          DicomAlwaysAllowStore: false,
          DicomAlwaysAllowFind: false,
          DicomAlwaysAllowGet: false,
          DicomAlwaysAllowMove: false,
          DicomModalities: { known: ['HUB', '127.0.0.1', 104], elsewhere: ['FAR', '192.0.2.1', 104] },
        },
      });
    });
    after(async () => orthanc.stop());

    it('finds nothing wrong where all fits', async () => {
      const ran = await examine({ port: orthanc.port });

      expect([ran.code, ran.wrong]).to.deep.equal([0, []]);
      expect(ran.check('association')?.what).to.equal('PACS accepts associations of HUB');
      expect(ran.check('test-object')?.verdict).to.equal('skipped');
    });

    it('says that the called AE title is another', async () => {
      const ran = await examine({ port: orthanc.port, aeTitle: 'ARCHIVE' });

      expect(ran.wrong).to.deep.equal(['association']);
      expect(ran.check('association')?.why).to.match(/^It is not called ARCHIVE.*source 1, reason 7/);
    });

    for (const [who, callingAeTitle] of [
      ['a calling AE title it does not know', 'STRANGER'],
      ['a title it knows from another host', 'FAR'],
    ] as const) {
      it(`says how to be let in under ${who}`, async () => {
        const ran = await examine({ port: orthanc.port, callingAeTitle });

        expect(ran.wrong).to.deep.equal(['association']);
        expect(ran.check('association')?.remedy).to.contain(`add a node: AE title ${callingAeTitle}, host 127.0.0.1`);
      });
    }
  });

  describe('with a storescp', () => {
    let scp: StorescpPeer | undefined;
    afterEach(async () => {
      await scp?.stop();
      scp = undefined;
    });

    it('stores the test instance only when asked to, of a patient nobody can mistake', async () => {
      scp = await startStorescp({ dir: join(folder.path, 'stored'), aeTitle: 'PACS' });

      const without = await examine({ port: scp.port });
      const before = await readdir(scp.dir);
      const ran = await examine({ port: scp.port }, '--send-test');

      const [file = ''] = await readdir(scp.dir);
      const bytes = await readFile(join(scp.dir, file), 'latin1');
      expect([without.code, before]).to.deep.equal([0, []]);
      expect([ran.code, ran.check('echo')?.verdict, ran.check('test-object')?.verdict]).to.deep.equal([
        0,
        'fine',
        'fine',
      ]);
      expect(bytes).to.contain('HUB^DOCTOR TEST^DELETE ME');
      const study = /study (\S+)$/.exec(ran.check('test-object')?.what ?? '')?.[1] ?? '';
      expect(bytes).to.contain(study).and.to.contain('HUB-DOCTOR-TEST');
    });

    it('names the transfer syntaxes that are refused', async () => {
      scp = await startStorescp({ dir: join(folder.path, 'implicit'), aeTitle: 'PACS', args: ['+xi'] });

      const ran = await examine({ port: scp.port });

      expect([ran.code, ran.check('contexts.mr')?.verdict]).to.deep.equal([0, 'warning']);
      expect(ran.check('contexts.mr')?.why).to.contain('JPEG 2000 Image Compression (Lossless Only)');
      expect(ran.check('contexts.segmentation')?.verdict).to.equal('fine');
    });

    it('says that TLS is expected where there is none', async () => {
      scp = await startStorescp({ dir: join(folder.path, 'plain'), aeTitle: 'PACS' });

      const ran = await examine({ port: scp.port, tls: {} });

      expect(ran.wrong).to.deep.equal(['tls.handshake']);
      expect(ran.check('tls.handshake')?.why).to.match(/^The port speaks DICOM, but without TLS/);
    });
  });

  it('finds it wrong that MR images are refused, and says why', () => {
    const found = contextDiagnoses({ resultOf: ({ sopClassUid }) => (sopClassUid.endsWith('.1.1.4') ? 3 : 0) });

    expect(found.map(({ id, verdict }) => [id, verdict])).to.deep.equal([
      ['contexts.mr', 'wrong'],
      ['contexts.enhanced-mr', 'fine'],
      ['contexts.segmentation', 'fine'],
      ['contexts.secondary-capture', 'fine'],
    ]);
    expect(found[0]?.why).to.equal('The destination says: SOP class not supported (3).');
  });

  describe('with TLS', () => {
    let authority: Authority;
    before(async () => {
      authority = await makeAuthority(folder.path);
    });

    const serve = async ({ certificate, key }: Certificate): Promise<Server> =>
      createTlsServer({ cert: await readFile(certificate), key: await readFile(key) });
    const examineTls = async (shown: Certificate, to: Readonly<Record<string, unknown>> = {}) =>
      examineServer(await serve(shown), { tls: { ca: { file: authority.certificate } }, ...to });

    it('says that TLS is there where it is not expected', async () => {
      const ran = await examineServer(await serve(await authority.sign('plain', '/CN=plain')));

      expect(ran.wrong).to.deep.equal(['association']);
      expect(ran.check('association')?.why).to.equal('The port speaks TLS, and the configuration does not.');
    });

    it('trusts a good certificate, and warns that it ends soon', async () => {
      const ran = await examineTls(await authority.sign('good', '/CN=good'));

      expect(ran.checks.slice(1, 5).map(({ id, verdict }) => [id, verdict])).to.deep.equal([
        ['tls.handshake', 'fine'],
        ['tls.chain', 'fine'],
        ['tls.name', 'fine'],
        ['tls.expiry', 'warning'],
      ]);
    });

    it('says that a certificate has expired', async () => {
      const ran = await examineTls(await authority.sign('old', '/CN=old', { days: -1 }));

      expect(ran.wrong).to.deep.equal(['tls.expiry']);
      expect(ran.check('tls.expiry')?.what).to.match(/^The certificate expired on \d{4}-\d\d-\d\d$/);
    });

    it('says that a certificate is for somebody else, and for whom', async () => {
      const ran = await examineTls(
        await authority.sign('other', '/CN=other', { days: 90, names: 'DNS:pacs.example.org' }),
      );

      expect(ran.wrong).to.deep.equal(['tls.name']);
      expect(ran.check('tls.name')?.why).to.contain('DNS:pacs.example.org');
      expect(ran.check('tls.expiry')?.verdict).to.equal('fine');
    });

    it('says that a certificate is self-signed, or of an authority it does not know', async () => {
      const selfSigned = await examineTls(authority, { tls: {} });
      const unknown = await examineTls(await authority.sign('leaf', '/CN=leaf'), { tls: {} });

      expect(selfSigned.check('tls.chain')?.why).to.match(/self-signed/);
      expect(unknown.check('tls.chain')?.verdict).to.equal('wrong');
      expect(unknown.check('tls.chain')?.remedy).to.contain('tls.ca of this destination');
    });

    it('says that a key of ours cannot be read, and never what is in it', async () => {
      const ran = await examine({ port: 104, tls: { key: { file: join(folder.path, 'no-such.key') } } });

      expect(ran.wrong).to.deep.equal(['secret']);
    });
  });
});
