import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { bytesAsSource } from '../../../core/bytes-as-source.ts';
import type { Item } from '../../../core/dicom/element.ts';
import { readDataSet } from '../../../core/dicom/part10.ts';
import { run } from '../../support/child-process.ts';
import { deidentifyFiles, KEY, releasedFiles } from '../../support/deidentified.ts';
import {
  ALL_ENCODINGS,
  BIG_ENDIAN,
  element,
  identity,
  pixels,
  type SampleElement,
  sampleFile,
} from '../../support/dicom-samples.ts';
import { plantedCorpus } from '../../support/planted/corpus.ts';
import { TABLE_ROWS } from '../../support/planted/expectation.ts';
import { UNLISTED_LEAVES } from '../../support/planted/places.ts';
import { Planter } from '../../support/planted/values.ts';
import { seeded } from '../../support/seeded.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SHIFTED = { options: ['retain-longitudinal-modified-dates', 'clean-descriptors'] };
const MARKERS = new Set([0x00120062, 0x00120063, 0x00120064, 0x00280303]);

describe('de-identification, whatever it is given', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  /** Everything the generator has but the largest: scripts, wrong VRs, and one instance with all rows of the table. */
  const files = plantedCorpus(21)
    .files.filter(({ held, name }) => held === 'never' && (!name.includes('everything') || name.startsWith('CT')))
    .map(({ bytes }) => bytes);

  it('gives each instance the same bytes again, in any order and by itself', async () => {
    const once = (await releasedFiles(files, SHIFTED)).files.map((file) => digestOf(file));
    const reversed = (await releasedFiles(files.toReversed(), SHIFTED)).files.map((file) => digestOf(file));
    const alone = await Promise.all(
      files.map(async (file) => digestOf((await releasedFiles([file], SHIFTED)).files[0])),
    );

    expect(reversed.toReversed()).to.deep.equal(once);
    expect(alone).to.deep.equal(once);
    expect(new Set(once).size).to.equal(files.length);
  });

  it('comes to the same on machines that share nothing but the key, each with a part of the study', async () => {
    const machine = async (name: string, part: readonly Uint8Array[]) => {
      const input = join(folder.path, name);
      await mkdir(input, { recursive: true });
      for (const [index, bytes] of part.entries()) await writeFile(join(input, String(index)), bytes);
      const out = join(folder.path, `${name}-out`);
      const args = ['main.ts', 'deidentify', input, out, '--data', join(folder.path, `${name}-data`)];
      const env = { HUB_DEIDENTIFY_KEY: Buffer.from(KEY).toString('hex') };
      const { code, stderr } = await run({ path: process.execPath, env }, args, { cwd: ROOT, timeoutMs: 60_000 });
      expect(code, stderr).to.equal(0);
      return treeOf(out);
    };
    const [whole, first, second] = [
      await machine('whole', files),
      await machine('first', files.slice(0, 4)),
      await machine('second', files.slice(4)),
    ];

    expect(whole.size).to.equal(files.length);
    expect(new Map([...first, ...second])).to.deep.equal(whole);
  });

  it('can be done again to what came out: the same attributes stay, UIDs are one to one, nothing more goes', async () => {
    const once = await releasedFiles(files);
    const twice = await releasedFiles(once.files);

    const mapping = new Map<string, string>();
    for (const [index, first] of once.parsed.entries()) {
      const before = leavesOf(first.dataSet.item);
      const after = leavesOf(twice.parsed[index]?.dataSet.item);
      expect([...after.keys()]).to.deep.equal([...before.keys()]);
      for (const [path, one] of before) {
        const other = after.get(path);
        if (one.vr === 'UI')
          for (const [n, uid] of uidsOf(one.text).entries()) learn(mapping, uid, uidsOf(other?.text ?? '')[n]);
        else if (!isPseudonym(one.text)) expect(other?.text, path).to.equal(one.text);
      }
    }
    expect(new Set(mapping.values()).size).to.equal(mapping.size);
    expect(mapping.size).to.be.greaterThan(100);
  });

  it('keeps every interval between days and every time of day', async () => {
    const planter = new Planter(seeded(5), 5);
    const dates = Array.from({ length: 40 }, () => planter.date());
    const item = (date: string) => [element('ScheduledProcedureStepStartDateTime', `${date}101112.5+0200`)];
    const file = sampleFile([
      ...identity(),
      element('StudyDate', dates[0] ?? ''),
      element('StudyTime', '101112.5'),
      element(
        'DerivationCodeSequence',
        dates.map((date) => item(date)),
      ),
      ...pixels(),
    ]);

    const [released] = (await releasedFiles([file], SHIFTED)).parsed;

    const moved = released?.dataSet
      .items('DerivationCodeSequence')
      .map((one) => one.string('ScheduledProcedureStepStartDateTime') ?? '');
    const distances = moved?.map((text, index) => dayOf(text) - dayOf(dates[index] ?? ''));
    expect(new Set(distances).size).to.equal(1);
    expect(distances?.[0]).to.equal(dayOf(released?.dataSet.string('StudyDate') ?? '') - dayOf(dates[0] ?? ''));
    expect(new Set(moved?.map((text) => text.slice(8)))).to.deep.equal(new Set(['101112.5+0200']));
    expect(released?.dataSet.string('StudyTime')).to.equal('101112.5');
  });

  it('gives two partners nothing in common to join their data by', async () => {
    const patients = Array.from({ length: 12 }, (_, index) =>
      sampleFile([
        ...identity({ patientId: `R-${index}`, study: `1.2.999.${index}`, instance: `1.2.999.3.${index}` }),
        element('AccessionNumber', `ACC-${index}`),
        element('StudyID', `S-${index}`),
        element('StudyDate', '20140310'),
        element('ReferencedStudySequence', [[element('ReferencedSOPInstanceUID', `1.2.999.77.${index}`)]]),
        ...pixels(),
      ]),
    );
    const seenBy = async (partner: string) => {
      const seen = new Set<string>();
      const shifts: string[] = [];
      for (const file of patients) {
        const [released] = (await releasedFiles([file], { partner, ...SHIFTED })).parsed;
        for (const { vr, text } of leavesOf(released?.dataSet.item).values())
          for (const value of vr === 'UI' ? uidsOf(text) : [text.trim()]) if (isPseudonym(value)) seen.add(value);
        shifts.push(released?.dataSet.string('StudyDate') ?? '');
      }
      return { seen, shifts };
    };

    const [one, other] = [await seenBy('one'), await seenBy('other')];

    expect(one.seen.size).to.be.at.least(12 * 5);
    expect([...one.seen].filter((value) => other.seen.has(value))).to.deep.equal([]);
    expect(one.shifts.filter((date, index) => date === other.shifts[index]).length).to.be.at.most(1);
  });

  for (const [name, encoding] of Object.entries(ALL_ENCODINGS))
    it(`is the identity on what the table does not list, in ${name}`, async () => {
      const planter = new Planter(seeded(9), 9);
      const harmless = UNLISTED_LEAVES.filter(({ vr, tag }) => !/^(?:UI|PN|DA|DT|TM)$/.test(vr) && tag !== 0x00280004);
      const elements: readonly SampleElement[] = harmless.map(({ tag, vr }) => ({ tag, vr, value: planter.value(vr) }));
      const given = new Set([...identity(), ...pixels()].map(({ tag }) => tag));
      const free = elements.filter(({ tag }) => !given.has(tag));
      const nested = { ...element('DerivationCodeSequence', [free, [], free.slice(0, 9)]), undefinedLength: true };
      const source = sampleFile(
        [...identity(), ...pixels([1, 2, 3, 4], encoding === BIG_ENDIAN), ...free, nested],
        encoding,
      );

      const { parsed } = await releasedFiles([source]);

      expect(await unlistedOf(source)).to.have.length.greaterThan(1_500);
      expect(elementsOf(parsed[0]?.dataSet.item)).to.deep.equal(await unlistedOf(source));
    });

  it('is the identity on everything else too, when the policy keeps every row', async () => {
    const planter = new Planter(seeded(10), 10);
    const rows = TABLE_ROWS.filter(
      ({ tag, vr, keyword }) =>
        /^(?!000[024]|FFF)[0-9A-F]{8}$/.test(tag) &&
        keyword !== null &&
        /^(?!UN|SQ)/.test(vr?.[0] ?? 'UN') &&
        !/^(?:EncapsulatedDocument|(?:Study|Series|SOP)InstanceUID)$/.test(keyword),
    );
    const base = new Set([...identity(), ...pixels()].map(({ tag }) => tag));
    const elements = rows
      .map((row): SampleElement => ({
        tag: Number.parseInt(row.tag, 16),
        vr: row.vr?.[0] ?? 'LO',
        value: planter.value(row.vr?.[0] ?? 'LO'),
      }))
      .filter(({ tag }) => !base.has(tag));
    const overrides = Object.fromEntries(rows.map(({ keyword }) => [keyword ?? '', 'keep']));
    const options = ['retain-uids', 'retain-longitudinal-full-dates'];
    const source = sampleFile([...identity(), ...elements, ...pixels()]);

    const result = await deidentifyFiles([source], { options, overrides });

    if (result.outcome === 'held') throw new Error(result.detail);
    const [released] = await Promise.all(result.files.map((file) => readDataSet(bytesAsSource(file))));
    expect(elementsOf(released?.dataSet.item, () => true)).to.deep.equal(
      elementsOf((await readDataSet(bytesAsSource(source))).dataSet.item, () => true),
    );
  });
});

interface Leaf {
  readonly vr: string;
  readonly text: string;
}

function leavesOf(item: Item | undefined, path = ''): ReadonlyMap<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  for (const one of item?.elements ?? []) {
    const at = `${path}${one.tag.toString(16)}`;
    if (one.items === undefined) leaves.set(at, { vr: one.vr, text: Buffer.from(one.value).toString('latin1') });
    else
      for (const [index, inner] of one.items.entries())
        for (const [deep, leaf] of leavesOf(inner, `${at}/${index}/`)) leaves.set(deep, leaf);
  }
  return leaves;
}

const listed = new Set(TABLE_ROWS.map(({ tag }) => Number.parseInt(tag, 16)));
const isUnlisted = (tag: number) => !listed.has(tag);

/** Tag and bytes of the top level's elements, markers aside. */
function elementsOf(item: Item | undefined, isMeant: (tag: number) => boolean = isUnlisted): readonly string[] {
  return (item?.elements ?? [])
    .filter(({ tag, vr }) => isMeant(tag) && !MARKERS.has(tag) && (vr !== 'UI' || isMeant !== isUnlisted))
    .map((one) => `${one.tag.toString(16)} ${Buffer.from(one.value).toString('hex')}`);
}

async function unlistedOf(file: Uint8Array): Promise<readonly string[]> {
  return elementsOf((await readDataSet(bytesAsSource(file))).dataSet.item);
}

function isPseudonym(text: string): boolean {
  return /^(?:2\.25\.\d+|[PAS][0-9A-HJKMNP-TV-Z]{15})$/.test(text.replaceAll('\0', ' ').trim());
}

function uidsOf(text: string): readonly string[] {
  return text.split('\\').map((uid) => uid.replaceAll('\0', ' ').trim());
}

function learn(mapping: Map<string, string>, from: string, to: string | undefined): void {
  expect(mapping.get(from) ?? to, 'one UID, one new UID').to.equal(to);
  if (to !== undefined) mapping.set(from, to);
}

function dayOf(text: string): number {
  return Date.UTC(Number(text.slice(0, 4)), Number(text.slice(4, 6)) - 1, Number(text.slice(6, 8))) / 86_400_000;
}

function digestOf(bytes: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(bytes ?? new Uint8Array(0))
    .digest('hex');
}

async function treeOf(folder: string): Promise<ReadonlyMap<string, string>> {
  const paths = globSync('**/*.dcm', { cwd: folder });
  return new Map(
    await Promise.all(paths.map(async (path) => [path, digestOf(await readFile(join(folder, path)))] as const)),
  );
}
