import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { run } from '../support/child-process.ts';
import {
  ended,
  eventsOf,
  feedOf,
  fetched,
  listed,
  reached,
  type SeenQuarantine,
  type SeenStudy,
} from '../support/hub-api.ts';
import { HubProcess } from '../support/hub-process.ts';
import { curl } from '../support/peers.ts';
import { echo, send } from '../support/scanner.ts';
import { writeStudy, type WrittenStudy } from './planted-study.ts';

const BOUNDARY = 'part-of-the-study';

describe('the doors of a hub', function () {
  this.timeout(60_000);
  let hub: HubProcess;

  before(async () => {
    hub = await HubProcess.create({ config: {} });
    await hub.configure({
      gateway: {
        dimse: {
          aeTitle: ['HUB', 'HUB2'],
          sources: [
            { name: 'pv-7t', aeTitle: 'PV7T', hosts: ['127.0.0.1'] },
            { name: 'elsewhere', aeTitle: 'ELSEWHERE', hosts: ['192.0.2.1'] },
          ],
        },
      },
      policies: [
        { name: 'alpha', profile: 'basic' },
        { name: 'beta', profile: 'basic' },
      ],
      partners: [{ name: 'alpha' }, { name: 'beta' }],
      destinations: [
        { name: 'alpha-folder', type: 'folder', path: join(hub.folder, 'alpha'), partner: 'alpha' },
        { name: 'beta-folder', type: 'folder', path: join(hub.folder, 'beta'), partner: 'beta' },
      ],
      routes: [
        {
          name: 'to-alpha',
          when: { StudyDescription: { like: '*for alpha*' } },
          process: [{ deidentify: 'alpha' }],
          deliver: ['alpha-folder'],
        },
        {
          name: 'to-beta',
          when: { StudyDescription: { like: '*for beta*' } },
          process: [{ deidentify: 'beta' }],
          deliver: ['beta-folder'],
        },
      ],
    });
    await hub.start();
  });
  after(async () => hub.remove());

  describe('DIMSE', () => {
    it('answers C-ECHO of a known AE title under each title of its own', async () => {
      expect((await echo(hub.dimsePort)).code).to.equal(0);
      expect((await echo(hub.dimsePort, { called: 'HUB2' })).code).to.equal(0);
    });

    for (const [who, options, reason] of [
      ['an unknown calling AE title', { calling: 'STRANGER' }, /Calling AE Title Not Recognized/i],
      ['a known title from another host', { calling: 'ELSEWHERE' }, /Calling AE Title Not Recognized/i],
      ['a call for another AE title', { called: 'ARCHIVE' }, /Called AE Title Not Recognized/i],
    ] as const) {
      it(`rejects ${who}, with the reason, and keeps nothing`, async () => {
        const study = await writeStudy(join(hub.folder, 'refused'), { seed: 90 });

        const sent = await send(hub.dimsePort, study.files.slice(0, 1), options);

        expect(sent.code).not.to.equal(0);
        expect(sent.output).to.match(reason);
        expect(await studyUids(hub)).not.to.include(study.studyInstanceUid);
      });
    }
  });

  describe('STOW-RS', () => {
    it('answers 200 with every instance when all are stored', async () => {
      const study = await writeStudy(join(hub.folder, 'whole'), { seed: 11, studyDescription: 'over STOW for alpha' });

      const answer = await stow(
        hub,
        study.instances.map(({ bytes }) => bytes),
      );

      expect(answer.status).to.equal(200);
      expect(answer.contentType).to.match(/^application\/dicom\+json/);
      expect(uidsIn(answer.body, '00081199')).to.have.members(study.instances.map((each) => each.sopInstanceUid));
      const delivery = await ended(hub, study.studyInstanceUid, 'alpha-folder');
      expect(delivery.state).to.equal('succeeded');
    });

    it('answers 202 when some are stored, and says which not', async () => {
      const study = await writeStudy(join(hub.folder, 'some'), { seed: 12 });
      const [one, two] = study.instances;

      const answer = await stow(hub, [one?.bytes ?? EMPTY, cut(two?.bytes ?? EMPTY)]);

      expect(answer.status).to.equal(202);
      expect(uidsIn(answer.body, '00081199')).to.deep.equal([one?.sopInstanceUid]);
      expect(failureReasons(answer.body)).to.deep.equal([0xc000]);
    });

    it('answers 409 when none is stored', async () => {
      const study = await writeStudy(join(hub.folder, 'none'), { seed: 13 });
      const parts = study.instances.slice(0, 2).map(({ bytes }) => cut(bytes));

      const answer = await stow(hub, [...parts, Buffer.from('no DICOM at all')]);

      expect(answer.status).to.equal(409);
      expect(failureReasons(answer.body)).to.have.length(3);
      expect(await studyUids(hub)).not.to.include(study.studyInstanceUid);
    });

    it('answers 409 for an instance of another study than the address names', async () => {
      const study = await writeStudy(join(hub.folder, 'astray'), { seed: 14 });

      const answer = await stow(
        hub,
        study.instances.slice(0, 1).map(({ bytes }) => bytes),
        {
          path: '/dicom-web/studies/1.2.3.4',
        },
      );

      expect(answer.status).to.equal(409);
      expect(failureReasons(answer.body)).to.deep.equal([0xa900]);
    });

    it('answers 400 for a body that is no multipart message of that boundary', async () => {
      const answer = await post(hub, Buffer.from('this is no multipart message'));

      expect(answer.status).to.equal(400);
      expect(answer.contentType).to.match(/^application\/problem\+json/);
      expect(JSON.parse(answer.body)).to.include({ type: 'urn:hub:error:request.invalid', status: 400 });
    });

    it('answers 415 for another media type', async () => {
      const answer = await post(hub, Buffer.from('{}'), { contentType: 'application/json' });

      expect(answer.status).to.equal(415);
      expect(JSON.parse(answer.body)).to.include({ type: 'urn:hub:error:request.media-type' });
    });

    for (const [who, token] of [
      ['no token', ''],
      ['a token of no hub', 'hub_0123456789ab_0123456789012345678901234567890123456789012'],
    ] as const) {
      it(`answers 401 with ${who} and keeps nothing`, async () => {
        const study = await writeStudy(join(hub.folder, 'unknown'), { seed: 15 });

        const answer = await stow(
          hub,
          study.instances.map(({ bytes }) => bytes),
          { token },
        );

        expect(answer.status).to.equal(401);
        expect(answer.headers).to.match(/^www-authenticate: Bearer/im);
        expect(await studyUids(hub)).not.to.include(study.studyInstanceUid);
      });
    }

    it('takes the same instance twice as one, and holds other bytes under its UID in quarantine', async () => {
      const study = await writeStudy(join(hub.folder, 'twice'), { seed: 16 });
      const bytes = study.instances[0]?.bytes ?? EMPTY;
      const other = Buffer.from(bytes);
      other.writeUInt16LE(other.readUInt16LE(other.length - 2) ^ 0xff, other.length - 2);

      const first = await stow(hub, [bytes]);
      const again = await stow(hub, [bytes]);
      const changed = await stow(hub, [other]);

      expect([first.status, again.status, changed.status]).to.deep.equal([200, 200, 409]);
      expect(failureReasons(changed.body)).to.deep.equal([0x0111]);
      const held = await listed<SeenQuarantine>(hub, 'quarantine');
      expect(held.map(({ reason }) => reason)).to.include('dataset.conflict');
      const stored = (await eventsOf(hub, study.studyInstanceUid)).filter(({ type }) => type === 'instance.stored');
      expect(stored).to.have.length(1);
    });
  });

  describe('partners', () => {
    let alphas: WrittenStudy;
    let [alpha, beta] = ['', ''];

    before(async () => {
      alphas = await writeStudy(join(hub.folder, 'alphas'), { seed: 21, studyDescription: 'for alpha only' });
      alpha = await hub.token('--role', 'partner', '--partner', 'alpha');
      beta = await hub.token('--role', 'partner', '--partner', 'beta');
      await send(hub.dimsePort, alphas.files);
      await ended(hub, alphas.studyInstanceUid, 'alpha-folder');
    });

    it('see their own feed and nothing of each other', async () => {
      const ofAlpha = await feedOf(hub, alpha);
      const ofBeta = await feedOf(hub, beta);

      expect(ofAlpha.map(({ type }) => type)).to.include('delivery.succeeded');
      expect(ofBeta).to.deep.equal([]);
    });

    it("cannot use a place of another's feed", async () => {
      const { cursor } = (await (await hub.get('/partner/v1/events', alpha)).json()) as { cursor: string };

      const own = await hub.get(`/partner/v1/events?after=${cursor}`, alpha);
      const strange = await hub.get(`/partner/v1/events?after=${cursor}`, beta);

      expect([own.status, strange.status]).to.deep.equal([200, 400]);
    });

    it('may not look at what administrators see, nor send', async () => {
      for (const path of ['studies', 'deliveries', 'dead-letters', 'quarantine', 'events', 'tokens', 'audit']) {
        expect((await hub.get(`/api/v1/${path}`, alpha)).status, path).to.equal(403);
        expect((await hub.get(`/api/v1/${path}`, '')).status, `${path} without token`).to.equal(401);
      }
      expect((await stow(hub, [EMPTY], { token: alpha })).status).to.equal(403);
      expect((await hub.get('/partner/v1/events', '')).status).to.equal(401);
    });

    it('have different pseudonyms of one and the same study', async () => {
      const both = await writeStudy(join(hub.folder, 'both'), { seed: 22, studyDescription: 'for alpha, for beta' });
      await send(hub.dimsePort, both.files);
      await ended(hub, both.studyInstanceUid, 'alpha-folder');
      await ended(hub, both.studyInstanceUid, 'beta-folder');

      const subjects = async (token: string) => new Set((await feedOf(hub, token)).map(({ subject }) => subject));
      const [ofAlpha, ofBeta] = [await subjects(alpha), await subjects(beta)];

      expect(ofBeta.size).to.equal(1);
      expect([...ofBeta].filter((uid) => ofAlpha.has(uid))).to.deep.equal([]);
      expect([...ofAlpha, ...ofBeta]).not.to.include(both.studyInstanceUid);
    });
  });

  it('lists a study that no route wants as unrouted, and says so in an event', async () => {
    const study = await writeStudy(join(hub.folder, 'unwanted'), { seed: 31, studyDescription: 'phantom' });

    await send(hub.dimsePort, study.files);
    await reached(hub, study.studyInstanceUid, { state: 'unrouted' });

    const found = (await listed<SeenStudy>(hub, 'studies')).find(
      (each) => each.studyInstanceUid === study.studyInstanceUid,
    );
    expect(found).to.include({ state: 'unrouted', instances: study.files.length, revision: 1, source: 'pv-7t' });
    const events = await eventsOf(hub, study.studyInstanceUid);
    expect(events.map(({ type }) => type).filter((type) => type !== 'instance.stored')).to.deep.equal([
      'study.completed',
      'study.unrouted',
    ]);
    expect(await (await hub.get('/metrics')).text()).to.match(/^hub_studies_unrouted_total(\{\})? [1-9]/m);
  });
});

const EMPTY = new Uint8Array();

/** Without its last pixels. */
const cut = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - 1500);

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly headers: string;
  readonly body: string;
}
interface PostOptions {
  readonly token?: string;
  readonly path?: string;
  readonly contentType?: string;
}

/** Stores Part 10 files with one request. */
async function stow(hub: HubProcess, instances: readonly Uint8Array[], options: PostOptions = {}): Promise<Answer> {
  const parts = instances.flatMap((bytes) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ]);
  return await post(hub, Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]), options);
}

async function post(hub: HubProcess, body: Uint8Array, options: PostOptions = {}): Promise<Answer> {
  const client = await curl();
  const file = join(hub.folder, 'request.bin');
  await writeFile(file, body);
  const type = options.contentType ?? `multipart/related; type="application/dicom"; boundary=${BOUNDARY}`;
  const token = options.token ?? hub.adminToken;
  const { code, stdout, stderr } = await run(client.command('curl'), [
    '-sS',
    '-i',
    ...['--data-binary', `@${file}`],
    ...['-H', `Content-Type: ${type}`, '-H', 'Accept: application/dicom+json', '-H', 'Expect:'],
    ...(token === '' ? [] : ['-H', `Authorization: Bearer ${token}`]),
    `${hub.url}${options.path ?? '/dicom-web/studies'}`,
  ]);
  if (code !== 0) throw new Error(`curl ended with ${code}: ${stderr}`);
  const split = stdout.indexOf('\r\n\r\n');
  const headers = stdout.slice(0, split);
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(headers)?.[1]),
    contentType: /^content-type: (.*)$/im.exec(headers)?.[1] ?? '',
    headers,
    body: stdout.slice(split + 4),
  };
}

type DicomJson = Readonly<Record<string, { readonly Value?: readonly unknown[] }>>;

/** Referenced SOP Instance UIDs (0008,1155) of a sequence of the answer. */
function uidsIn(body: string, sequence: string): readonly unknown[] {
  const items = ((JSON.parse(body) as DicomJson)[sequence]?.Value ?? []) as readonly DicomJson[];
  return items.map((item) => item['00081155']?.Value?.[0]);
}

/** Failure Reasons (0008,1197) of all that failed: Failed SOP Sequence, Other Failures Sequence. */
function failureReasons(body: string): readonly unknown[] {
  const answer = JSON.parse(body) as DicomJson;
  const items = ['00081198', '0008119A'].flatMap((tag) => (answer[tag]?.Value ?? []) as readonly DicomJson[]);
  return items.map((item) => item['00081197']?.Value?.[0]);
}

async function studyUids(hub: HubProcess): Promise<readonly string[]> {
  return (await fetched<SeenStudy>(hub, 'studies?limit=500')).map(({ studyInstanceUid }) => studyInstanceUid);
}
