import { surviveHostilePeers } from '../support/hostile/scenario.ts';

// A sample of tests/long/hostile-peers.test.ts: without the attacks that take minutes.
describe('a hub among hostile peers', function () {
  it('ends each as it must, serves the scanner beside them, and has its files back', async function () {
    this.timeout(180_000);

    await surviveHostilePeers({ isLong: false });
  });
});
