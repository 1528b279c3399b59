import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ROOMS } from '../scripts/room-table.ts';

/** Rooms that no study travels through. */
const BESIDE = ['docs', 'tests', 'bench', 'scripts'];
const ROOT = new URL('../', import.meta.url);

describe('the map of the house in docs/architecture.md', () => {
  const text = readFileSync(new URL('docs/architecture.md', ROOT), 'utf8');
  const [, table = ''] = /## Rooms\n\n.*\n.*\n((?:\|.*\n)+)/.exec(text) ?? [];
  const rows = table
    .trim()
    .split('\n')
    .map((line) => {
      const [, rooms = '', , imports = ''] = line.split('|');
      return { rooms: namesIn(rooms), imports: namesIn(imports), isList: !/everything|nothing/.test(imports) };
    });

  it('has every room and every file of the root, and none that is not there', () => {
    const expected = ROOMS.map(({ name }) => name).filter((name) => !BESIDE.includes(name));

    const named = rows.flatMap(({ rooms }) => rooms);

    expect(named.toSorted()).to.deep.equal(expected.toSorted());
    expect(named.filter((name) => !existsSync(new URL(name, ROOT)))).to.deep.equal([]);
  });

  it('says what a room may import as the check of boundaries has it', () => {
    for (const { rooms, imports, isList } of rows) {
      if (!isList) continue;
      for (const { name, mayImport } of ROOMS.filter((room) => rooms.includes(room.name)))
        expect(imports.toSorted(), name).to.deep.equal(mayImport === 'any' ? 'any' : mayImport.toSorted());
    }
  });
});

/** `core/` and `app.ts` of a cell, without the slash. */
function namesIn(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name.replace(/\/$/, ''));
}
