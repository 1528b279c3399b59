import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { FIND, MadePacs, MOVE } from '../connectors/pull/made-pacs.ts';
import { freePort } from '../support/child-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { type OrthancPeer, startOrthanc } from '../support/peer-servers.ts';
import { makeAuthority } from '../support/certificates.ts';
import { startTlsFront } from '../support/tls-front.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { examinePullOf, type Ran } from './doctor-run.ts';

const QUERY = { studyDate: { from: '2026-03-01', to: '2026-03-10' } };
const TIMEOUTS = { connect: '2s', answer: '2s', stall: '2s' };

describe('hub doctor on a pull', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const said = ({ checks }: Ran) => checks.map(({ id, verdict }) => `${verdict} ${id}`);

  describe('from Orthanc', () => {
    let archive: OrthancPeer;
    const hubPort = 11_199;

    before(async () => {
      archive = await startOrthanc({
        dicomWeb: true,
        modalities: { hub: { aeTitle: 'HUB', port: hubPort } },
        config: { DicomAlwaysAllowFind: true, DicomAlwaysAllowMove: true, DicomAlwaysAllowGet: true },
      });
      const study = newUid();
      for (let n = 0; n < 2; n += 1) {
        const { part10 } = mrInstance({ StudyInstanceUID: study, StudyDate: '20260302', StudyTime: '120000' });
        await fetch(`${archive.url}/instances`, { method: 'POST', body: Uint8Array.from(part10) });
      }
    });
    after(() => archive.stop());

    const dicom = () => ({ host: archive.host, port: archive.port, aeTitle: archive.aeTitle });
    const examine = (from: Readonly<Record<string, unknown>>, query: Readonly<Record<string, unknown>> = QUERY) =>
      examinePullOf(folder.path, { from, query, timeouts: TIMEOUTS }, { gateway: { dimse: { port: hubPort } } });

    it('finds nothing wrong where all fits, by C-MOVE', async () => {
      const ran = await examine({ dicom: dicom() });

      expect(ran.wrong).to.deep.equal([]);
      expect(said(ran)).to.include.members([
        'fine association',
        'fine echo',
        'fine contexts.find',
        'fine contexts.retrieve',
        'fine query',
        'fine counts',
      ]);
      expect(ran.check('query')?.what).to.equal(
        'C-FIND with the query of this pull, 2026-03-01 to 2026-03-10, finds 1 study',
      );
      expect(ran.check('counts')?.what).to.match(/^C-FIND counts one of them: \d series, 2 instances$/);
      // It answers alike to whoever it is to go to, as long as it has nothing to send.
      expect(ran.check('move')?.verdict).to.equal('skipped');
      expect(ran.check('move')?.why).to.contain(
        'AE title HUB, host 127.0.0.1, port 11199. A run shows it: hub pulls run nightly',
      );
    });

    it('finds nothing wrong where all fits, by C-GET', async () => {
      const ran = await examine({ dicom: dicom(), retrieve: 'c-get' });

      expect([ran.code, ran.wrong]).to.deep.equal([0, []]);
      expect(said(ran)).to.include.members(['fine contexts.retrieve', 'fine contexts.storage', 'fine counts']);
      expect(ran.check('move')).to.equal(undefined);
    });

    it('says what is wrong with the chain of an origin server, and with the certificate it wants of us', async () => {
      const authority = await makeAuthority(folder.path);
      const signsItself = await makeAuthority(folder.path, 'itself', 'IP:127.0.0.1');
      const own = await authority.sign('pacs', '/CN=pacs', { names: 'IP:127.0.0.1' });
      const ours = await authority.sign('hub', '/CN=hub');
      const behind = Number(new URL(archive.dicomWebUrl).port);
      const front = await startTlsFront(behind, own, authority);
      const selfSigned = await startTlsFront(behind, signsItself);
      const by = (port: number, tls: Readonly<Record<string, string>> = {}) => ({
        dicomweb: {
          url: `https://127.0.0.1:${String(port)}/dicom-web`,
          tls: Object.fromEntries(Object.entries(tls).map(([key, file]) => [key, { file }])),
        },
      });
      const ca = authority.certificate;
      const { certificate, key } = ours;

      try {
        const stranger = await examine(by(front.port));
        const unnamed = await examine(by(front.port, { ca }));
        const whole = await examine(by(front.port, { ca, certificate, key }));
        const itself = await examine(by(selfSigned.port));
        const trusted = await examine(by(selfSigned.port, { ca: signsItself.certificate }));
        const gone = await examine(by(front.port, { ca: `${ca}.not-there` }));

        expect(said(stranger).filter((line) => line.startsWith('wrong'))).to.deep.equal(['wrong tls.chain']);
        expect(stranger.check('tls.chain')?.remedy).to.contain('from.dicomweb.tls.ca of this pull');
        expect(said(unnamed).filter((line) => line.startsWith('wrong'))).to.deep.equal(['wrong query']);
        expect(unnamed.check('query')?.remedy).to.contain('certificate and key under from.dicomweb.tls of this pull');
        expect([whole.code, whole.wrong]).to.deep.equal([0, []]);
        expect(said(whole)).to.include.members(['fine tls.chain', 'fine counts', 'fine retrieve']);
        expect(said(itself).filter((line) => line.startsWith('wrong'))).to.deep.equal(['wrong tls.chain']);
        expect([trusted.code, trusted.wrong]).to.deep.equal([0, []]);
        expect(said(gone)).to.deep.equal(['wrong secret']);
      } finally {
        await front.stop();
        await selfSigned.stop();
      }
    });

    it('finds nothing wrong where all fits, by QIDO-RS and WADO-RS', async () => {
      const ran = await examine({ dicomweb: { url: archive.dicomWebUrl } });

      expect([ran.code, ran.wrong]).to.deep.equal([0, []]);
      expect(said(ran)).to.deep.equal(['fine tcp', 'fine query', 'fine counts', 'fine retrieve']);
    });

    it('says that nothing matches', async () => {
      const ran = await examine({ dicom: dicom() }, { studyDate: { from: '1999-01-01', to: '1999-01-02' } });

      expect([ran.code, ran.check('query')?.verdict]).to.deep.equal([0, 'warning']);
    });

    it('says that there is nothing at the path of a web service', async () => {
      const ran = await examine({ dicomweb: { url: `${archive.url}/no-such-path` } });

      expect([ran.code, ran.wrong]).to.deep.equal([1, ['query']]);
      expect(ran.check('query')?.why).to.equal('There is nothing at this path.');
    });
  });

  describe('from a source that is as a test says', () => {
    let pacs: MadePacs;
    beforeEach(async () => {
      pacs = await MadePacs.start();
    });
    afterEach(() => pacs.stop());
    const from = (more = {}) => ({ dicom: { host: '127.0.0.1', port: pacs.port, aeTitle: 'PACS' }, ...more });
    const examine = (query: Readonly<Record<string, unknown>> = QUERY) =>
      examinePullOf(folder.path, { from: from(), query, timeouts: TIMEOUTS });

    it('moves nothing: it asks for a study that nobody has, to hear whether we are known', async () => {
      const study = pacs.add(2);
      const moved: (string | undefined)[] = [];
      pacs.behave = async (asked) => {
        if (asked.command === MOVE) {
          moved.push(asked.identifier.string('StudyInstanceUID'));
          asked.end(asked.destination === 'HUB' ? 0 : 0xa801);
        } else await pacs.honest(asked);
      };

      const ran = await examine();

      expect([ran.wrong, ran.check('move')?.verdict]).to.deep.equal([[], 'fine']);
      expect(moved).to.have.length(2).and.not.include(study.uid);
      expect(pacs.sent).to.deep.equal([]);
    });

    it('tells a destination that is not known from an answer that says nothing', async () => {
      pacs.add(1);
      const answers = [];
      for (const status of [0xa801, 0xc001, 0, 0x0124]) {
        pacs.behave = async (asked) => (asked.command === MOVE ? asked.end(status) : pacs.honest(asked));
        const move = (await examine()).check('move');
        answers.push([move?.verdict, move?.what]);
      }

      expect(answers).to.deep.equal([
        ['wrong', 'The source does not know HUB as a destination'],
        ['skipped', 'Whether the source would send to HUB cannot be told'],
        ['skipped', 'Whether the source would send to HUB cannot be told'],
        ['wrong', 'We may not retrieve from the source'],
      ]);
    });

    it('says that the source ignores a key, lists what nobody asked for, counts nothing, or refuses', async () => {
      pacs.add(1);
      const found = [];
      const behaviours: readonly MadePacs['behave'][] = [
        (asked) => {
          asked.pending({ StudyInstanceUID: newUid(), StudyDate: '19990101' });
          asked.end();
        },
        (asked) => {
          if (asked.identifier.string('QueryRetrieveLevel') === 'STUDY') pacs.find(asked);
          else asked.end();
        },
        (asked) => asked.end(0xa700),
      ];
      for (const behave of behaviours) {
        pacs.behave = (asked, all) => (asked.command === FIND ? behave(asked, all) : asked.end(0));
        found.push(said(await examine()).filter((line) => / (query|counts)/.test(line) && !line.startsWith('fine')));
      }

      expect(found).to.deep.equal([['warning query.strays', 'warning query'], ['wrong counts'], ['wrong query']]);
    });

    it('reads the list of accession numbers, and says nothing of what is in it', async () => {
      const file = join(folder.path, 'numbers.txt');
      await writeFile(file, 'ACC-SECRET\n');
      pacs.add(1);

      const ran = await examine({ accessions: { file } });
      const missing = await examine({ accessions: { file: `${file}.not-there` } });

      expect(ran.check('query')?.what).to.match(/^C-FIND with the query of this pull, its first accession number/);
      expect(JSON.stringify(ran.checks)).not.to.contain('ACC-SECRET');
      expect([missing.code, missing.wrong]).to.deep.equal([1, ['accessions']]);
    });
  });

  it('says that nothing listens', async () => {
    const dicom = { host: '127.0.0.1', port: await freePort(), aeTitle: 'PACS' };

    const ran = await examinePullOf(folder.path, { from: { dicom }, query: QUERY, timeouts: TIMEOUTS });

    expect([ran.code, ran.wrong]).to.deep.equal([1, ['tcp']]);
  });

  it('says that our account may not search, may search and not retrieve, or that its password cannot be read', async () => {
    let mayDo = 0;
    const [study, series, instance] = [newUid(), newUid(), newUid()];
    const uid = (tag: string, value: string) => ({ [tag]: { vr: 'UI', Value: [value] } });
    const server = createServer((request, response) => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      const isQuery = request.headers.accept?.includes('json') === true;
      if (mayDo < (isQuery ? 1 : 2)) {
        response.writeHead(isQuery ? 401 : 403).end();
        return;
      }
      const match = path.endsWith('/instances')
        ? uid('00080018', instance)
        : path.endsWith('/series')
          ? { ...uid('0020000E', series), '00201209': { vr: 'IS', Value: [1] } }
          : uid('0020000D', study);
      const isFirst = !(request.url ?? '').includes('offset=1');
      response.writeHead(200, { 'Content-Type': 'application/dicom+json' }).end(JSON.stringify(isFirst ? [match] : []));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/dicom-web`;
    const file = join(folder.path, 'token');
    await writeFile(file, 'a-token');
    const examine = (path: string) =>
      examinePullOf(folder.path, {
        ...{ from: { dicomweb: { url, auth: { bearer: { file: path } } } }, query: QUERY, timeouts: TIMEOUTS },
      });

    const outcomes = [];
    for (const may of [0, 1]) {
      mayDo = may;
      outcomes.push(said(await examine(file)).filter((line) => !line.startsWith('fine')));
    }
    outcomes.push(said(await examine(`${file}.not-there`)));
    server.closeAllConnections();
    server.close();

    expect(outcomes).to.deep.equal([['wrong query', 'skipped retrieve'], ['wrong retrieve'], ['wrong secret']]);
  });
});
