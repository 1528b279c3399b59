/**
 * DICOM files with an identifier or a canary in every place that de-identification tools are known to forget: all rows
 * of Table E.1-1 at every depth, all that the table omits, private blocks, scripts, wrong VRs, bytes between and behind.
 */
import {
  ALL_ENCODINGS,
  DEFLATED,
  element,
  encapsulated,
  EXPLICIT,
  IMPLICIT,
  pixels,
  type SampleElement,
  type SampleEncoding,
  sampleFile,
} from '../dicom-samples.ts';
import { integer, pick, seeded } from '../seeded.ts';
import { around, dressed, report } from './hidden-places.ts';
import {
  nativeSpellings,
  type PlantedPatient,
  plantedPatient,
  type Script,
  SCRIPTS,
  type Spelling,
} from './patient.ts';
import { byTag, hex, NOT_PLANTED, SINGLE_ROWS, TEXTS, UNLISTED_LEAVES, UNLISTED_SEQUENCES } from './places.ts';
import { encodeText } from './text-encoding.ts';
import { Planter } from './values.ts';

export interface PlantedFile {
  readonly name: string;
  /** Instance Number, which stays: an output is known by it. */
  readonly number: number;
  readonly bytes: Uint8Array;
  /** Data set without pixels and compression, for a search of the raw bytes. */
  readonly isDeflated: boolean;
  /** A class the policy has to name, or content that is held whatever it names. */
  readonly held: 'never' | 'unless-named' | 'always';
}

export interface PlantedCorpus {
  readonly seed: number;
  readonly patient: PlantedPatient;
  readonly files: readonly PlantedFile[];
  /** What was planted as a repetition, by file number and path. */
  readonly spelled: ReadonlyMap<string, Spelling>;
}

const STORAGE = '1.2.840.10008.5.1.4.1.1.';
export const NAMED_CLASSES = [`${STORAGE}7`, `${STORAGE}66`, `${STORAGE}104.1`];
const CLASSES = {
  MR: `${STORAGE}4`,
  'Enhanced MR': `${STORAGE}4.1`,
  CT: `${STORAGE}2`,
  SR: `${STORAGE}88.33`,
  SEG: `${STORAGE}66.4`,
  PR: `${STORAGE}11.1`,
  SC: `${STORAGE}7`,
  raw: `${STORAGE}66`,
  PDF: `${STORAGE}104.1`,
} as const;
type ClassName = keyof typeof CLASSES;

export function plantedCorpus(seed: number): PlantedCorpus {
  return new Corpus(seed).build();
}

class Corpus {
  readonly #seed: number;
  readonly #planter: Planter;
  readonly #patient: PlantedPatient;
  readonly #spelled = new Map<string, Spelling>();
  readonly #files: PlantedFile[] = [];
  readonly #study: string;
  readonly #series: string;
  readonly #references: string[] = [];
  #spellings = 0;
  /** pydicom reads the inside of a big endian UN in the wrong byte order, so there is none in such files. */
  #hasUnknown = true;

  constructor(seed: number) {
    const random = seeded(seed);
    this.#seed = seed;
    this.#planter = new Planter(random, seed);
    this.#patient = plantedPatient(random);
    this.#study = this.#planter.uid();
    this.#series = this.#planter.uid();
  }

  build(): PlantedCorpus {
    const encodings = Object.values(ALL_ENCODINGS);
    for (const [index, kind] of (['MR', 'Enhanced MR', 'CT', 'SR', 'SEG', 'PR'] as const).entries())
      this.#file(`${kind} with everything`, kind, encodings[(index + this.#seed) % 4] ?? EXPLICIT, (number) => [
        ...this.#everyRow(),
        ...this.#everyUnlisted(number, index % 2 === 0),
        ...around(this.#planter, this.#hasUnknown),
        ...(kind === 'SR' ? [report(this.#planter, this.#patient, this.#some(10))] : []),
      ]);
    this.#file('MR of wrong VRs, empty and short values', 'MR', EXPLICIT, () => this.#oddities());
    for (const script of SCRIPTS)
      this.#file(
        `MR in ${script.characterSet}`,
        'MR',
        pick(this.#planter.random, [EXPLICIT, IMPLICIT, DEFLATED]),
        (number) => this.#native(script, number),
        script,
      );
    this.#held();
    return { seed: this.#seed, patient: this.#patient, files: this.#files, spelled: this.#spelled };
  }

  #file(
    name: string,
    kind: ClassName,
    encoding: SampleEncoding,
    content: (number: number) => readonly SampleElement[],
    script?: Script,
    held: PlantedFile['held'] = 'never',
    study = this.#study,
  ): void {
    const number = this.#files.length + 1;
    const base = this.#base(kind, number, study, encoding.bigEndian, script);
    this.#hasUnknown = !encoding.bigEndian;
    const given = new Set(base.map(({ tag }) => tag));
    const seen = new Set<number>();
    const own = content(number).filter(({ tag }) => !given.has(tag) && !seen.has(tag) && seen.add(tag));
    const plain = sampleFile([...base, ...own], encoding);
    const bytes = encoding === DEFLATED ? plain : dressed(this.#planter, plain);
    this.#files.push({ name, number, bytes, isDeflated: encoding === DEFLATED, held });
  }

  #base(kind: ClassName, number: number, study: string, bigEndian: boolean, script?: Script): readonly SampleElement[] {
    const { family, given, id, numericId, birthDate, physician } = this.#patient;
    const instance = this.#planter.uid();
    this.#references.push(instance);
    const name =
      script === undefined
        ? `${family}^${given}`
        : Buffer.concat([
            Buffer.from(`${family}^${given}=`),
            encodeText(`${script.family}^${script.given}`, script.term),
          ]);
    return [
      element('SOPClassUID', CLASSES[kind]),
      element('SOPInstanceUID', instance),
      element('StudyInstanceUID', study),
      element('SeriesInstanceUID', this.#series),
      element('Modality', kind === 'CT' || kind === 'SR' || kind === 'SEG' || kind === 'PR' ? kind : 'MR'),
      element('ImageType', 'ORIGINAL\\PRIMARY'),
      element('InstanceNumber', String(number)),
      element('PatientName', name),
      element('PatientID', id),
      element('IssuerOfPatientID', ''),
      element('AccessionNumber', numericId),
      element('PatientBirthDate', birthDate),
      element('ReferringPhysicianName', `${physician}^Doctor`),
      ...(script === undefined ? [] : [element('SpecificCharacterSet', script.characterSet)]),
      ...(kind === 'SR' || kind === 'PR' || kind === 'PDF' || kind === 'raw' ? [] : pixels([1, 2, 3, 4], bigEndian)),
    ];
  }

  /** Each row of Table E.1-1 that is one tag. */
  #everyRow(): readonly SampleElement[] {
    return SINGLE_ROWS.filter(({ keyword }) => !NOT_PLANTED.test(keyword ?? '')).map((row) => {
      const tag = Number.parseInt(row.tag, 16);
      const vr = row.vr?.[0] ?? 'LO';
      return { tag, vr, value: vr === 'SQ' ? [this.#some(5)] : this.#planter.value(vr) };
    });
  }

  /** Every unlisted attribute once, and a chain of unlisted sequences six deep. */
  #everyUnlisted(number: number, repeats: boolean): readonly SampleElement[] {
    const leaves = UNLISTED_LEAVES.map(({ tag, vr }) =>
      repeats && TEXTS.some((text) => text.tag === tag)
        ? this.#repetition(tag, vr, number, '')
        : { tag, vr, value: this.#planter.value(vr) },
    );
    const sequences = UNLISTED_SEQUENCES.map(({ tag, vr }): SampleElement => ({
      tag,
      vr,
      value: [this.#someOfAll(number, `${hex(tag)}/0/`, 3)],
      undefinedLength: tag % 2 === 1,
    }));
    const chains = Array.from({ length: 4 }, () => pick(this.#planter.random, UNLISTED_SEQUENCES).tag);
    return [
      ...leaves,
      ...sequences.filter(({ tag }) => !chains.includes(tag)),
      ...chains.map((tag, index) => this.#chain(tag, number, '', 6, index)),
    ];
  }

  #chain(tag: number, number: number, path: string, depth: number, index: number): SampleElement {
    const inside = `${path}${hex(tag)}/0/`;
    const items = this.#someOfAll(number, inside, 12);
    const next = pick(this.#planter.random, UNLISTED_SEQUENCES).tag;
    const deeper = depth > 1 ? [this.#chain(next, number, inside, depth - 1, index)] : [];
    const sorted = [...items.filter((one) => one.tag !== next), ...deeper].toSorted(byTag);
    return {
      tag,
      vr: 'SQ',
      value: [sorted],
      undefinedLength: index % 2 === 1 || index === 3,
      // A sequence sent as UN (PS3.5 Section 6.2.2); what it holds is implicit little endian.
      ...(index === 3 && depth === 6 && this.#hasUnknown ? { statedVr: 'UN' } : {}),
    };
  }

  /**
   * A handful of listed and unlisted attributes, an identifier repeated in one of them. Only where all around is
   * unlisted: a spelling that is removed somewhere would be known from there.
   */
  #someOfAll(number: number, path: string, count: number): readonly SampleElement[] {
    const text = pick(this.#planter.random, TEXTS);
    const repetition = this.#repetition(text.tag, text.vr, number, path);
    return [...this.#some(count).filter(({ tag }) => tag !== text.tag), repetition].toSorted(byTag);
  }

  #some(count: number): readonly SampleElement[] {
    const { random } = this.#planter;
    const found = new Map<number, SampleElement>();
    for (let n = 0; n < count; n += 1) {
      const row = pick(random, SINGLE_ROWS);
      const tag = Number.parseInt(row.tag, 16);
      const vr = row.vr?.[0] ?? 'LO';
      if (vr !== 'SQ' && !NOT_PLANTED.test(row.keyword ?? ''))
        found.set(tag, { tag, vr, value: this.#planter.value(vr) });
      const leaf = pick(random, UNLISTED_LEAVES);
      found.set(leaf.tag, { ...leaf, value: this.#planter.value(leaf.vr) });
    }
    if (this.#references.length > 0 && integer(random, 2) === 0)
      found.set(0x00081155, element('ReferencedSOPInstanceUID', pick(random, this.#references)));
    return [...found.values()].toSorted(byTag);
  }

  /** The next spelling of an identifier, in turn, where the VR has room for it. */
  #repetition(tag: number, vr: string, number: number, path: string): SampleElement {
    const { spellings } = this.#patient;
    const limit = vr === 'SH' || vr === 'CS' ? 16 : 64;
    const fits = spellings.filter(({ text }) => text.length <= limit);
    const spelling = fits[(this.#spellings += 1) % fits.length];
    if (spelling === undefined) throw new TypeError('no spelling fits');
    this.#spelled.set(`${number} ${path}${hex(tag)}`, spelling);
    return { tag, vr, value: spelling.text };
  }

  /** Rows under another VR than the table's, under UN, empty, or too short to be searched for. */
  #oddities(): readonly SampleElement[] {
    const { random } = this.#planter;
    return SINGLE_ROWS.filter(({ keyword, vr }) => !NOT_PLANTED.test(keyword ?? '') && vr?.[0] !== 'SQ').flatMap(
      (row, index): readonly SampleElement[] => {
        const tag = Number.parseInt(row.tag, 16);
        const vr = row.vr?.[0] ?? 'LO';
        switch (index % 4) {
          case 0:
            return [{ tag, vr: pick(random, ['LO', 'UT', 'OB', 'SH']), value: this.#planter.canary() }];
          case 1:
            return [{ tag, vr: 'UN', value: this.#planter.canary() }];
          case 2:
            return [{ tag, vr, value: '' }];
          default:
            return /^(?:AE|CS|LO|LT|PN|SH|ST|UC|UT)$/.test(vr) ? [{ tag, vr, value: this.#planter.shortValue() }] : [];
        }
      },
    );
  }

  #native(script: Script, number: number): readonly SampleElement[] {
    const spellings = nativeSpellings(script);
    const texts = TEXTS.filter(({ vr }) => /^(?:LO|LT|ST|UC|UT)$/.test(vr));
    const repeat = (tag: number, vr: string, path: string, index: number): SampleElement => {
      const spelling = spellings[index % spellings.length];
      if (spelling === undefined) throw new TypeError('no spelling');
      this.#spelled.set(`${number} ${path}${hex(tag)}`, spelling);
      return { tag, vr, value: encodeText(spelling.text, script.term) };
    };
    const nested = pick(this.#planter.random, UNLISTED_SEQUENCES).tag;
    return [
      ...texts.map(({ tag, vr }, index) => repeat(tag, vr, '', index)),
      {
        tag: nested,
        vr: 'SQ',
        value: [texts.slice(0, 30).map(({ tag, vr }, index) => repeat(tag, vr, `${hex(nested)}/0/`, index))],
      },
      ...SINGLE_ROWS.filter(
        ({ vr, keyword }) => /^(?:LO|LT|ST|UT)$/.test(vr?.[0] ?? '') && !NOT_PLANTED.test(keyword ?? ''),
      ).map((row): SampleElement => ({
        tag: Number.parseInt(row.tag, 16),
        vr: row.vr?.[0] ?? 'LO',
        value: this.#planter.canary(),
      })),
    ];
  }

  /** What no header says is harmless: each in a study of its own. */
  #held(): void {
    const alone = (name: string, kind: ClassName, held: PlantedFile['held'], content: readonly SampleElement[]) =>
      this.#file(name, kind, EXPLICIT, () => content, undefined, held, this.#planter.uid());
    const text = () => this.#planter.canary();
    alone('secondary capture', 'SC', 'unless-named', [element('ConversionType', 'WSD')]);
    alone('raw data', 'raw', 'unless-named', []);
    alone('encapsulated PDF', 'PDF', 'unless-named', [
      element('EncapsulatedDocument', `%PDF-1.7 ${text()}`),
      element('MIMETypeOfEncapsulatedDocument', 'application/pdf'),
    ]);
    alone('overlay inside the pixels', 'MR', 'always', [{ tag: 0x60000010, vr: 'US', value: this.#planter.bytes(2) }]);
    for (const [name, marker] of [
      ['comment', 0xfe],
      ['Exif', 0xe1],
    ] as const)
      this.#compressed(`JPEG with ${name}`, marker, text());
  }

  #compressed(name: string, marker: number, text: string): void {
    const number = this.#files.length + 1;
    const study = this.#planter.uid();
    const base = this.#base('MR', number, study, false).filter(({ tag }) => tag !== 0x7fe00010);
    const body = Buffer.from(text);
    const image = Buffer.concat([
      Buffer.from([0xff, 0xd8, 0xff, marker, 0, body.length + 2]),
      body,
      Buffer.from([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0x3f, 0, 0x12, 0x34, 0xff, 0xd9]),
    ]);
    const head = sampleFile(base, { ...EXPLICIT, transferSyntaxUid: '1.2.840.10008.1.2.4.50' });
    this.#files.push({
      name,
      number,
      bytes: Buffer.concat([head, encapsulated([image])]),
      isDeflated: false,
      held: 'always',
    });
  }
}
