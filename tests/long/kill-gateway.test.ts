import { surviveKills } from '../support/kills/scenario.ts';

const KILLS = Number(process.env['HUB_TEST_KILLS'] ?? 1_000);
const SEED = Number(process.env['HUB_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe('a receiving gateway that is killed a thousand times while five senders push', function () {
  it(`has all it acknowledged, once and byte for byte, and starts as fast as ever (${KILLS} kills)`, async function () {
    this.timeout(3_600_000);

    const outcome = await surviveKills({ kills: KILLS, seed: SEED });

    console.log(`        ${JSON.stringify(outcome)}`);
  });
});
