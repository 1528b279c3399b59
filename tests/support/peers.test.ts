import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { run } from './child-process.ts';
import { startOrthanc, startStorescp } from './peer-servers.ts';
import { curl, dciodvfy, dcmtk } from './peers.ts';

describe('the real peers', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hub-peers-'));
  });
  after(async () => rm(dir, { recursive: true, force: true }));

  it('has a storescp that answers echoscu and keeps what it receives until it is stopped', async () => {
    const tools = await dcmtk();
    const storescp = await startStorescp({ dir: join(dir, 'received'), aeTitle: 'PEER' });

    const at = [storescp.host, String(storescp.port)];
    const echo = await run(tools.command('echoscu'), ['-v', '-aec', storescp.aeTitle, ...at]);
    await storescp.stop();
    const afterStop = await run(tools.command('echoscu'), ['-to', '2', ...at]);

    expect(echo.code, echo.stderr).to.equal(0);
    expect(afterStop.code).not.to.equal(0);
    expect(await readdir(storescp.dir)).to.deep.equal([]);
  });

  it('has an Orthanc that answers C-ECHO and QIDO-RS', async () => {
    const tools = await dcmtk();
    const client = await curl();
    const orthanc = await startOrthanc({ dicomWeb: true });

    const echo = await run(tools.command('echoscu'), ['-aec', orthanc.aeTitle, orthanc.host, String(orthanc.port)]);
    const studies = await run(client.command('curl'), [
      '-sS',
      '-H',
      'Accept: application/dicom+json',
      `${orthanc.dicomWebUrl}/studies`,
    ]);
    await orthanc.stop();

    expect(echo.code, echo.stderr).to.equal(0);
    expect(JSON.parse(studies.stdout), studies.stderr).to.deep.equal([]);
  });

  it('has a dciodvfy that tells a broken instance', async () => {
    const tools = await dciodvfy();

    const verdict = await run(tools.command('dciodvfy'), [process.execPath]);

    expect(verdict.stderr).to.match(/error/i);
  });
});
