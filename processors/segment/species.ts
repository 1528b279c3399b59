/** What is known of the animals that are scanned most: how a header names them, and how large head and brain can be. */
import type { DataSet } from '../../core/dicom/data-set.ts';

interface Animal {
  /** PS3.16 CID 7454, SNOMED CT and its older identifiers. */
  readonly codes: readonly string[];
  readonly words: RegExp;
  /** Field of view of a head scan, its longer in-plane side. */
  readonly fovMm: readonly [number, number];
  /** Larger than this and something else lies in the coil. */
  readonly maxFovMm: number;
  /** Brains there are, with room for young animals and for what one lab counts as brain and another does not. */
  readonly brainMm3: readonly [number, number];
}

const ANIMALS: Readonly<Record<string, Animal>> = {
  mouse: {
    codes: ['447612001', 'L-8B935'],
    words: /\b(mouse|mus musculus)\b/,
    fovMm: [0, 26],
    maxFovMm: 80,
    brainMm3: [250, 750],
  },
  rat: {
    codes: ['371564000', 'L-8B934'],
    words: /\b(rat|rattus( norvegicus)?)\b/,
    fovMm: [20, 80],
    maxFovMm: 80,
    brainMm3: [1_100, 3_200],
  },
  human: {
    codes: ['337915000', 'L-85B00'],
    words: /\b(human|homo sapiens)\b/,
    fovMm: [80, Infinity],
    maxFovMm: Infinity,
    brainMm3: [700_000, 2_200_000],
  },
};

/** (0010,2202) by code, else (0010,2201) by word; a word nobody here knows is taken as it is. */
export function speciesOf(header: DataSet): string | undefined {
  const code = header.items('PatientSpeciesCodeSequence')[0]?.string('CodeValue');
  const word = header.string('PatientSpeciesDescription')?.trim().toLowerCase() ?? '';
  const known = Object.entries(ANIMALS);
  const [name] =
    known.find(([, { codes }]) => code !== undefined && codes.includes(code)) ??
    known.find(([, { words }]) => words.test(word)) ??
    [];
  return name ?? (/^[a-z][a-z -]{0,31}$/.test(word) ? word : undefined);
}

/** Whether a field of view of this size can hold the head; an animal that is not known here can always be. */
export function couldBe(species: string, fovMm: number): boolean {
  const [low, high] = animal(species)?.fovMm ?? [0, Infinity];
  return fovMm >= low && fovMm <= high;
}

/** The largest field of view that may hold one. */
export function maxFovMm(species: string): number {
  return animal(species)?.maxFovMm ?? Infinity;
}

/** How large its brain can be; undefined for an animal that is not known here. */
export function brainRange(species: string): readonly [number, number] | undefined {
  return animal(species)?.brainMm3;
}

function animal(species: string): Animal | undefined {
  return Object.hasOwn(ANIMALS, species) ? ANIMALS[species] : undefined;
}
