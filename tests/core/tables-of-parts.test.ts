import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { ERRORS } from '../../core/errors.ts';
import { EVENTS } from '../../core/events.ts';

const TABLES = [
  { folder: 'errors', suffix: '_ERRORS', table: ERRORS, inNoPart: ['internal.unexpected'] },
  { folder: 'events', suffix: '_EVENTS', table: EVENTS, inNoPart: [] },
] as const;

// A table spreads its parts: of two rows with one name it would take the later one, and say nothing.
for (const { folder, suffix, table, inNoPart } of TABLES) {
  describe(`the table of ${folder}`, () => {
    it('has each row of its parts, and no row stands in two of them', async () => {
      const rows: string[] = [...inNoPart];
      for (const file of readdirSync(new URL(`../../core/${folder}`, import.meta.url))) {
        const part = (await import(`../../core/${folder}/${file}`)) as Readonly<Record<string, object>>;
        const tables = Object.entries(part).filter(([name]) => name.endsWith(suffix));
        rows.push(...tables.flatMap(([, rowsOfPart]) => Object.keys(rowsOfPart)));
      }

      expect(rows.toSorted()).to.deep.equal(Object.keys(table).toSorted());
    });
  });
}
