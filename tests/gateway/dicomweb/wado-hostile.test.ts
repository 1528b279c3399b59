import { getHeapStatistics } from 'node:v8';
import { expect } from 'chai';
import { z } from 'zod';
import { DEFLATED, element, identity, pixels, sampleFile } from '../../support/dicom-samples.ts';
import { mrInstance, newUid } from '../../support/mr-instance.ts';
import { startWadoDoor, type WadoDoor } from '../../support/wado-door.ts';

/** What nobody may do in one piece while a scanner waits; in processor time, for other tests run beside this one. */
const TURN_MS = 120;
const JsonArray = z.array(
  z.record(z.string(), z.object({ Value: z.array(z.unknown()).optional(), BulkDataURI: z.string().optional() })),
);

/** The longest turn of this thread's loop while something is done. */
async function turnsDuring<T>(work: () => Promise<T>): Promise<{ readonly answer: T; readonly longestMs: number }> {
  const now = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let [longestMs, last] = [0, now()];
  let next: NodeJS.Immediate;
  const turn = () => {
    const time = now();
    longestMs = Math.max(longestMs, time - last);
    last = time;
    next = setImmediate(turn);
  };
  next = setImmediate(turn);
  const answer = await work();
  turn();
  clearImmediate(next);
  return { answer, longestMs };
}

/** Files made so that little of them asks for much. */
describe('WADO-RS of hostile instances', function () {
  this.timeout(30_000);
  let door: WadoDoor;
  before(async () => {
    door = await startWadoDoor();
  });
  after(() => door.stop());

  const heapBytes = () => getHeapStatistics().total_heap_size;

  it('shows the first of millions of frames without a list of them all', async () => {
    const frames = 4_000_000;
    const { part10 } = mrInstance({
      NumberOfFrames: String(frames),
      Rows: 1,
      Columns: 1,
      BitsAllocated: 8,
      BitsStored: 8,
      HighBit: 7,
      PixelData: { vr: 'OB', value: Buffer.alloc(frames) },
    });
    const url = await door.add(part10);
    const before = heapBytes();

    const response = await door.get(`${url}/rendered`, { Accept: 'multipart/related; type="image/png"' });
    const reader = response.body?.getReader();
    await reader?.read();
    const grown = heapBytes() - before;

    await reader?.cancel();
    expect(response.status).to.equal(200);
    expect(grown).to.be.below(64 * 1024 * 1024);
  });

  it('reads no more of a look-up table than it has entries', async () => {
    const value = Buffer.alloc(40 * 1024 * 1024);
    const { part10 } = mrInstance({
      VOILUTSequence: [{ LUTDescriptor: [2_048, 0, 16], LUTData: { vr: 'OW', value } }],
    });
    const url = await door.add(part10);
    const before = heapBytes();

    const response = await door.get(`${url}/rendered`, { Accept: 'image/png' });

    expect(response.status).to.equal(200);
    expect(heapBytes() - before).to.be.below(64 * 1024 * 1024);
  });

  it('lets the doors have their turn while it writes the metadata of tens of thousands of frames', async () => {
    const frames = 10_000;
    const item = (n: number) => ({
      FrameContentSequence: [{ StackID: '1', InStackPositionNumber: n, DimensionIndexValues: [1, n] }],
      PlanePositionSequence: [{ ImagePositionPatient: ['1', '2', String(n)] }],
      FrameVOILUTSequence: [{ WindowCenter: '40', WindowWidth: '400' }],
    });
    const PerFrameFunctionalGroupsSequence = Array.from({ length: frames }, (_, n) => item(n));
    const url = await door.add(mrInstance({ PerFrameFunctionalGroupsSequence }).part10);
    const ask = async () => (await door.get(`${url}/metadata`)).text();
    await ask();

    const { answer, longestMs } = await turnsDuring(ask);

    const [json] = JsonArray.parse(JSON.parse(answer));
    expect(json?.['52009230']?.Value?.length).to.equal(frames);
    expect(longestMs).to.be.below(TURN_MS);
  });

  it('tells a value of a megabyte by reference, and takes no time for digits that are no number', async () => {
    const digits = (length: number) => Buffer.from(`${'1'.repeat(length - 1)}x`);
    const { part10 } = mrInstance({
      SliceThickness: { vr: 'DS', value: digits(60_000) },
      TextValue: { vr: 'UT', value: Buffer.alloc(1024 * 1024, 'a') },
    });
    const url = await door.add(part10);

    const before = process.cpuUsage();

    const [json] = JsonArray.parse(await (await door.get(`${url}/metadata`)).json());
    const { user } = process.cpuUsage(before);
    const text = await door.get(String(json?.['0040A160']?.BulkDataURI), { Accept: 'application/octet-stream' });

    expect(json?.['00180050']?.Value?.[0]).to.be.a('string').with.length(60_000);
    expect(user / 1_000).to.be.below(1_000);
    expect(await text.text()).to.equal('a'.repeat(1024 * 1024));
  });

  it('reads a header once for all connections of a viewer', async () => {
    const { part10 } = mrInstance();
    const url = await door.add(part10);
    const before = door.bytesRead;

    const answers = await Promise.all(
      Array.from({ length: 6 }, async () => (await door.get(`${url}/metadata`)).text()),
    );

    expect(new Set(answers).size).to.equal(1);
    expect(door.bytesRead - before).to.equal(part10.length);
  });

  it('inflates a deflated instance beside the thread of the doors', async () => {
    const uids = { study: newUid(), series: newUid(), instance: newUid() };
    const value = Buffer.alloc(60 * 1024 * 1024);
    const url = await door.add(
      sampleFile([...identity(uids), ...pixels(), element('EncapsulatedDocument', value)], DEFLATED),
    );

    const { answer, longestMs } = await turnsDuring(() => door.get(`${url}/metadata`));

    expect(answer.status).to.equal(200);
    await answer.text();
    expect(longestMs).to.be.below(TURN_MS);
  });

  it('sends a frame once, however often a URL names it', async () => {
    const url = await door.add(mrInstance().part10);

    for (const path of ['frames/1,1', 'frames/1,1/rendered']) {
      const response = await door.get(`${url}/${path}`);

      expect(response.status).to.equal(400);
      expect(await response.text()).to.contain('asked for once');
    }
  });
});
