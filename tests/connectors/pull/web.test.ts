import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { mrInstance, newUid, type MrInstance } from '../../support/mr-instance.ts';
import { type Pulling, startPulling } from './pulling.ts';

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

describe('a pull from an origin server', function () {
  this.timeout(20_000);
  let server: Server;
  let pulling: Pulling | undefined;
  let asked: string[] = [];
  let instances: readonly MrInstance[] = [];
  let study = '';
  /** In place of the answer to a retrieval. */
  let retrieve: Serve = (_, response) => answer(response, instances);

  beforeEach(async () => {
    asked = [];
    study = newUid();
    const series = newUid();
    instances = [1, 2].map(() => mrInstance({ StudyInstanceUID: study, SeriesInstanceUID: series }));
    retrieve = (_, response) => answer(response, instances);
    server = createServer((request, response) => {
      const url = request.url ?? '';
      asked.push(url);
      const accept = request.headers.accept ?? '';
      if (!accept.includes('json')) retrieve(request, response);
      else if (!url.includes('offset=0')) response.end('[]');
      else if (url.includes('/instances')) {
        json(
          response,
          instances.map(({ sopInstanceUid }) => ({ '00080018': sopInstanceUid })),
        );
      } else if (url.includes('/series'))
        json(response, [{ '0020000E': series, '00201209': String(instances.length) }]);
      else json(response, [{ '0020000D': study, '00201208': '2' }]);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    pulling = await startPulling({
      from: {
        kind: 'dicomweb',
        origin: {
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dicom-web/`,
          authorization: () => 'Bearer open-sesame',
        },
      },
      query: { modality: ['MR', 'PT'], studyDate: { from: '20260301', to: '20260302' }, match: { PatientID: 'RAT*' } },
    });
  });
  afterEach(async () => {
    await pulling?.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const outcome = async () => {
    const run = await pulling?.run();
    const [row] = (await pulling?.studies()) ?? [];
    return { run: run?.state, code: row?.code, held: (await pulling?.held(study))?.length };
  };

  it('asks by tags for all that must hold, once a modality, and streams what is stored', async () => {
    expect(await outcome()).to.deep.equal({ run: 'done', code: undefined, held: 2 });

    expect(asked[0]).to.equal(
      '/dicom-web/studies?00100020=RAT*&00080020=20260301-20260302&00080061=MR&includefield=00201208&includefield=00080061&limit=101&offset=0',
    );
    expect(asked.some((url) => url.includes('00080061=PT'))).to.equal(true);
    expect(asked.filter((url) => url === `/dicom-web/studies/${study}`)).to.have.length(1);
  });

  it('does not end well when what it found has no valid Study Instance UID', async () => {
    study = '1.2.3/instances';

    const run = await pulling?.run();

    // Both modalities were asked for, and each found it.
    expect(run).to.include({ state: 'incomplete', found: 0, answered: 0, unanswered: 1 });
    expect(run?.reason).to.equal('A source found studies without a valid Study Instance UID (matches=2)');
  });

  it('takes a server that knows no transfer-syntax=* at its own choice', async () => {
    retrieve = (request, response) => {
      if (request.headers.accept?.includes('transfer-syntax=*') === true) response.writeHead(406).end();
      else answer(response, instances);
    };

    expect(await outcome()).to.deep.equal({ run: 'done', code: undefined, held: 2 });
  });

  it('asks by name for what a cut answer did not bring', async () => {
    let times = 0;
    retrieve = (request, response) => {
      times += 1;
      const url = request.url ?? '';
      const named = instances.filter(({ sopInstanceUid }) => url.endsWith(sopInstanceUid));
      if (times > 1) answer(response, named);
      else {
        response.writeHead(200, { 'Content-Type': TYPE });
        response.write(part(instances[0]?.part10 ?? new Uint8Array()));
        response.write(Buffer.from('\r\n--part\r\nContent-Type: application/dicom\r\n\r\nDICM'));
        setTimeout(() => response.destroy(), 50);
      }
    };

    expect(await outcome()).to.deep.equal({ run: 'done', code: undefined, held: 2 });

    const retrievals = asked.filter((url) => !url.includes('limit='));
    expect(retrievals).to.have.length(2);
    expect(retrievals[1]).to.match(/\/instances\/[0-9.]+$/);
  });

  const FAILURES: readonly (readonly [behaviour: string, serve: Serve, code: string, held: number])[] = [
    ['refuses', (_, response) => response.writeHead(401).end(), 'partner.refused', 0],
    ['is overloaded', (_, response) => response.writeHead(503).end(), 'partner.busy', 0],
    ['sends elsewhere', (_, response) => response.writeHead(302, { Location: '/' }).end(), 'partner.unreachable', 0],
    ['answers with a page for people', (_, response) => page(response), 'partner.refused', 0],
    ['answers with nothing', (_, response) => response.end(), 'partner.refused', 0],
    ['sends less than it has', (_, response) => answer(response, instances.slice(0, 1)), 'pull.incomplete', 1],
    ['sends another study', (_, response) => answer(response, [mrInstance(), mrInstance()]), 'pull.incomplete', 0],
    ['never answers', () => undefined, 'partner.timeout', 0],
    [
      'begins and sends nothing more',
      (_, response) => void response.writeHead(200, { 'Content-Type': TYPE }).write('--part\r\n'),
      'partner.timeout',
      0,
    ],
    ['hangs up', (request) => request.socket.destroy(), 'partner.unreachable', 0],
  ];
  for (const [behaviour, serve, code, held] of FAILURES) {
    it(`lists a study whose server ${behaviour}`, async () => {
      retrieve = serve;

      expect(await outcome()).to.deep.equal({ run: 'incomplete', code, held });
    });
  }
});

const TYPE = 'multipart/related; type="application/dicom"; boundary=part';

function json(response: ServerResponse, matches: readonly Readonly<Record<string, string>>[]): void {
  const written = matches.map((match) =>
    Object.fromEntries(Object.entries(match).map(([tag, value]) => [tag, { vr: 'UI', Value: [value] }])),
  );
  response.writeHead(200, { 'Content-Type': 'application/dicom+json' }).end(JSON.stringify(written));
}

function answer(response: ServerResponse, instances: readonly MrInstance[]): void {
  response.writeHead(200, { 'Content-Type': TYPE });
  for (const { part10 } of instances) response.write(part(part10));
  response.end('\r\n--part--\r\n');
}

function part(part10: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('\r\n--part\r\nContent-Type: application/dicom\r\n\r\n'), part10]);
}

function page(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>');
}
