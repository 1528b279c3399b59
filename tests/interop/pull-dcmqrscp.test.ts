import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { examinePullOf } from '../cli/doctor-run.ts';
import { hubWithPulls, IMPATIENT, pulled } from '../connectors/pull/hub-with-pull.ts';
import { freePort, run, startServer, type RunningServer } from '../support/child-process.ts';
import type { HubProcess } from '../support/hub-process.ts';
import { mrInstance, newUid } from '../support/mr-instance.ts';
import { dcmtk } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

describe('a pull from dcmqrscp', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let hub: HubProcess;
  /** It has nothing of what the first one has. */
  let other: HubProcess;
  let server: RunningServer;
  let archivePort: number;
  const study = newUid();
  const dataSets = new Map<string, string>();

  before(async () => {
    const tools = await dcmtk();
    hub = await hubWithPulls([]);
    const [port, storage] = [await freePort(), join(folder.path, 'archive')];
    archivePort = port;
    await mkdir(storage, { recursive: true });
    const config = join(folder.path, 'dcmqrscp.cfg');
    await writeFile(
      config,
      [
        `NetworkTCPPort = ${port}`,
        'MaxPDUSize = 16384',
        'MaxAssociations = 16',
        'HostTable BEGIN',
        `hub = (HUB, 127.0.0.1, ${hub.dimsePort})`,
        'HostTable END',
        'VendorTable BEGIN',
        'VendorTable END',
        'AETable BEGIN',
        `ARCHIVE ${storage} RW (200, 1024mb) ANY`,
        'AETable END',
        '',
      ].join('\n'),
    );
    const answers = async () => {
      const echo = await run(tools.command('echoscu'), ['-to', '2', '-aec', 'ARCHIVE', '127.0.0.1', String(port)]);
      return echo.code === 0;
    };
    server = await startServer(tools.command('dcmqrscp'), ['-c', config], answers);
    for (const [index, series] of [newUid(), newUid()].entries()) {
      for (let n = 0; n < 3; n += 1) {
        const { sopInstanceUid, part10, dataSet } = mrInstance({
          ...{ StudyInstanceUID: study, SeriesInstanceUID: series, StudyDate: '20260301', StudyTime: '101010' },
          ...{ StudyID: '1', SeriesNumber: index + 1, InstanceNumber: n + 1, AccessionNumber: 'ACC-1' },
        });
        dataSets.set(sopInstanceUid, Buffer.from(dataSet).toString('base64'));
        const file = join(folder.path, `${index}-${n}.dcm`);
        await writeFile(file, part10);
        const stored = await run(tools.command('storescu'), ['-aec', 'ARCHIVE', '127.0.0.1', String(port), file]);
        expect(stored.code, stored.stderr).to.equal(0);
      }
    }
    await writeFile(join(folder.path, 'list.csv'), 'patient;accession\nx;ACC-1\ny;ACC-2\n');
    const dicom = { host: '127.0.0.1', port, aeTitle: 'ARCHIVE', callingAeTitle: 'HUB' };
    const accessions = { file: join(folder.path, 'list.csv'), column: 'accession' };
    const { retry } = IMPATIENT;
    const timeouts = { stall: '10s', settle: '10s' };
    await hub.configure({
      pulls: [
        { name: 'by-move', from: { dicom, retrieve: 'c-move', moveTo: 'HUB' }, query: { accessions }, timeouts, retry },
      ],
      gateway: { dimse: { sources: [{ name: 'somebody', aeTitle: 'SOMEBODY', hosts: ['127.0.0.1'] }] } },
    });
    other = await hubWithPulls([
      {
        name: 'by-get',
        from: { dicom, retrieve: 'c-get' },
        query: { studyDate: { from: '2026-03-01' } },
        timeouts,
        retry,
      },
    ]);
    await Promise.all([hub.start(), other.start()]);
  });
  after(async () => {
    await Promise.all([hub.remove(), other.remove()]);
    await server.stop();
  });

  async function held(): Promise<number> {
    const answer = await hub.get(`/api/v1/studies/${study}`);
    return answer.ok ? ((await answer.json()) as { instances: number }).instances : 0;
  }

  it('is examined by hub doctor: the question is answered and counted, and nothing is moved', async () => {
    const dicom = { host: '127.0.0.1', port: archivePort, aeTitle: 'ARCHIVE', callingAeTitle: 'HUB' };

    const ran = await examinePullOf(
      folder.path,
      { from: { dicom }, query: { studyDate: { from: '2026-03-01', to: '2026-03-02' } } },
      { gateway: { dimse: { port: hub.dimsePort } } },
    );

    expect([ran.code, ran.wrong]).to.deep.equal([0, []]);
    expect(ran.check('counts')?.what).to.equal('C-FIND counts one of them: 2 series, 6 instances');
    // It looks a destination up when it has something to send: that cannot be told, and what to enter there is said.
    expect(ran.check('move')?.verdict).to.equal('skipped');
    expect(ran.check('move')?.why).to.contain(`AE title HUB, host 127.0.0.1, port ${hub.dimsePort}`);
    expect(await held()).to.equal(0);
  });

  it('fetches by C-MOVE what a list of accession numbers names, from an archive that is no source', async () => {
    const done = await pulled(hub, 'by-move');

    // dcmqrscp counts nothing on the level of a series: its instances are counted one by one.
    expect(done, hub.log()).to.include({
      state: 'done',
      questions: 2,
      answered: 2,
      found: 1,
      fetched: 1,
      instances: 6,
    });
    expect(await held()).to.equal(6);
  });

  it('fetches by C-GET, byte for byte', async () => {
    const done = await pulled(other, 'by-get');

    expect(done, other.log()).to.include({ state: 'done', found: 1, fetched: 1, instances: 6 });
    const out = join(folder.path, 'out');
    const exported = await other.command('store', 'export', out);
    expect(exported.code, exported.stderr).to.equal(0);
    const files = (await readdir(out, { recursive: true })).filter((name) => name.endsWith('.dcm'));
    const exportedSets = await Promise.all(
      files.map(async (name) => {
        const bytes = await readFile(join(out, name));
        const { dataSetOffset, dataSet } = await readHeader(bytesAsSource(bytes));
        return [dataSet.string('SOPInstanceUID'), bytes.subarray(dataSetOffset).toString('base64')] as const;
      }),
    );
    expect(Object.fromEntries(exportedSets)).to.deep.equal(Object.fromEntries(dataSets));
  });
});
