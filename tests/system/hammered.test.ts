import { expect } from 'chai';
import { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { waitFor } from '../support/wait-for.ts';
import { storeBytes } from './raw-scu.ts';

const INSTANCES = 24;
const SAMPLES = 40;
/** Requests under way at any time: four viewers with all their connections. */
const VIEWERS = 24;
/** Loose: the test, the hub and whatever else runs share the processors. */
const MAX_MEDIAN_MS = 1_500;

describe('a hub whose viewers never stop asking', function () {
  this.timeout(120_000);
  let hub: HubProcess;
  before(async () => {
    hub = await HubProcess.create({ config: {} });
    await hub.start();
  });
  after(() => hub.remove());

  const store = async (StudyInstanceUID: string): Promise<void> => {
    const { dataSet, sopInstanceUid } = mrInstance({ StudyInstanceUID }, 256);
    expect(await storeBytes(hub.dimsePort, dataSet, sopInstanceUid)).to.equal(0);
  };
  /** Of an association with one C-STORE each, until the acknowledgement. */
  const acknowledgements = async () => {
    const times: number[] = [];
    for (let n = 0; n < SAMPLES; n++) {
      const startedMs = performance.now();
      await store(newUid());
      times.push(performance.now() - startedMs);
    }
    const sorted = times.toSorted((one, other) => one - other);
    const at = (part: number) => Math.round(sorted[Math.floor(part * (SAMPLES - 1))] ?? 0);
    return { median: at(0.5), p95: at(0.95), max: at(1) };
  };

  it('acknowledges what scanners send meanwhile', async () => {
    const study = newUid();
    for (let n = 0; n < INSTANCES; n++) await store(study);
    const root = `/dicom-web/studies/${study}`;
    await waitFor('the study can be read', async () => {
      const answer = await hub.get(`${root}/metadata`);
      return answer.ok && JSON.stringify(await answer.json()).split('"7FE00010"').length > INSTANCES;
    });
    const idle = await acknowledgements();
    const paths = [
      '/dicom-web/studies?PatientID=RAT*&includefield=all',
      `/dicom-web/instances?limit=200&StudyInstanceUID=${study}`,
      `${root}/metadata`,
      `${root}/rendered?viewport=512,512`,
      root,
      `${root}/thumbnail`,
    ];
    const answers = new Map<number, number>();
    let isOver = false;
    const viewers = Array.from({ length: VIEWERS }, async (_, n) => {
      for (let turn = n; !isOver; turn++) {
        const answer = await hub.get(paths[turn % paths.length] ?? '');
        await answer.arrayBuffer();
        answers.set(answer.status, (answers.get(answer.status) ?? 0) + 1);
      }
    });

    const busy = await acknowledgements();

    isOver = true;
    await Promise.all(viewers);
    process.stdout.write(
      `  C-STORE to acknowledgement, ms, idle: ${JSON.stringify(idle)}; with ${VIEWERS} viewers: ${JSON.stringify(busy)}; ` +
        `their answers: ${JSON.stringify(Object.fromEntries(answers))}\n`,
    );
    expect([...answers.keys()]).to.deep.equal([200]);
    expect(busy.median).to.be.below(MAX_MEDIAN_MS);
  });

  it('shows nothing to those who may not look', async () => {
    const tokens = [
      ['', 401],
      [await hub.token('--role', 'auditor'), 403],
    ] as const;

    for (const [token, status] of tokens)
      for (const path of ['', '/metadata', '/rendered', '/thumbnail', '/series/1.2/instances/1.3/frames/1'])
        expect((await hub.get(`/dicom-web/studies/1.2.3${path}`, token)).status).to.equal(status);
  });
});
