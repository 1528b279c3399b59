import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { PAGES } from '../scripts/reference-pages.ts';

describe('the reference pages', () => {
  for (const [file, page] of Object.entries(PAGES)) {
    it(`${file} says what the code says; node scripts/reference-pages.ts writes it`, () => {
      const written = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');

      expect(written).to.equal(page());
    });
  }
});
