import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { decode } from 'fast-png';
import { run } from '../support/child-process.ts';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { dcmtk } from '../support/peers.ts';
import { send } from '../support/scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';
import { openPage, type ServedPage } from './viewer/served-page.ts';

const SIZE = 128;
const VIEWPORT = 256;
/** Kept for people to look at. */
const PICTURES = resolve(import.meta.dirname, '../../node_modules/.cache/hub-tests');

/** Each stored in another transfer syntax, by a program of DCMTK and the option storescu proposes it with. */
const SERIES: readonly {
  readonly description: string;
  readonly program?: string;
  readonly proposing: readonly string[];
}[] = [
  { description: 'as it came', proposing: [] },
  { description: 'RLE', program: 'dcmcrle', proposing: ['-xr'] },
  { description: 'JPEG-LS', program: 'dcmcjpls', proposing: ['-xt'] },
];

interface Shown {
  readonly description: string;
  readonly dimensions: readonly number[];
  readonly images: number;
}

// A scanner sends by C-STORE; a doctor looks in a browser. Nothing between them is ours but the hub.
describe('a web viewer in Chromium', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  const study = newUid();
  let hub: HubProcess;
  let viewer: ServedPage;
  let target: { readonly root: string; readonly token: string };
  let uids: Readonly<Record<'studyInstanceUID' | 'seriesInstanceUID' | 'sopInstanceUID', string>>;

  /** A disc of values that grow from left to right, on black. */
  const disc = Buffer.alloc(SIZE * SIZE * 2);
  for (let y = 0; y < SIZE; y++)
    for (let x = 0; x < SIZE; x++)
      if (Math.hypot(x - SIZE / 2, y - SIZE / 2) < SIZE / 3) disc.writeUInt16LE(1_000 + x * 20, (y * SIZE + x) * 2);

  before(async () => {
    viewer = await openPage();
    await mkdir(folder.path, { recursive: true });
    const files = await Promise.all(
      SERIES.map(async ({ description, program, proposing }) => {
        const instance = mrInstance(
          {
            ...{ StudyInstanceUID: study, SeriesDescription: description, InstanceNumber: '1' },
            ...{ WindowCenter: '2000', WindowWidth: '4000', PixelSpacing: ['1', '1'], SliceThickness: '1' },
            ...{ ImagePositionPatient: ['0', '0', '0'], ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'] },
            PixelData: { vr: 'OW', value: disc },
          },
          SIZE,
        );
        const { SeriesInstanceUID } = instance.attributes;
        if (program === undefined && typeof SeriesInstanceUID === 'string')
          uids = {
            studyInstanceUID: study,
            seriesInstanceUID: SeriesInstanceUID,
            sopInstanceUID: instance.sopInstanceUid,
          };
        const file = join(folder.path, instance.sopInstanceUid);
        await writeFile(file, instance.part10);
        if (program !== undefined) await run((await dcmtk()).command(program), [file, file]);
        return { file, args: proposing };
      }),
    );
    hub = await HubProcess.create({ config: { gateway: { http: { cors: [viewer.origin] } } } });
    await hub.start();
    for (const { file, args } of files)
      expect((await send(hub.dimsePort, [file], { args })).accepted.length).to.equal(1);
    target = { root: `${hub.url}/dicom-web`, token: hub.adminToken };
    await waitFor('the three series', async () => {
      const answer = await hub.get(`/dicom-web/studies/${study}/series`);
      return answer.status === 200 && ((await answer.json()) as readonly unknown[]).length === 3;
    });
  });
  after(async () => {
    await viewer.stop();
    await hub.remove();
  });

  it('finds the study and shows the picture of each series, native and compressed', async () => {
    const shown = (await viewer.page.evaluate(`window.show(${JSON.stringify(target)})`)) as readonly Shown[];

    expect(viewer.complaints).to.deep.equal([]);
    expect(shown.map(({ description }) => description).toSorted()).to.deep.equal(['JPEG-LS', 'RLE', 'as it came']);
    expect(shown.every(({ dimensions }) => dimensions[0] === SIZE && dimensions[1] === SIZE)).to.be.true;
    const screenshot = await viewer.page.screenshot({ type: 'png' });
    await mkdir(PICTURES, { recursive: true });
    await writeFile(join(PICTURES, 'viewer.png'), screenshot);
    const picture = decode(screenshot);
    const grey = (x: number, y: number) => picture.data[(y * picture.width + x) * picture.channels] ?? -1;
    for (const [n] of shown.entries()) {
      const left = n * VIEWPORT;
      // Two canvas pixels a pixel: black outside of the disc, brighter from left to right within.
      expect(grey(left + 8, 8), 'corner').to.be.lessThan(10);
      const [dark, middle, bright] = [60, 128, 196].map((x) => grey(left + x, 128));
      expect(dark).to.be.closeTo((1_600 / 4_000) * 255, 12);
      expect(middle).to.be.closeTo((2_280 / 4_000) * 255, 12);
      expect(bright).to.be.closeTo((2_960 / 4_000) * 255, 12);
    }
  });

  it('gets what it asks for by every retrieve call of dicomweb-client', async () => {
    const got = await viewer.page.evaluate(`window.retrieve(${JSON.stringify(target)}, ${JSON.stringify(uids)})`);

    const answer = got as Readonly<Record<string, number | readonly number[]>>;
    expect(viewer.complaints).to.deep.equal([]);
    expect(answer).to.deep.include({ studyMetadata: 3, frames: [disc.length], bulkdata: [disc.length] });
    expect(answer['study']).to.have.lengthOf(3);
    expect(answer['series']).to.deep.equal([answer['instance']]);
    for (const picture of ['rendered', 'framesRendered'])
      expect(answer[picture], picture).to.satisfy(
        (sizes: readonly number[]) => sizes.length === 1 && (sizes[0] ?? 0) > 200,
      );
  });

  it('may do nothing from an origin that is not configured', async () => {
    const preflight = await fetch(`${target.root}/studies`, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://elsewhere.example.org',
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'authorization',
      },
    });

    expect(preflight.status).to.equal(401);
    expect(preflight.headers.get('access-control-allow-origin')).to.equal(null);
  });
});
