import { surviveKills } from '../support/kills/scenario.ts';

// A sample of tests/long/kill-gateway.test.ts: the same scenario, killed fewer times.
const KILLS = Number(process.env['HUB_TEST_KILLS'] ?? 20);
const SEED = Number(process.env['HUB_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe('a receiving gateway that is killed while five senders push', function () {
  it(`has all it acknowledged, once and byte for byte (${KILLS} kills)`, async function () {
    this.timeout(180_000);

    await surviveKills({ kills: KILLS, seed: SEED });
  });
});
