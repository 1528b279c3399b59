/**
 * Compound action codes are decided by the attribute's Type in the IOD (PS3.15 Table E.1-1a): Type 3 is removed, Type 2
 * emptied, Type 1 replaced. The Types are of all composite IODs, at the top and in the sequences that PS3.3 describes;
 * in other places the presence of the attribute is kept and its value is not.
 */
import { ATTRIBUTE_TYPES } from './tables.ts';
import type { ActionCode } from './tables.ts';

/** 1 and 1C, 2 and 2C, 3: a conditional Type counts as if its condition held. */
type AttributeType = 1 | 2 | 3;

const iods = new Map(Object.entries(ATTRIBUTE_TYPES.sopClasses));
const types = new Map(
  Object.entries(ATTRIBUTE_TYPES.types).map(([path, { 1: required = [], 2: emptied = [] }]) => [
    path,
    new Map<number, AttributeType>([
      ...emptied.map((iod): [number, AttributeType] => [iod, 2]),
      ...required.map((iod): [number, AttributeType] => [iod, 1]),
    ]),
  ]),
);

/** The IOD of a SOP class, by its number in the table; `undefined` for a class that PS3.4 did not have. */
export function iodOf(sopClassUid: string): number | undefined {
  return iods.get(sopClassUid);
}

/**
 * Code X, yet Type 2C in Table C.7-1 (Patient) when the patient is an animal: emptied instead of removed there, which
 * reveals as little and keeps the IOD whole.
 */
const REQUIRED_OF_AN_ANIMAL: ReadonlySet<string> = new Set(['ResponsiblePerson', 'ResponsibleOrganization']);

/** Not in Table E.1-1, but Type 1C with a condition that the profile ends: Required if the other has a value (Table C.7-1). */
export const ONLY_WITH: Readonly<Record<string, string>> = { ResponsiblePersonRole: 'ResponsiblePerson' };

/** Where an attribute stands. */
export interface Place {
  readonly iod: number | undefined;
  /** Keywords of the sequences around it, each with a slash behind it; empty at the top level. */
  readonly sequences: string;
  /** The data set says that its patient is an animal: Patient Species Description or Code Sequence is present. */
  readonly isOfAnimal: boolean;
  /** Zero length in the source: there is nothing to replace. */
  readonly isEmpty: boolean;
}

/**
 * The simple code a compound one comes to. Where the Type is not known, presence is kept, by D or U where there was a
 * value and by Z where there was none. What is to be removed and the IOD demands is replaced or emptied: that reveals as
 * little, and the object stays one of its class.
 */
export function resolveCode(code: ActionCode, keyword: string, place: Place): 'X' | 'Z' | 'D' | 'U' | 'K' | 'C' {
  switch (code) {
    case 'X': {
      const isAnimals = place.sequences === '' && place.isOfAnimal && REQUIRED_OF_AN_ANIMAL.has(keyword);
      const type = isAnimals ? 2 : (typeAt(keyword, place) ?? 3);
      if (type === 3) return code;
      return type === 1 && !place.isEmpty ? 'D' : 'Z';
    }
    case 'Z':
    case 'D':
    case 'U':
    case 'K':
    case 'C':
      return code;
    case 'X/Z':
    case 'X/D':
    case 'X/Z/D':
    case 'Z/D':
    case 'X/Z/U*':
      return byType(code, typeAt(keyword, place), place.isEmpty);
    default:
      return code satisfies never;
  }
}

function typeAt(keyword: string, { iod, sequences }: Place): AttributeType | undefined {
  if (iod === undefined) return undefined;
  return types.get(sequences + keyword)?.get(iod) ?? (sequences === '' ? 3 : undefined);
}

function byType(
  code: 'X/Z' | 'X/D' | 'X/Z/D' | 'Z/D' | 'X/Z/U*',
  type: AttributeType | undefined,
  isEmpty: boolean,
): 'X' | 'Z' | 'D' | 'U' {
  const may = (simple: string) => code.includes(simple);
  if (type === 3 && may('X')) return 'X';
  if (type === 2 && may('Z') && !may('U')) return 'Z';
  if (isEmpty || (code === 'X/Z' && type !== 1)) return 'Z';
  // A sequence of references keeps its references, each with its new UID: the instances they name are renamed alike.
  if (may('U')) return 'U';
  return may('D') ? 'D' : 'Z';
}
