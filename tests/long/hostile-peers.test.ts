import { surviveHostilePeers } from '../support/hostile/scenario.ts';

describe('a hub among hostile peers', function () {
  it('ends each as it must, serves the scanner beside them, and has its memory and its files back', async function () {
    this.timeout(900_000);

    const { ends, ...outcome } = await surviveHostilePeers({ isLong: true });

    console.log(`        ${Object.keys(ends).length} kinds of attack, ${JSON.stringify(outcome)}`);
  });
});
