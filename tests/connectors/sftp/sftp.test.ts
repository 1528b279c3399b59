import { expect } from 'chai';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open as openSftp, probe as probeSftp } from '../../../connectors/sftp/connector.ts';
import { sftp } from '../../../connectors/sftp/index.ts';
import type { Connector } from '../../../core/plugins.ts';
import { freePort } from '../../support/child-process.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../../support/outgoing.ts';
import { startPasswordSftp } from '../../support/password-sftp.ts';
import { type SftpServer, startSftpServer } from '../../support/sftp-server.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { thrownBy } from '../../support/thrown.ts';

describe('the SFTP connector', function () {
  this.timeout(30_000);
  let server: SftpServer;
  let secrets: Record<string, string>;
  let folders = 0;
  let path = '';

  before(async function () {
    this.timeout(300_000);
    server = await startSftpServer();
    const { good, locked, stranger } = server.keys;
    secrets = {
      GOOD: await readFile(good, 'utf8'),
      LOCKED: await readFile(locked, 'utf8'),
      STRANGER: await readFile(stranger, 'utf8'),
      PASSPHRASE: 'secret',
      KNOWN: server.knownHosts,
      OTHERS: server.knownHosts.split('\n').slice(1).join('\n'),
    };
  });
  after(() => server.stop());
  beforeEach(() => {
    folders += 1;
    path = join(server.root, `test-${String(folders)}`);
  });

  function optionsOf(changes: Readonly<Record<string, unknown>> = {}) {
    return sftp.options.parse({
      ...{ name: 'kct-files', type: 'sftp', host: '127.0.0.1', port: server.port, user: server.user, path },
      auth: { key: { env: 'GOOD' } },
      hostKey: { fingerprints: [server.fingerprints.ed25519] },
      timeouts: { connect: '10s', answer: '5s' },
      ...changes,
    });
  }
  function open(store: MemoryStore, changes: Readonly<Record<string, unknown>> = {}): Connector {
    return openSftp(optionsOf(changes), contextOf(store, secrets));
  }
  const manifestOf = async (study = '2.25.7000') =>
    JSON.parse(await readFile(join(path, study, 'manifest.json'), 'utf8')) as {
      files: { path: string; sha256: string }[];
      deliveries: unknown[];
    };

  it('writes each file byte for byte under its template, a manifest, and leaves nothing else', async () => {
    const store = new MemoryStore();
    const large = mrImage(2, { PixelData: { vr: 'OW', value: new Uint8Array(5_000_002).fill(7) } });
    const items = [await store.instance(mrImage(1)), await store.instance(large)];
    const delivered: string[] = [];
    const order = orderOf([...items, store.artefact('qc/report.json', '{}')], { partner: 'kct' });

    await open(store, { partner: 'kct', layout: '{partner}/{study}/r{revision}/{instance}.dcm' }).deliver(
      order,
      (uid) => delivered.push(uid),
    );

    const found = (await readdir(path, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
    const results = `results/r1-${order.deliveryId.slice(0, 8)}/qc`;
    expect(found.map((each) => join(each.parentPath.slice(path.length + 1), each.name))).to.have.members([
      'kct/2.25.7000/manifest.json',
      'kct/2.25.7000/r1/2.25.7000.1.1.1.dcm',
      'kct/2.25.7000/r1/2.25.7000.1.1.2.dcm',
      `kct/2.25.7000/${results}/report.json`,
    ]);
    expect((await readFile(join(path, 'kct/2.25.7000/r1/2.25.7000.1.1.2.dcm'))).equals(large)).to.equal(true);
    expect((await manifestOf('kct/2.25.7000')).files.map(({ sha256 }) => sha256)).to.deep.equal(
      order.items.map(({ sha256 }) => sha256),
    );
    expect(delivered).to.have.members(items.map(({ sopInstanceUid }) => sopInstanceUid));
    expect(store.openSources).to.equal(0);
  });

  it('sends again only what is missing or damaged', async () => {
    const store = new MemoryStore();
    const items = await Promise.all([1, 2, 3].map((index) => store.instance(mrImage(index))));
    const connector = open(store);
    await connector.deliver(orderOf(items), () => undefined);
    const places = [1, 2, 3].map((index) => join(path, `2.25.7000/2.25.7000.1/2.25.7000.1.1.${String(index)}.dcm`));
    const [whole = '', damaged = '', gone = ''] = places;
    const before = (await stat(whole)).ino;
    await rm(join(path, '2.25.7000/manifest.json'));
    await writeFile(damaged, Buffer.alloc(items[1]?.sizeBytes ?? 0));
    await rm(gone);

    await connector.deliver(orderOf(items), () => undefined);

    expect((await stat(whole)).ino).to.equal(before);
    expect((await readFile(damaged)).equals(mrImage(2))).to.equal(true);
    expect((await readFile(gone)).equals(mrImage(3))).to.equal(true);
    expect((await manifestOf()).files).to.have.length(3);
  });

  it('finds by asking for their sizes which files are not there', async () => {
    const store = new MemoryStore();
    const items = await Promise.all([1, 2].map((index) => store.instance(mrImage(index))));
    const connector = open(store);
    await connector.deliver(orderOf(items), () => undefined);
    await writeFile(join(path, '2.25.7000/2.25.7000.1/2.25.7000.1.1.2.dcm'), 'cut');

    const found = await connector.reconcile?.(orderOf([...items, store.artefact('qc/report.json', '{}')]));

    expect(found?.missing).to.have.members(['2.25.7000.1.1.2', 'qc/report.json']);
  });

  it('goes on after the connection broke in the middle, and leaves no part under a name', async () => {
    const store = new MemoryStore();
    const value = new Uint8Array(400_000).fill(1);
    const items = await Promise.all(
      Array.from({ length: 10 }, (_, index) => store.instance(mrImage(index, { PixelData: { vr: 'OW', value } }))),
    );
    const proxy = await TcpProxy.start(server.port);
    const delivered = new Set<string>();
    try {
      proxy.cutAfter(2_000_000);
      const connector = open(store, { port: proxy.port, parallel: 2 });

      const error = await thrownBy(connector.deliver(orderOf(items), (uid) => delivered.add(uid)));
      const before = delivered.size;
      const manifest = await manifestOf().catch(() => undefined);
      await connector.deliver(orderOf(items, { delivered: new Set(delivered) }), (uid) => delivered.add(uid));

      expect([error.code, error.row.retry]).to.deep.equal(['partner.unreachable', 'transient']);
      expect(before).to.be.within(1, 9);
      expect(manifest).to.equal(undefined);
      expect((await manifestOf()).files).to.have.length(10);
      for (const [index, { sizeBytes }] of items.entries()) {
        const file = join(path, `2.25.7000/2.25.7000.1/2.25.7000.1.1.${String(index)}.dcm`);
        expect((await stat(file)).size).to.equal(sizeBytes);
      }
    } finally {
      await proxy.stop();
    }
  });

  it('says nothing to a server whose host key is not pinned, and tells which key it shows', async () => {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);
    const other = `SHA256:${'A'.repeat(43)}`;
    const logins = () => server.log().split('Accepted publickey').length;
    const before = logins();

    const error = await thrownBy(open(store, { hostKey: { fingerprints: [other] } }).deliver(order, () => undefined));

    expect([error.code, error.row.retry]).to.deep.equal(['partner.refused', 'permanent']);
    expect(error.fields['hostKey']).to.equal(`${server.fingerprints.ed25519} (ssh-ed25519)`);
    expect(logins()).to.equal(before);
    expect(await readdir(server.root)).to.not.include(`test-${String(folders)}`);
  });

  it('takes the pinned one of several host keys, and those of a known_hosts file with hashed names', async () => {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);

    for (const hostKey of [
      { fingerprints: [server.fingerprints.rsa] },
      { knownHosts: { env: 'KNOWN' } },
      { knownHosts: { env: 'OTHERS' } },
    ]) {
      await open(store, { hostKey }).deliver(order, () => undefined);
      expect((await manifestOf()).files).to.have.length(1);
    }
    const error = await thrownBy(
      open(store, { host: 'localhost', hostKey: { knownHosts: { env: 'KNOWN' } } }).deliver(order, () => undefined),
    );
    expect(error.code).to.equal('partner.refused');
  });

  it('comes in with a key that has a passphrase, and says so when it is not let in', async () => {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);
    const locked = { key: { env: 'LOCKED' }, passphrase: { env: 'PASSPHRASE' } };

    await open(store, { auth: locked }).deliver(order, () => undefined);
    const [stranger, noPassphrase, password] = [
      await thrownBy(open(store, { auth: { key: { env: 'STRANGER' } } }).deliver(order, () => undefined)),
      await thrownBy(open(store, { auth: { key: { env: 'LOCKED' } } }).deliver(order, () => undefined)),
      await thrownBy(open(store, { auth: { password: { env: 'PASSPHRASE' } } }).deliver(order, () => undefined)),
    ];

    expect((await manifestOf()).files).to.have.length(1);
    expect([stranger.code, stranger.fields['reason']]).to.deep.equal(['partner.refused', 'client-authentication']);
    expect([noPassphrase.code, noPassphrase.row.retry]).to.deep.equal(['config.invalid', 'permanent']);
    expect([password.code, password.fields['reason']]).to.deep.equal(['partner.refused', 'client-authentication']);
  });

  for (const method of ['password', 'keyboard-interactive'] as const) {
    it(`comes in with a password, where it is asked for by ${method}, and says so when it is another`, async () => {
      await mkdir(path);
      const other = await startPasswordSftp(method, path);
      try {
        const store = new MemoryStore();
        const order = orderOf([await store.instance(mrImage(1))]);
        secrets = { ...secrets, PASSWORD: other.password, WRONG: 'another' };
        const changes = {
          ...{ port: other.port, user: other.user, path: '/files', hostKey: { fingerprints: [other.fingerprint] } },
        };

        await open(store, { ...changes, auth: { password: { env: 'PASSWORD' } } }).deliver(order, () => undefined);
        const wrong = await thrownBy(
          open(store, { ...changes, auth: { password: { env: 'WRONG' } } }).deliver(order, () => undefined),
        );

        const manifest = JSON.parse(await readFile(join(path, 'files', '2.25.7000', 'manifest.json'), 'utf8')) as {
          files: readonly unknown[];
        };
        expect(manifest.files).to.have.length(1);
        expect([wrong.code, wrong.row.retry, wrong.fields['detail']]).to.deep.equal([
          'partner.refused',
          'permanent',
          'it does not let us in: user, key or password',
        ]);
        expect(other.log()).to.contain(method).and.not.to.contain('Traceback');
      } finally {
        await other.stop();
      }
    });
  }

  it('finds a folder it may not write refused, a server that is not there or hangs transient', async function () {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);
    await mkdir(path);
    await chmod(path, 0o555);
    const proxy = await TcpProxy.start(server.port);
    try {
      proxy.stall();

      const [denied, nobody, silent] = [
        await thrownBy(open(store).deliver(order, () => undefined)),
        await thrownBy(open(store, { port: await freePort() }).deliver(order, () => undefined)),
        await thrownBy(
          open(store, { port: proxy.port, timeouts: { connect: '500ms' } }).deliver(order, () => undefined),
        ),
      ];

      expect(denied.code).to.equal('partner.refused');
      expect([nobody.code, nobody.fields['reason']]).to.deep.equal(['partner.unreachable', 'ECONNREFUSED']);
      expect(silent.code).to.equal('partner.unreachable');
    } finally {
      await proxy.stop();
    }
  });

  it('ends at once when it is told to', async () => {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1))]);
    const ending = new AbortController();
    const proxy = await TcpProxy.start(server.port);
    try {
      proxy.stall();
      const delivering = open(store, { port: proxy.port })
        .deliver({ ...order, signal: ending.signal }, () => undefined)
        .then(
          () => 'delivered',
          () => 'ended',
        );

      ending.abort();

      expect(await delivering).to.equal('ended');
    } finally {
      await proxy.stop();
    }
  });

  it('is diagnosed: host key, login, a file there and back', async () => {
    const diagnose = async (changes: Readonly<Record<string, unknown>>, sendTest = true) => {
      const context = { ...contextOf(new MemoryStore(), secrets), sendTest, signal: new AbortController().signal };
      const found = [];
      for await (const { id, verdict } of probeSftp(optionsOf(changes), context)) found.push(`${id} ${verdict}`);
      return found;
    };
    const good = ['tcp fine', 'host-key fine', 'login fine', 'folder fine'];

    expect(await diagnose({ path: server.root })).to.deep.equal([...good, 'test-object fine']);
    expect(await diagnose({}, false)).to.deep.equal([...good, 'test-object skipped']);
    expect(await diagnose({ hostKey: { fingerprints: [`SHA256:${'A'.repeat(43)}`] } })).to.deep.equal([
      'tcp fine',
      'host-key wrong',
    ]);
    expect(await diagnose({ auth: { key: { env: 'STRANGER' } } })).to.deep.equal(['tcp fine', 'login wrong']);
    expect(await diagnose({ port: await freePort() })).to.deep.equal(['tcp wrong']);
  });
});
