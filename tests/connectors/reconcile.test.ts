import { expect } from 'chai';
import { once } from 'node:events';
import { rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { open as openCStore } from '../../connectors/c-store/connector.ts';
import { cStore } from '../../connectors/c-store/index.ts';
import { open as openFolder } from '../../connectors/folder/connector.ts';
import { folder as folderConnector } from '../../connectors/folder/index.ts';
import { open as openStowRs } from '../../connectors/stow-rs/connector.ts';
import { stowRs } from '../../connectors/stow-rs/index.ts';
import type { Connector, DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import type { InstanceItem } from '../../core/store.ts';
import { contextOf, MemoryStore, mrImage, orderOf } from '../support/outgoing.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { startGateway } from '../support/running-gateway.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

/** Says "stored" to this one as to all others, and throws it away. */
const LOST = '2.25.7000.1.1.2';
const FILTER = `function ReceivedInstanceFilter(dicom, origin, info) return dicom.SOPInstanceUID ~= '${LOST}' end`;

async function delivered(connector: Connector, order: DeliveryOrder): Promise<readonly string[]> {
  const uids: string[] = [];
  await connector.deliver(order, (uid) => uids.push(uid));
  return uids;
}

async function reconciled(connector: Connector, order: DeliveryOrder): Promise<Reconciliation> {
  if (connector.reconcile === undefined) throw new Error('it cannot be asked');
  return await connector.reconcile(order);
}

describe('asking a destination what it has', () => {
  const folder = temporaryFolder();
  const store = new MemoryStore();
  let items: readonly InstanceItem[];

  before(async () => {
    items = await Promise.all([1, 2, 3].map((index) => store.instance(mrImage(index))));
  });

  describe('Orthanc that loses what it confirms', () => {
    let orthanc: OrthancPeer;
    before(async function () {
      this.timeout(60_000);
      const script = join(folder.path, 'filter.lua');
      await writeFile(script, FILTER);
      orthanc = await startOrthanc({ dicomWeb: true, config: { LuaScripts: [script], DicomAlwaysAllowFind: true } });
    });
    after(() => orthanc.stop());

    it('is found out with C-FIND, and what it has is not in doubt', async () => {
      const given = { name: 'pacs', type: 'c-store', host: orthanc.host, port: orthanc.port, aeTitle: orthanc.aeTitle };
      const connector = openCStore(cStore.options.parse({ ...given, verify: 'after' }), contextOf(store));
      const order = orderOf(items);

      const confirmed = await delivered(connector, order);
      const { missing } = await reconciled(connector, order);

      expect(confirmed).to.include(LOST);
      expect(missing).to.deep.equal([LOST]);
    });

    it('is asked with C-FIND where it reports no storage commitment on the same association', async function () {
      this.timeout(20_000);
      const given = { name: 'pacs', type: 'c-store', host: orthanc.host, port: orthanc.port, aeTitle: orthanc.aeTitle };
      const options = { ...given, verify: 'commitment', timeouts: { response: '500ms' } };
      const connector = openCStore(cStore.options.parse(options), contextOf(store));
      const order = orderOf(items);
      await delivered(connector, order);

      const { missing, detail } = await reconciled(connector, order);

      expect([missing, detail]).to.deep.equal([[LOST], 'C-FIND']);
    });

    it('is found out with QIDO-RS', async () => {
      const given = { name: 'web', type: 'stow-rs', url: orthanc.dicomWebUrl, verify: 'after' };
      const connector = openStowRs(stowRs.options.parse(given), contextOf(store));

      const { missing } = await reconciled(connector, orderOf(items));

      expect(missing).to.deep.equal([LOST]);
    });

    it('has nothing of a study that it never got', async () => {
      const given = { name: 'web', type: 'stow-rs', url: orthanc.dicomWebUrl, verify: 'after' };
      const connector = openStowRs(stowRs.options.parse(given), contextOf(store));
      const strange = await store.instance(
        mrImage(9, { StudyInstanceUID: '2.25.7009', SeriesInstanceUID: '2.25.7009.1' }),
      );

      const { missing } = await reconciled(connector, orderOf([strange]));

      expect(missing).to.deep.equal([strange.sopInstanceUid]);
    });
  });

  describe('an origin server that only answers', () => {
    let server: Server | undefined;
    afterEach(() => {
      server?.closeAllConnections();
      server?.close();
    });
    const open = async (answer: (url: string) => { readonly status: number; readonly body?: string }) => {
      server = createServer((request, response) => {
        request.resume();
        request.on('end', () => {
          const { status, body } = answer(request.url ?? '');
          response.writeHead(status, { 'Content-Type': 'application/dicom+json' }).end(body);
        });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      const given = {
        name: 'web',
        type: 'stow-rs',
        url: `http://127.0.0.1:${address.port}/dicom-web`,
        verify: 'after',
      };
      return openStowRs(stowRs.options.parse(given), contextOf(store));
    };

    it('is found out when it says 200 and stores nothing', async () => {
      const connector = await open((url) => (url.endsWith('/studies') ? { status: 200 } : { status: 204 }));
      const order = orderOf(items);

      const confirmed = await delivered(connector, order);
      const { missing } = await reconciled(connector, order);

      expect(confirmed).to.have.length(3);
      expect(missing).to.have.length(3);
    });

    it('is asked for as many pages as it has, and not for ever when it does not look at the offset', async () => {
      const asked: string[] = [];
      const others = Array.from({ length: 1_000 }, (_, index) => ({ '00080018': { Value: [`1.2.${index}`] } }));
      const connector = await open((url) => {
        asked.push(url);
        return { status: 200, body: JSON.stringify(others) };
      });

      const { missing } = await reconciled(connector, orderOf(items));

      expect(missing).to.have.length(3);
      expect(asked).to.have.length(2);
    });

    for (const [what, answer, code] of [
      ['a page of something else', { status: 200, body: '<html>log in</html>' }, 'partner.refused'],
      ['no room for questions', { status: 503 }, 'partner.busy'],
      ['that it does not know how', { status: 501 }, 'partner.busy'],
    ] as const) {
      it(`is not believed to have nothing when it answers ${what}`, async () => {
        const connector = await open(() => answer);

        const error = await thrownBy(reconciled(connector, orderOf(items)));

        expect(error.code).to.equal(code);
      });
    }
  });

  it('takes a storage commitment where the provider gives one, and knows by it what was never sent', async function () {
    this.timeout(20_000);
    const source = { name: 'hub', aeTitle: 'HUB', hosts: [], storageCommitment: { triesSameAssociation: true } };
    const hub = await startGateway({ dimse: { sources: [source] } });
    try {
      const given = { name: 'hub', type: 'c-store', host: '127.0.0.1', port: hub.port, aeTitle: 'HUB' };
      const options = { ...given, verify: 'commitment', timeouts: { response: '10s' } };
      const connector = openCStore(cStore.options.parse(options), contextOf(store));
      const [first, second] = items;
      if (first === undefined || second === undefined) throw new Error('no items');
      await delivered(connector, orderOf([first]));

      const whole = await reconciled(connector, orderOf([first]));
      const part = await reconciled(connector, orderOf([first, second]));

      expect(whole).to.deep.equal({ missing: [], detail: 'storage commitment' });
      expect(part.missing).to.deep.equal([second.sopInstanceUid]);
    } finally {
      await hub.remove();
    }
  });

  it('reads each file of a folder back', async () => {
    const root = join(folder.path, 'out');
    const connector = openFolder(
      folderConnector.options.parse({ name: 'archive', type: 'folder', path: root, verify: 'after' }),
      contextOf(store),
    );
    const order = orderOf(items);
    await delivered(connector, order);
    const path = (uid: string) => join(root, '2.25.7000', '2.25.7000.1', `${uid}.dcm`);

    const whole = await reconciled(connector, order);
    await truncate(path('2.25.7000.1.1.1'), 100);
    await rm(path('2.25.7000.1.1.3'));
    const damaged = await reconciled(connector, order);

    expect(whole.missing).to.deep.equal([]);
    expect(damaged.missing).to.deep.equal(['2.25.7000.1.1.1', '2.25.7000.1.1.3']);
  });
});
