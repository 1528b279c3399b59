import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import { open as openCStore } from '../../../connectors/c-store/connector.ts';
import { cStore } from '../../../connectors/c-store/index.ts';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { openFileStore } from '../../../platform/store/file.ts';
import { makeAuthority, type Authority, type Certificate } from '../../support/certificates.ts';
import { freePort, run } from '../../support/child-process.ts';
import { startCommitmentScu } from '../../support/commitment-scu.ts';
import { mrInstance, newUid, type MrInstance } from '../../support/mr-instance.ts';
import { contextOf } from '../../support/outgoing.ts';
import { startStorescp } from '../../support/peer-servers.ts';
import { dcmtk, openssl } from '../../support/peers.ts';
import { MR, RawPeer } from '../../support/raw-association.ts';
import { startGateway, type GatewaySettings, type RunningGateway } from '../../support/running-gateway.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { waitFor } from '../../support/wait-for.ts';

type Tls = NonNullable<NonNullable<GatewaySettings['dimse']>['tls']>;

describe('the DIMSE door over TLS', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let authority: Authority;
  let server: Certificate;
  let scanner: Certificate;
  let stranger: Certificate;
  let hub: RunningGateway | undefined;

  before(async () => {
    authority = await makeAuthority(folder.path);
    server = await authority.sign('hub', '/CN=localhost');
    scanner = await authority.sign('mr-1', '/O=Hospital/CN=mr-1');
    await mkdir(join(folder.path, 'other'));
    stranger = await (await makeAuthority(join(folder.path, 'other'))).sign('mr-1', '/O=Hospital/CN=mr-1');
  });

  afterEach(async () => {
    await hub?.remove();
    hub = undefined;
  });

  const tls = (over: Partial<Tls> = {}, certificate = server): Tls => ({
    material: () => ({
      certificate: readFileSync(certificate.certificate, 'utf8'),
      key: readFileSync(certificate.key, 'utf8'),
      ca: readFileSync(authority.certificate, 'utf8'),
    }),
    clientCertificates: 'required',
    minVersion: '1.2',
    handshakeMs: 5_000,
    reloadMs: 50,
    ...over,
  });
  const start = async (dimse: NonNullable<GatewaySettings['dimse']>) => (hub = await startGateway({ dimse }));
  const echo = async (port: number, args: readonly string[], calling = 'PV7T') => {
    const command = (await dcmtk()).command('echoscu');
    const { code, stdout, stderr } = await run(command, [
      '-v',
      ...args,
      '-aet',
      calling,
      '-aec',
      'HUB',
      'localhost',
      String(port),
    ]);
    return { code, output: stdout + stderr };
  };
  const as = ({ certificate, key }: Certificate) => ['+tls', key, certificate, '+cf', authority.certificate];
  const send = async (port: number, instances: readonly MrInstance[]) => {
    const files = await Promise.all(
      instances.map(async ({ sopInstanceUid, part10 }) => {
        const file = join(folder.path, `${sopInstanceUid}.dcm`);
        await writeFile(file, part10);
        return file;
      }),
    );
    const command = (await dcmtk()).command('storescu');
    return (await run(command, [...as(scanner), '-aec', 'HUB', 'localhost', String(port), ...files])).code;
  };
  const client = async (port: number, ...args: readonly string[]) => {
    const command = (await openssl()).command('openssl');
    const { stdout, stderr } = await run(command, [
      's_client',
      '-connect',
      `localhost:${port}`,
      '-CAfile',
      authority.certificate,
      ...args,
    ]);
    return stdout + stderr;
  };

  it('takes a scanner with a certificate of the authority, beside a plain port, and nobody without', async () => {
    const { port, gateway } = await start({ tls: tls({ port: 0 }) });
    const secure = gateway.dimseTlsPort ?? 0;

    const [known, anonymous, foreign, plain] = [
      await echo(secure, as(scanner)),
      await echo(secure, ['+tla', '+cf', authority.certificate]),
      await echo(secure, as(stranger)),
      await echo(port, []),
    ];

    expect(secure).to.not.equal(port);
    expect(known.output).to.include('Received Echo Response (Success)');
    expect(anonymous.output).to.not.include('Received Echo Response');
    expect(foreign.output).to.not.include('Received Echo Response');
    expect(plain.output).to.include('Received Echo Response (Success)');
  });

  it('speaks nothing plain where TLS has no port of its own', async () => {
    const { port, gateway } = await start({ tls: tls() });

    expect(gateway.dimseTlsPort).to.equal(port);
    expect((await echo(port, as(scanner))).code).to.equal(0);
    expect((await echo(port, [])).code).to.not.equal(0);
  });

  it('stores what storescu sends over TLS byte for byte, 20 MB too', async () => {
    const { port, ledger, dataDir } = await start({ tls: tls() });
    const instances = [mrInstance(), mrInstance({}, 3200)];

    expect(await send(port, instances)).to.equal(0);

    for (const instance of instances) {
      const study = parseStudyInstanceUid(instance.studyInstanceUid);
      const [item] = await waitFor('the ledger', async () => {
        const found = await ledger.instances.ofStudy(study);
        return found.length > 0 ? found : undefined;
      });
      if (item === undefined) throw new Error('no item');
      const source = await openFileStore(dataDir).open(item.blob);
      const bytes = Buffer.from(await source.read(0, source.sizeBytes));
      await source.close();
      expect(bytes.subarray(-instance.dataSet.length).equals(Buffer.from(instance.dataSet))).to.equal(true);
    }
  });

  it('knows a source by the subject or the fingerprint of its certificate, and by no AE title alone', async () => {
    const { fingerprint256 } = new X509Certificate(readFileSync(scanner.certificate));
    const { port } = await start({
      tls: tls(),
      sources: [
        { name: 'by-name', aeTitle: 'PV7T', hosts: [], certificate: { subject: 'O=Hospital, CN=mr-1' } },
        { name: 'by-print', aeTitle: 'PRINT', hosts: [], certificate: { sha256: [fingerprint256] } },
        { name: 'other', aeTitle: 'OTHER', hosts: [], certificate: { subject: 'CN=mr-2' } },
      ],
    });

    const codes = [];
    for (const calling of ['PV7T', 'PRINT', 'OTHER']) codes.push((await echo(port, as(scanner), calling)).output);

    expect(codes[0]).to.include('Success');
    expect(codes[1]).to.include('Success');
    expect(codes[2]).to.include('Calling AE Title Not Recognized');
  });

  it('takes who has no certificate where it is optional, but not for a source that must show one', async () => {
    const { port } = await start({
      tls: tls({ clientCertificates: 'optional' }),
      sources: [
        { name: 'free', aeTitle: 'FREE', hosts: [] },
        { name: 'strict', aeTitle: 'STRICT', hosts: [], certificate: { subject: 'CN=mr-1' } },
      ],
    });

    const anonymous = ['+tla', '+cf', authority.certificate];
    const [free, strict, foreign, own] = [
      await echo(port, anonymous, 'FREE'),
      await echo(port, anonymous, 'STRICT'),
      await echo(port, as(stranger), 'STRICT'),
      await echo(port, as(scanner), 'STRICT'),
    ];

    expect(free.code).to.equal(0);
    expect(strict.output).to.include('Calling AE Title Not Recognized');
    expect(foreign.output).to.include('Calling AE Title Not Recognized');
    expect(own.code).to.equal(0);
  });

  it('offers TLS 1.2 and 1.3 with forward secrecy and authenticated encryption, and nothing older or weaker', async () => {
    const { port } = await start({ tls: tls({ clientCertificates: 'none' }) });

    const [best, older, old, weak] = [
      await client(port),
      await client(port, '-tls1_2'),
      await client(port, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'),
      await client(port, '-tls1_2', '-cipher', 'AES128-SHA:AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA'),
    ];

    expect(best)
      .to.match(/TLSv1\.3, Cipher is TLS_AES_256_GCM_SHA384/)
      .and.to.include('Verify return code: 0 (ok)');
    expect(older).to.match(/TLSv1\.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384/);
    expect(old).to.include('Cipher is (NONE)');
    expect(weak).to.include('Cipher is (NONE)');
  });

  it('can ask for TLS 1.3', async () => {
    const { port } = await start({ tls: tls({ clientCertificates: 'none', minVersion: '1.3' }) });

    expect(await client(port, '-tls1_2')).to.include('Cipher is (NONE)');
    expect(await client(port)).to.include('TLSv1.3');
  });

  it('takes a renewed certificate without ending an association, and keeps the old one while files do not fit', async () => {
    const files = { certificate: join(folder.path, 'live.crt'), key: join(folder.path, 'live.key') };
    const put = async (of: Certificate) => {
      await copyFile(of.certificate, files.certificate);
      await copyFile(of.key, files.key);
    };
    await put(server);
    const renewed = await authority.sign('renewed', '/CN=renewed', { days: 30 });
    const gateway = await start({ tls: tls({ clientCertificates: 'none' }, files) });
    const { port, lines } = gateway;
    const open = connectTls({ port, host: '127.0.0.1', ca: readFileSync(authority.certificate) });
    await once(open, 'secureConnect');
    const subject = async () => /subject=.*CN ?= ?(\S+)/.exec(await client(port))?.[1];
    expect(await subject()).to.equal('localhost');
    expect(daysLeft(await gateway.metrics())).to.be.closeTo(2, 0.1);

    for (const [file, text] of [
      [files.key, ''],
      [files.key, 'half a key'],
      [files.key, readFileSync(renewed.key, 'utf8')],
      [files.certificate, ''],
    ] as const) {
      const before = complaints(lines);
      await writeFile(file, text);
      await waitFor('the complaint', () => complaints(lines) > before + 1);
      expect(await subject()).to.equal('localhost');
    }
    await put(renewed);
    await waitFor('the renewal', () => lines.some(({ message }) => message === 'TLS certificate renewed'));

    expect(await subject()).to.equal('renewed');
    expect(daysLeft(await gateway.metrics())).to.be.closeTo(30, 0.1);
    expect(open.destroyed).to.equal(false);
    open.destroy();
    expect(JSON.stringify(lines)).to.not.include('PRIVATE KEY');
  });

  it('ends a handshake that does not come, and stops while one is under way', async () => {
    const { port, gateway, lines } = await start({ tls: tls({ handshakeMs: 200 }) });
    const silent = await RawPeer.connect(port);

    await silent.untilClosed();
    const another = await RawPeer.connect(port);
    await gateway.stop(5_000);

    await another.untilClosed();
    expect(lines.some(({ message }) => message === 'TLS handshake failed')).to.equal(true);
  });

  it('says nothing of who looks whether the port is open, and the address of who speaks something else', async () => {
    const started = await start({ tls: tls() });
    const { port, lines } = started;

    connect(port, '127.0.0.1').end();
    await waitFor('it to be counted', async () =>
      (await started.metrics()).includes('hub_gateway_silent_connections_total 1'),
    );
    connect(port, '127.0.0.1').end(Buffer.from([0x16, 3, 1, 2, 0, 1]));
    await waitFor('a line', () => lines.some(({ message }) => message === 'TLS handshake failed'));

    expect(lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields['address'])).to.deep.equal([
      '127.0.0.1',
    ]);
  });

  it('says in words why a handshake failed, and whose, to the log and to who looks for the reason', async () => {
    const expired = await authority.sign('expired', '/O=Hospital/CN=mr-1', { days: -1 });
    const list = await authority.revoke([scanner]);
    const material = () => ({ ...tls().material(), crl: readFileSync(list, 'utf8') });
    const { port, gateway, lines } = await start({ tls: tls({ material }) });

    for (const certificate of [expired, stranger, scanner]) await echo(port, as(certificate));
    await echo(port, ['+tla', '+cf', authority.certificate]);
    await echo(port, []);
    await client(port, '-tls1_2', '-cipher', 'AES128-SHA');
    await waitFor('all of them', () => gateway.refusals().length === 6);

    const whys = [
      'TLS: client certificate expired',
      'TLS: client certificate of no trusted authority',
      'TLS: client certificate revoked',
      'TLS: no client certificate',
      'TLS: it spoke plain text',
      'TLS: no version or cipher in common',
    ];
    expect(gateway.refusals().map(({ why, address }) => [why, address])).to.have.deep.members(
      whys.map((why) => [why, '127.0.0.1']),
    );
    const said = lines.filter(({ message }) => message === 'TLS handshake failed').map(({ fields }) => fields['why']);
    expect(said).to.have.members(whys);
  });

  it('takes a new revocation list while it runs, and lets nobody in by one that is over', async () => {
    const list = { file: await authority.revoke([]) };
    const material = () => ({ ...tls().material(), crl: readFileSync(list.file, 'utf8') });
    const { port, gateway, lines } = await start({ tls: tls({ material }) });
    const renewals = () => lines.filter(({ message }) => message === 'TLS certificate renewed').length;

    const before = await echo(port, as(scanner));
    await writeFile(list.file, '');
    await waitFor('the complaint', () => complaints(lines) > 0);
    const meanwhile = await echo(port, as(scanner));
    await authority.revoke([], true);
    await waitFor('the list', () => renewals() === 1);
    const after = await echo(port, as(scanner));

    expect([before.code, meanwhile.code]).to.deep.equal([0, 0]);
    expect(after.code).to.not.equal(0);
    await waitFor('the reason', () => gateway.refusals()[0]?.why === 'TLS: no valid revocation list');
    expect(JSON.stringify(lines)).to.include('crl is no revocation list in PEM');
  });

  it('says that somebody spoke TLS to the plain port', async () => {
    const { port, gateway } = await start({ tls: tls({ port: 0 }) });

    await echo(port, as(scanner));

    await waitFor('it', () => gateway.refusals()[0]?.why === 'TLS on a plain port');
  });

  it('tells the result of a storage commitment over TLS', async () => {
    const listen = await freePort();
    const address = { host: '127.0.0.1', port: listen, tls: true };
    const { port } = await start({
      tls: tls(),
      sources: [
        { name: 'pv-7t', aeTitle: 'PV7T', hosts: [], storageCommitment: { address, triesSameAssociation: false } },
      ],
    });
    const transaction = newUid();

    const scu = await startCommitmentScu({
      ...{ port, transaction, listen, items: [[MR, newUid()]] },
      tls: { certificate: scanner.certificate, key: scanner.key, ca: authority.certificate },
    });

    expect((await scu.results())[0]).to.include({ event: 2, transaction, by: 'HUB' });
    await scu.stop();
  });

  it('receives from the c-store connector, which sends over TLS to it and to storescp', async () => {
    const { port, ledger, dataDir } = await start({ tls: tls() });
    const dir = join(folder.path, 'storescp');
    const storescp = await startStorescp({
      dir,
      args: ['+xa', '+tls', server.key, server.certificate, '+cf', authority.certificate],
      echoArgs: as(scanner),
    });
    const instance = mrInstance();
    expect(await send(port, [instance])).to.equal(0);
    const [item] = await waitFor('the ledger', async () => {
      const found = await ledger.instances.ofStudy(parseStudyInstanceUid(instance.studyInstanceUid));
      return found.length > 0 ? found : undefined;
    });
    if (item === undefined) throw new Error('no item');
    const deliver = async (to: { readonly port: number; readonly aeTitle: string }) => {
      const connector = openCStore(
        cStore.options.parse({
          ...{ name: 'peer', type: 'c-store', host: 'localhost', ...to },
          tls: {
            ca: { file: authority.certificate },
            certificate: { file: scanner.certificate },
            key: { file: scanner.key },
          },
        }),
        {
          ...contextOf(openFileStore(dataDir)),
          secret: (reference) => readFileSync('file' in reference ? reference.file : '', 'utf8'),
        },
      );
      const delivered: string[] = [];
      await connector.deliver(
        {
          ...{ deliveryId: newUid(), attempt: 1, runId: newUid(), route: 'r', destination: 'peer', revision: 1 },
          studyInstanceUid: instance.studyInstanceUid,
          items: [item],
          delivered: new Set(),
          revised: new Set(),
          signal: new AbortController().signal,
        },
        (uid) => delivered.push(uid),
      );
      return delivered;
    };

    expect(await deliver({ port: storescp.port, aeTitle: storescp.aeTitle })).to.deep.equal([instance.sopInstanceUid]);
    expect(await deliver({ port, aeTitle: 'HUB' })).to.deep.equal([instance.sopInstanceUid]);
    expect(await readdir(dir)).to.have.length(1);
    await storescp.stop();
  });
});

function complaints(lines: RunningGateway['lines']): number {
  return lines.filter(({ message }) => message.startsWith('TLS certificate not renewed')).length;
}

function daysLeft(scraped: string): number {
  const [, seconds] = /^hub_gateway_certificate_expiry_seconds\{door="dimse"\} (\S+)$/m.exec(scraped) ?? [];
  return Number(seconds) / 86_400;
}
