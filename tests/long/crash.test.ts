import { surviveCrashes } from '../support/crash-scenario.ts';
import { expectNothingLost } from '../support/crash-verdict.ts';

const KILLS = Number(process.env['HUB_TEST_KILLS'] ?? 200);
const SEED = Number(process.env['HUB_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe('a hub that is killed two hundred times while scanners push', function () {
  it(`delivers all it acknowledged, once and byte for byte (${KILLS} kills)`, async function () {
    this.timeout(3_600_000);
    const outcome = await surviveCrashes({ kills: KILLS, seed: SEED, drainMs: 600_000 });

    try {
      await expectNothingLost(outcome, SEED);
    } finally {
      await outcome.remove();
    }
  });
});
