import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubProcess } from '../support/hub-process.ts';

describe('the keys of a hub on one machine', function () {
  this.timeout(180_000);
  let hub: HubProcess;

  before(async () => {
    hub = await HubProcess.create({ config: {} });
    await hub.start();
    await hub.stop();
    await writeFile(join(hub.dataFolder, 'keys', 'crosswalk.key'), `${'9'.repeat(64)}\n`);
  });
  after(async () => hub.remove());

  it('are those that its ledger was kept with, or it does not start and says what would be lost', async () => {
    const refused = await hub.command('start');

    expect(refused.code).to.equal(78);
    expect(refused.stderr)
      .to.match(/the key crosswalk \(fingerprint [0-9a-f]{12}\)/)
      .and.include('nothing that was released before could be led back')
      .and.include('HUB_CROSSWALK_KEY')
      .and.include('hub start --accept-key crosswalk')
      .and.not.include('99999');
  });

  it('are replaced by whoever says so', async () => {
    await hub.start('--accept-key', 'crosswalk');

    expect(hub.log()).to.include('another key is used from now on').and.not.include('99999');
  });
});
