import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { parseStudyInstanceUid, type StudyInstanceUid } from '../../../core/identifiers.ts';
import { askSource, type SourceQuery } from '../../../gateway/completion/query.ts';
import { type Authority, makeAuthority } from '../../support/certificates.ts';
import { run } from '../../support/child-process.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { type OrthancPeer, startDcmqrscp, startOrthanc } from '../../support/peer-servers.ts';
import { dcmtk } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { startTlsFront } from '../../support/tls-front.ts';

const STUDY = parseStudyInstanceUid('1.2.826.7');

describe('a source that is asked how much it has', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  describe('Orthanc', () => {
    let archive: OrthancPeer;
    let study: StudyInstanceUid;
    let queries: Readonly<Record<'C-FIND' | 'QIDO-RS', SourceQuery>>;

    before(async () => {
      archive = await startOrthanc({ dicomWeb: true, config: { DicomAlwaysAllowFind: true } });
      study = parseStudyInstanceUid(newUid());
      for (let n = 0; n < 3; n += 1) {
        const { part10 } = mrInstance({ StudyInstanceUID: study });
        await fetch(`${archive.url}/instances`, { method: 'POST', body: Uint8Array.from(part10) });
      }
      const { host, port, aeTitle: calledAeTitle } = archive;
      queries = {
        'C-FIND': { kind: 'dicom', peer: { host, port, calledAeTitle, callingAeTitle: 'HUB' } },
        'QIDO-RS': { kind: 'dicomweb', url: archive.dicomWebUrl },
      };
    });
    after(async () => archive.stop());

    for (const way of ['C-FIND', 'QIDO-RS'] as const) {
      it(`says by ${way} how many instances of a study there are`, async () => {
        expect(await asked(queries[way], study)).to.equal(3);
      });

      it(`says by ${way} that it does not know a study`, async () => {
        expect(await asked(queries[way], STUDY)).to.equal(0);
      });
    }

    it('is asked over TLS when its certificate is of an authority that is trusted, and else not at all', async () => {
      const [authority, stranger] = [await makeAuthority(folder.path), await makeAuthority(folder.path, 'stranger')];
      const front = await startTlsFront(
        Number(new URL(archive.url).port),
        await authority.sign('pacs', '/CN=pacs', { names: 'IP:127.0.0.1' }),
      );
      const overTls = async ({ certificate }: Pick<Authority, 'certificate'>): Promise<SourceQuery> => {
        const ca = await readFile(certificate, 'utf8');
        const url = archive.dicomWebUrl.replace(archive.url, `https://127.0.0.1:${String(front.port)}`);
        return { kind: 'dicomweb', url, tls: () => ({ ca }) };
      };
      try {
        expect(await asked(await overTls(authority), study)).to.equal(3);
        expect(await asked(await overTls(stranger), study)).to.equal('partner.unreachable');
      } finally {
        await front.stop();
      }
    });
  });

  it('has its instances counted one by one where it counts neither studies nor series, as dcmqrscp does', async () => {
    const archive = await startDcmqrscp();
    try {
      const study = parseStudyInstanceUid(newUid());
      const files = [];
      for (let n = 0; n < 3; n += 1) {
        // In two series.
        const { part10 } = mrInstance({ StudyInstanceUID: study, SeriesInstanceUID: `${study}.${String(n % 2)}` });
        files.push(join(folder.path, `${String(n)}.dcm`));
        await writeFile(files.at(-1) ?? '', part10);
      }
      const { port, aeTitle: calledAeTitle } = archive;
      const sent = await run((await dcmtk()).command('storescu'), [
        ...['-aec', calledAeTitle, '127.0.0.1', String(port)],
        ...files,
      ]);
      const peer = { host: '127.0.0.1', port, calledAeTitle, callingAeTitle: 'HUB' };

      expect(sent.code, sent.stderr).to.equal(0);
      expect(await asked({ kind: 'dicom', peer }, study)).to.equal(3);
      expect(await asked({ kind: 'dicom', peer }, STUDY)).to.equal(0);
    } finally {
      await archive.stop();
    }
  });

  it('is asked for its series when it does not count a study', async () => {
    const seen: string[] = [];
    const answer = await askedOver((request, response) => {
      seen.push(`${request.url ?? ''} ${request.headers.authorization ?? ''}`);
      const series = [{ '00201209': { vr: 'IS', Value: ['4'] } }, { '00201209': { vr: 'IS', Value: [5] } }];
      response.end(JSON.stringify(request.url?.includes('/series') === true ? series : [{}]));
    });

    expect(answer).to.equal(9);
    expect(seen).to.deep.equal([
      `/dicom-web/studies?StudyInstanceUID=${STUDY}&includefield=00201208 Bearer open-sesame`,
      `/dicom-web/studies/${STUDY}/series?includefield=00201209 Bearer open-sesame`,
    ]);
  });

  const FAILURES: readonly (readonly [behaviour: string, serve: RequestListener, code: string])[] = [
    ['counts neither studies nor series', (_, response) => response.end('[{}]'), 'partner.refused'],
    ['refuses', (_, response) => response.writeHead(401).end(), 'partner.refused'],
    ['answers with a page for people', (_, response) => response.end('<html>'), 'partner.refused'],
    ['answers with no list', (_, response) => response.end('{}'), 'partner.refused'],
    [
      'sends on to another place',
      (_, response) => response.writeHead(302, { Location: '/' }).end(),
      'partner.unreachable',
    ],
    ['hangs up', (request) => request.socket.destroy(), 'partner.unreachable'],
  ];
  for (const [behaviour, serve, code] of FAILURES) {
    it(`has failed when it ${behaviour}`, async () => {
      expect(await askedOver(serve)).to.equal(code);
    });
  }

  it('has failed when nothing listens there', async () => {
    const nowhere = { host: '127.0.0.1', port: 1, calledAeTitle: 'PACS', callingAeTitle: 'HUB' };

    expect(await asked({ kind: 'dicom', peer: nowhere }, STUDY)).to.equal('partner.unreachable');
    expect(await asked({ kind: 'dicomweb', url: 'http://127.0.0.1:1' }, STUDY)).to.equal('partner.unreachable');
  });

  it('is not waited for when the hub stops', async () => {
    const stopping = new AbortController();
    const serve: RequestListener = () => stopping.abort();

    expect(await askedOver(serve, stopping.signal)).to.equal('partner.timeout');
  });
});

/** The count, or the code of the error. */
async function asked(query: SourceQuery, study: StudyInstanceUid, signal?: AbortSignal): Promise<number | string> {
  try {
    return await askSource(query, study, signal ?? new AbortController().signal);
  } catch (error) {
    if (error instanceof HubError) return error.code;
    throw error;
  }
}

async function askedOver(serve: RequestListener, signal?: AbortSignal): Promise<number | string> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const url = `http://127.0.0.1:${port}/dicom-web/`;
    return await asked({ kind: 'dicomweb', url, authorization: () => 'Bearer open-sesame' }, STUDY, signal);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
