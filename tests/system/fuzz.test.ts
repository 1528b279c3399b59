import { surviveFuzzing } from '../support/fuzz/scenario.ts';

// A sample of tests/long/fuzz.test.ts.
const SEED = Number(process.env['HUB_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = { dimse: 1_000, 'stow-rs': 300 } as const;

describe('a hub under attack by seeded mistakes', function () {
  for (const door of ['dimse', 'stow-rs'] as const) {
    it(`answers, forgets and goes on, at the ${door} door (${CASES[door]} cases)`, async function () {
      this.timeout(180_000);

      await surviveFuzzing({ door, cases: CASES[door], seed: SEED });
    });
  }
});
