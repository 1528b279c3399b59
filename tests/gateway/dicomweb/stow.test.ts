import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { expect } from 'chai';
import { parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { openFileStore } from '../../../platform/store/file.ts';
import { run } from '../../support/child-process.ts';
import { openDicomwebDoor, type DicomwebDoor } from '../../support/dicomweb-door.ts';
import { mrInstance, newUid, type MrInstance } from '../../support/mr-instance.ts';
import { curl } from '../../support/peers.ts';
import { startGateway, type GatewaySettings, type RunningGateway } from '../../support/running-gateway.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { waitFor } from '../../support/wait-for.ts';

const TYPE = 'multipart/related; type="application/dicom"; boundary=part-of-it';
const SOP_INSTANCE = '00081155';
const REASON = '00081197';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Readonly<Record<string, { readonly Value: readonly unknown[] }>> & { readonly type?: unknown };
}

describe('STOW-RS', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let hub: RunningGateway;
  let door: DicomwebDoor;
  let url: string;

  const start = async (settings: GatewaySettings = {}) => {
    hub = await startGateway(settings);
    door = await openDicomwebDoor([hub.gateway.stowRouter]);
    ({ url } = door);
  };
  const stop = async () => {
    door.stop();
    await hub.remove();
  };
  const post = async (
    body: Buffer,
    options: { path?: string; type?: string; accept?: string; encoding?: string } = {},
  ): Promise<Answer> => {
    const tool = await curl();
    await mkdir(folder.path, { recursive: true });
    const file = join(folder.path, newUid());
    await writeFile(file, body);
    const { stdout, stderr } = await run(tool.command('curl'), [
      '-sS',
      '-w',
      '\n%{http_code} %{content_type}',
      '-H',
      `Content-Type: ${options.type ?? TYPE}`,
      '-H',
      `Accept: ${options.accept ?? 'application/dicom+json'}`,
      ...(options.encoding === undefined ? [] : ['-H', `Content-Encoding: ${options.encoding}`]),
      '--data-binary',
      `@${file}`,
      `${url}${options.path ?? '/studies'}`,
    ]);
    const [, text = '', status = '', type = ''] = /^(.*)\n(\d+) (.*)$/s.exec(stdout) ?? [];
    if (text === '') throw new Error(`no answer: ${stdout}${stderr}`);
    return { status: Number(status), type, body: JSON.parse(text) as Answer['body'] };
  };

  describe('with an open door', () => {
    before(async () => start());
    after(stop);

    it('stores the instances of a request and says so for each', async () => {
      const study = newUid();
      const instances = Array.from({ length: 20 }, (_, n) =>
        mrInstance({ StudyInstanceUID: study }, n === 7 ? 600 : 32),
      );

      const answer = await post(multipart(instances.map(({ part10 }) => part10)));

      expect([answer.status, answer.type]).to.deep.equal([200, 'application/dicom+json']);
      expect(values(answer, '00081199', SOP_INSTANCE)).to.deep.equal(
        instances.map(({ sopInstanceUid }) => sopInstanceUid),
      );
      expect(answer.body['00081198']).to.be.undefined;
      expect(answer.body['00081190']?.Value).to.deep.equal([`${url}/studies/${study}`]);
      for (const instance of instances) {
        const kept = await dataSetInStore(hub, instance);
        expect(kept.equals(instance.dataSet), instance.sopInstanceUid).to.be.true;
      }
      const [series] = await hub.ledger.studies.series(parseStudyInstanceUid(study));
      expect(series?.provenance).to.include({ door: 'stow-rs', source: 'loopback' });
    });

    it('answers 202 when some are stored, with the failure reason of the others', async () => {
      const good = mrInstance();
      const cut = mrInstance();
      const noise = Buffer.from('this is no Part 10 file');

      const answer = await post(multipart([good.part10, cut.part10.subarray(0, -300), noise, Buffer.alloc(0)]));

      expect(answer.status).to.equal(202);
      expect(values(answer, '00081199', SOP_INSTANCE)).to.deep.equal([good.sopInstanceUid]);
      expect(values(answer, '00081198', SOP_INSTANCE)).to.deep.equal([cut.sopInstanceUid]);
      expect(values(answer, '00081198', REASON)).to.deep.equal([0xc000]);
      expect(values(answer, '0008119A', REASON)).to.deep.equal([0xc000, 0xc000]);
      const held = await waitFor('the quarantine entries', async () => {
        const entries = await hub.ledger.quarantine.list({ limit: 10 });
        return entries.length === 3 ? entries : undefined;
      });
      expect(held.map(({ items }) => items[0]?.sizeBytes)).to.include(noise.length);
      expect(held.map(({ reason }) => reason).toSorted()).to.deep.equal([
        'dataset.empty',
        'dataset.unreadable',
        'dataset.unreadable',
      ]);
    });

    it('answers 409 when none is stored', async () => {
      const instance = mrInstance();
      await post(multipart([instance.part10]));

      const answer = await post(multipart([mrInstance({ ...instance.attributes, SeriesDescription: 'other' }).part10]));

      expect(answer.status).to.equal(409);
      expect(values(answer, '00081198', REASON)).to.deep.equal([0x0111]);
    });

    it('fails an instance of another study than the path names, and stores the right one', async () => {
      const [right, wrong] = [mrInstance(), mrInstance()];

      const answer = await post(multipart([right.part10, wrong.part10]), {
        path: `/studies/${right.studyInstanceUid}`,
      });

      expect(answer.status).to.equal(202);
      expect(values(answer, '00081199', SOP_INSTANCE)).to.deep.equal([right.sopInstanceUid]);
      expect(values(answer, '00081198', SOP_INSTANCE)).to.deep.equal([wrong.sopInstanceUid]);
      expect(values(answer, '00081198', REASON)).to.deep.equal([0xa900]);
    });

    it('reads a preamble, an epilogue, headers in any case and a boundary that begins inside the data', async () => {
      const tricky = mrInstance({
        PixelData: { vr: 'OW', value: Buffer.from('\r\n--part-of-i\r\n--part-of-\r\n\r\n--part', 'latin1') },
      });
      const body = Buffer.concat([
        Buffer.from('preamble\r\n--part-of-it  \r\nCONTENT-type: application/DICOM; transfer-syntax=*\r\nX: y\r\n\r\n'),
        tricky.part10,
        Buffer.from('\r\n--part-of-it--\r\nepilogue'),
      ]);

      const answer = await post(body);

      expect(answer.status).to.equal(200);
      expect(await dataSetInStore(hub, tricky)).to.deep.equal(Buffer.from(tricky.dataSet));
    });

    const REFUSED: readonly {
      readonly name: string;
      readonly body?: Buffer;
      readonly options: Parameters<typeof post>[1];
      readonly status: number;
      readonly type: string;
    }[] = [
      {
        name: 'a request that is neither DICOM nor multipart',
        options: { type: 'application/octet-stream' },
        status: 415,
        type: 'request.media-type',
      },
      {
        name: 'a multipart request without boundary',
        options: { type: 'multipart/related; type="application/dicom"' },
        status: 400,
        type: 'request.invalid',
      },
      {
        name: 'a body that is packed again on its way',
        options: { encoding: 'gzip' },
        status: 415,
        type: 'request.media-type',
      },
      {
        name: 'metadata in XML',
        options: { type: 'multipart/related; type="application/dicom+xml"; boundary=x' },
        status: 415,
        type: 'request.media-type',
      },
      {
        name: 'form data',
        options: { type: 'multipart/form-data; boundary=part-of-it' },
        status: 415,
        type: 'request.media-type',
      },
      {
        name: 'a sender who takes XML only',
        options: { accept: 'application/dicom+xml' },
        status: 406,
        type: 'request.not-acceptable',
      },
      { name: 'a path that is no UID', options: { path: '/studies/abc' }, status: 400, type: 'request.invalid' },
      {
        name: 'a body without parts',
        body: Buffer.from('--part-of-it--\r\n'),
        options: {},
        status: 400,
        type: 'request.invalid',
      },
      {
        name: 'a body without its last boundary',
        body: multipart([mrInstance().part10]).subarray(0, -18),
        options: {},
        status: 400,
        type: 'request.invalid',
      },
      {
        name: 'a part header without end',
        body: Buffer.concat([Buffer.from('--part-of-it\r\nX: '), Buffer.alloc(40_000, 0x61)]),
        options: {},
        status: 400,
        type: 'request.invalid',
      },
    ];
    for (const { name, body, options, status, type } of REFUSED) {
      it(`answers ${status} to ${name}`, async () => {
        const answer = await post(body ?? multipart([mrInstance().part10]), options);

        expect([answer.status, answer.body.type]).to.deep.equal([status, `urn:hub:error:${type}`]);
        expect(answer.type).to.include('application/problem+json');
      });
    }

    it('keeps nothing of an instance whose request is cut off, and what came whole before it', async () => {
      const [whole, cut] = [mrInstance(), mrInstance({}, 256)];
      const body = multipart([whole.part10, cut.part10]);
      const before = hub.lines.length;

      const request = httpRequest(`${url}/studies`, {
        method: 'POST',
        headers: { 'Content-Type': TYPE, 'Content-Length': body.length },
      });
      request.on('error', () => undefined); // We hang up ourselves.
      request.write(body.subarray(0, -60_000));
      await waitFor(
        'the whole one',
        async () => (await hub.ledger.studies.get(parseStudyInstanceUid(whole.studyInstanceUid))) !== undefined,
      );
      request.destroy();

      const ended = await waitFor('the end of the request', () =>
        hub.lines.slice(before).find(({ message }) => message === 'store request ended'),
      );
      expect(ended.fields).to.include({ instances: 1, failed: 0 });
      expect(await hub.ledger.studies.get(parseStudyInstanceUid(cut.studyInstanceUid))).to.be.undefined;
    });

    it('counts under its own door', async () => {
      expect(await hub.metrics()).to.match(
        /hub_gateway_instances_total\{door="stow-rs",source="loopback",outcome="stored"\} \d+/,
      );
    });
  });

  it('answers 507 before anything is read when the disk is low', async () => {
    await start({ options: { disk: { minFreeBytes: Number.MAX_SAFE_INTEGER } } });
    try {
      const request = httpRequest(`${url}/studies`, {
        method: 'POST',
        headers: { 'Content-Type': TYPE, 'Content-Length': 1_000_000 },
      });
      request.flushHeaders();

      const [response] = (await once(request, 'response')) as [IncomingMessage];

      const problem = (await json(response)) as { type: string };
      expect([response.statusCode, problem.type]).to.deep.equal([507, 'urn:hub:error:store.full']);
      request.destroy();
    } finally {
      await stop();
    }
  });

  it('answers 503 when the gateway has stopped', async () => {
    await start();
    try {
      await hub.gateway.stop(1000);

      const answer = await post(multipart([mrInstance().part10]));

      expect([answer.status, answer.body.type]).to.deep.equal([503, 'urn:hub:error:gateway.stopping']);
    } finally {
      await stop();
    }
  });
});

function multipart(parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.from('--part-of-it\r\nContent-Type: application/dicom\r\n\r\n');
  return Buffer.concat([
    ...parts.flatMap((part) => [head, part, Buffer.from('\r\n')]),
    Buffer.from('--part-of-it--\r\n'),
  ]);
}

/** Values of one attribute in the items of a sequence. */
function values(answer: Answer, sequence: string, tag: string): readonly unknown[] {
  const items = answer.body[sequence]?.Value ?? [];
  return items.map((item) => (item as Record<string, { Value: readonly unknown[] } | undefined>)[tag]?.Value[0]);
}

async function dataSetInStore(hub: RunningGateway, instance: MrInstance): Promise<Buffer> {
  const item = await waitFor('the instance in the ledger', async () => {
    const items = await hub.ledger.instances.ofStudy(parseStudyInstanceUid(instance.studyInstanceUid));
    return items.find((one) => one.sopInstanceUid === instance.sopInstanceUid);
  });
  const source = await openFileStore(hub.dataDir).open(item.blob);
  const bytes = Buffer.from(await source.read(0, source.sizeBytes));
  await source.close();
  return bytes.subarray(bytes.length - instance.dataSet.length);
}
