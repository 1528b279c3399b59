import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { decode } from 'fast-png';
import { HubProcess } from '../support/hub-process.ts';
import { type AllResults, allResults, openSource, type ResultSource } from '../support/result-sources.ts';
import { send } from '../support/scanner.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitFor } from '../support/wait-for.ts';
import { openPage, type ServedPage } from './viewer/served-page.ts';

const VIEWPORT = 512;
/** Kept for people to look at. */
const PICTURES = resolve(import.meta.dirname, '../../node_modules/.cache/hub-tests');

// The series and its Segmentation go in by C-STORE and come out by WADO-RS; what draws them is OHIF's engine.
describe('a Segmentation in a web viewer', function () {
  this.timeout(180_000);
  const folder = temporaryFolder();
  let hub: HubProcess;
  let viewer: ServedPage;
  let source: ResultSource;
  let results: AllResults;

  before(async () => {
    viewer = await openPage('segmentation');
    source = await openSource('classic MR, made here');
    results = await allResults(source.volume, ['seg']);
    await mkdir(folder.path, { recursive: true });
    const files = await Promise.all(
      [...source.files, results.segmentation.bytes].map(async (bytes, index) => {
        const file = join(folder.path, `${String(index)}.dcm`);
        await writeFile(file, bytes);
        return file;
      }),
    );
    hub = await HubProcess.create({ config: { gateway: { http: { cors: [viewer.origin] } } } });
    await hub.start();
    const sent = await send(hub.dimsePort, files, { args: ['-R'] });
    expect(sent.accepted.length, sent.output).to.equal(files.length);
    await waitFor('both series', async () => {
      const answer = await hub.get(`/dicom-web/studies/${source.volume.studyInstanceUid}/instances`);
      return answer.status === 200 && ((await answer.json()) as readonly unknown[]).length === files.length;
    });
  });
  after(async () => {
    await viewer.stop();
    await hub.remove();
  });

  it('lies on the image where its voxels are, each segment in a colour, and nowhere else', async () => {
    const { volume } = source;
    const [nx, ny, nz] = volume.dims;
    const slice = Math.floor(nz / 2);
    const uids = {
      studyInstanceUID: volume.studyInstanceUid,
      image: volume.seriesInstanceUid,
      segmentation: results.segmentation.seriesInstanceUid,
      segmentationInstance: results.segmentation.sopInstanceUid,
      images: volume.slices.map(({ sopInstanceUid }) => sopInstanceUid),
      index: slice,
    };
    const target = { root: `${hub.url}/dicom-web`, token: hub.adminToken };

    const shown = await viewer.page.evaluate(
      `window.showSegmentation(${JSON.stringify(target)}, ${JSON.stringify(uids)})`,
    );

    const screenshot = await viewer.page.screenshot({ type: 'png' });
    await mkdir(PICTURES, { recursive: true });
    await writeFile(join(PICTURES, 'segmentation.png'), screenshot);
    expect(viewer.complaints).to.deep.equal([]);
    const { labels, labelMap } = results.scan;
    const plane = nx * ny;
    const countOf = (mask: Uint8Array, z: number) =>
      mask.subarray(z * plane, (z + 1) * plane).reduce((sum, value) => sum + value, 0);
    expect(shown).to.deep.equal({
      images: nz,
      segments: labels.map(({ label }) => label.name),
      overlap: false,
      voxels: Array.from({ length: nz }, (_, z) =>
        Object.fromEntries<number>(
          labels.map(({ mask }, n) => [n + 1, countOf(mask, z)] as const).filter(([, voxels]) => voxels !== 0),
        ),
      ),
    });
    const { data, width, channels } = decode(screenshot);
    expect(width).to.equal(VIEWPORT);
    const scale = VIEWPORT / nx;
    const labelAt = (x: number, y: number) => labelMap[(slice * ny + y) * nx + x] ?? 0;
    const seen = [0, 0, 0];
    for (let y = 1; y < ny - 1; y += 1)
      for (let x = 1; x < nx - 1; x += 1) {
        const label = labelAt(x, y);
        // Along edges lie outlines.
        if (
          [labelAt(x - 1, y), labelAt(x + 1, y), labelAt(x, y - 1), labelAt(x, y + 1)].some((other) => other !== label)
        )
          continue;
        const across = Math.floor((x + 0.5) * scale);
        const down = Math.floor((y + 0.5) * scale + (VIEWPORT - ny * scale) / 2);
        const [red = 0, green = 0] = data.subarray((down * width + across) * channels);
        const colour = red > green + 20 ? 1 : green > red + 20 ? 2 : 0;
        expect(colour, `voxel ${String(x)}, ${String(y)}`).to.equal(label);
        seen[label] = (seen[label] ?? 0) + 1;
      }
    expect(Math.min(...seen)).to.be.greaterThan(100);
  });
});
