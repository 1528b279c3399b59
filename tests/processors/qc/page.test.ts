import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'chai';
import { PARAMETERS } from '../../../processors/qc/protocol.ts';
import { measureTable } from '../../../scripts/quality-page.ts';

describe('docs/quality-control.md', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../../docs/quality-control.md'), 'utf8');
  /** Prettier pads the cells and lengthens the rule. */
  const plain = (text: string) =>
    text
      .replaceAll(/ +/g, ' ')
      .replaceAll(/-{3,}/g, '---')
      .replaceAll(/\\([*_])/g, '$1');

  it('has every measure as the code has it', () => {
    const written = plain(page);

    for (const row of plain(measureTable()).split('\n')) expect(written).to.include(row);
  });

  it('has every parameter of protocol compliance', () => {
    for (const parameter of Object.keys(PARAMETERS)) expect(page).to.include(`\`${parameter}\``);
  });
});
