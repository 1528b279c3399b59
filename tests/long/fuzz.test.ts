import { surviveFuzzing } from '../support/fuzz/scenario.ts';

const SEED = Number(process.env['HUB_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = { dimse: 20_000, 'stow-rs': 5_000 } as const;

describe('a hub under attack by thousands of seeded mistakes', function () {
  for (const door of ['dimse', 'stow-rs'] as const) {
    const cases = Number(process.env['HUB_TEST_CASES'] ?? CASES[door]);

    it(`answers, forgets and goes on, at the ${door} door (${cases} cases)`, async function () {
      this.timeout(1_800_000);

      const outcome = await surviveFuzzing({ door, cases, seed: SEED });

      console.log(`        ${JSON.stringify(outcome)}`);
    });
  }
});
