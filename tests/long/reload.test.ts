import { expect } from 'chai';
import { reloadUnderLoad } from '../support/reloaded-hub.ts';

describe('a thousand configurations, one after the other, while scanners send', function () {
  this.timeout(1_800_000);

  it('drop no association, and leave each study to one version, once', async () => {
    const { failed, instancesSent, instancesDelivered, studies, ...rest } = await reloadUnderLoad(1_000);

    expect(failed.map(({ output }) => output)).to.deep.equal([]);
    expect(rest).to.deep.include({ misrouted: [], misdelivered: [], unknownVersions: [], deadLetters: 0 });
    expect(instancesDelivered).to.equal(instancesSent);
    process.stdout.write(`${String(studies)} studies, ${String(rest.versionsUsed)} versions used\n`);
  });
});
