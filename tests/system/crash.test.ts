import { surviveCrashes } from '../support/crash-scenario.ts';
import { expectNothingLost } from '../support/crash-verdict.ts';

// A sample of tests/long/crash.test.ts: the same scenario, killed fewer times.
const KILLS = Number(process.env['HUB_TEST_KILLS'] ?? 15);
const SEED = Number(process.env['HUB_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe('a hub that is killed while scanners push', function () {
  it(`delivers all it acknowledged, once and byte for byte (${KILLS} kills)`, async function () {
    this.timeout(180_000);
    // Half of a lease: work that a killed hub had begun is taken up at once by the next.
    const outcome = await surviveCrashes({ kills: KILLS, seed: SEED, drainMs: 30_000 });

    try {
      await expectNothingLost(outcome, SEED);
    } finally {
      await outcome.remove();
    }
  });
});
