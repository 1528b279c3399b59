import { join } from 'node:path';
import { expect } from 'chai';
import { parseSeriesInstanceUid, parseSopInstanceUid, parseStudyInstanceUid } from '../../../core/identifiers.ts';
import type { Attributes } from '../../../core/ledger/common.ts';
import type { StoredInstance } from '../../../core/ledger/instances.ts';
import type { Condition, Search, SearchLevel, StudySearch } from '../../../core/search.ts';
import { openPostgresSearch } from '../../../platform/ledger/postgres/reader.ts';
import { openSqliteLedger } from '../../../platform/ledger/sqlite/client.ts';
import { openSqliteSearch } from '../../../platform/ledger/sqlite/search.ts';
import { received, record } from '../../contracts/ledger-facts.ts';
import { postgres } from '../../support/postgres.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { Replicas } from './postgres-ledgers.ts';

const any = (key: Condition['key'], ...values: readonly string[]): Condition => ({
  key,
  match: { kind: 'any', values },
});
const like = (key: Condition['key'], pattern: string): Condition => ({ key, match: { kind: 'wildcard', pattern } });
const range = (key: Condition['key'], from?: string, to?: string): Condition => ({
  key,
  match: { kind: 'range', ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) },
});

/** Headers as devices write them, with what one database or the other could take for something else. */
const HEADERS: readonly Attributes[] = [
  {
    PatientName: ['MÜLLER^Jörg=山田^太郎=やまだ^たろう'],
    PatientID: ['R-1'],
    StudyDate: ['2026.03.01'],
    StudyTime: ['10:15:30.500'],
    StudyDescription: ['100% rat_brain [a]'],
    Modality: ['MR'],
    SeriesNumber: ['7'],
    InstanceNumber: ['1'],
  },
  {
    PatientName: ['Müller^Jan'],
    PatientID: ['r-1'],
    StudyDate: ['20260301'],
    StudyTime: ['101530'],
    StudyDescription: ['100 rat brain a'],
    Modality: ['SEG'],
    SeriesNumber: ['x'],
  },
  { PatientName: ['muller^zoë'], PatientID: ['R!2'], StudyTime: ['1015'], StudyDescription: ['%'], Modality: ['MR'] },
  { PatientID: ['nul\0l'], StudyDate: [''], StudyDescription: ['x'.repeat(100_000)], Modality: ['CT'] },
];

const SEARCHES: readonly (readonly [SearchLevel, readonly Condition[], number])[] = [
  ['study', [], 4],
  ['study', [any('PatientName', 'MÜLLER^jörg')], 1],
  ['study', [like('PatientName', 'müller*')], 2],
  ['study', [like('PatientName', '山田*')], 1],
  ['study', [like('PatientName', 'm?ller^*')], 3],
  ['study', [any('PatientID', 'R-1')], 1],
  ['study', [any('PatientID', 'R-1', 'r-1')], 2],
  ['study', [like('PatientID', 'R*')], 2],
  ['study', [like('PatientID', 'R!*')], 1],
  ['study', [like('StudyDescription', '*%*')], 2],
  ['study', [like('StudyDescription', '*_brain*')], 1],
  ['study', [like('StudyDescription', '*[a]')], 1],
  ['study', [like('StudyDescription', '*?')], 4],
  ['study', [range('StudyDate', '20260301', '20260301')], 2],
  ['study', [range('StudyDate', undefined, '20270101')], 2],
  ['study', [any('StudyTime', '101530.5')], 1],
  ['study', [any('StudyTime', '101530.000')], 1],
  ['study', [range('StudyTime', '10', '10')], 3],
  ['study', [any('ModalitiesInStudy', 'MR')], 2],
  ['study', [any('StudyInstanceUID', '1.2.9.2')], 1],
  ['series', [any('Modality', 'MR')], 2],
  ['series', [any('Modality', 'MR'), any('PatientID', 'R-1')], 1],
  ['series', [any('SeriesNumber', '7')], 1],
  ['instance', [any('StudyInstanceUID', '1.2.9.1')], 2],
  ['instance', [any('SOPInstanceUID', '1.2.9.1.1.2')], 1],
  ['instance', [any('InstanceNumber', '1')], 2],
];

describe('searching a PostgreSQL ledger', () => {
  const folder = temporaryFolder();
  const replicas = new Replicas();
  let onPostgres: StudySearch;
  let onSqlite: StudySearch;

  before(async function () {
    this.timeout(60_000);
    const server = await (await postgres()).createDatabase();
    const ledger = await replicas.open(server);
    const file = join(folder.path, 'ledger.db');
    const embedded = await openSqliteLedger({ file });
    for (const instance of instances()) {
      await record(ledger, instance);
      await record(embedded, instance);
    }
    onPostgres = openPostgresSearch(server);
    onSqlite = openSqliteSearch(file);
    replicas.alsoClose(() => embedded.close());
  });
  after(async () => {
    await onPostgres.close();
    await onSqlite.close();
    await replicas.close();
  });

  for (const [level, conditions, many] of SEARCHES) {
    const what = conditions.map(({ key, match }) => `${key} ${JSON.stringify(match)}`).join(', ');
    it(`finds what a file's does at level ${level}: ${what === '' ? 'everything' : what}`, async () => {
      const search: Search = {
        ...{ level, conditions, offset: 0, limit: 10 },
        studyFields: ['PatientName', 'StudyDate'],
        seriesFields: ['SeriesNumber'],
      };

      const found = await onPostgres.find(search);

      expect(found.found).to.have.length(many);
      expect(found).to.deep.equal(await onSqlite.find(search));
    });
  }

  it('says how many there are behind the page, and goes on there', async () => {
    const page = (offset: number): Search => ({
      ...{ level: 'study' as const, conditions: [], offset, limit: 3 },
      ...{ studyFields: [], seriesFields: [] },
    });

    const [first, second] = [await onPostgres.find(page(0)), await onPostgres.find(page(3))];

    expect([first.found.length, first.more, second.found.length, second.more]).to.deep.equal([3, 1, 1, 0]);
  });

  it('lets so many wait and asks the others to come again, and leaves whoever does not wait', async () => {
    const search: Search = { level: 'study', conditions: [], studyFields: [], seriesFields: [], offset: 0, limit: 1 };
    const leaving = new AbortController();
    const left = onPostgres.find(search, leaving.signal).catch(String);
    leaving.abort(new Error('gone'));

    const outcomes = await Promise.all(
      Array.from({ length: 40 }, () =>
        onPostgres.find(search).then(
          () => 'answered',
          (error: unknown) => String(error),
        ),
      ),
    );

    expect(await left).to.contain('gone');
    expect(outcomes.filter((outcome) => outcome === 'answered')).to.have.length(31);
    expect(outcomes.filter((outcome) => outcome.includes('Too many at once'))).to.have.length(9);
  });
});

function instances(): readonly StoredInstance[] {
  const of = (study: number, number: number, attributes: Attributes) =>
    received(study * 10 + number, {
      studyInstanceUid: parseStudyInstanceUid(`1.2.9.${String(study)}`),
      seriesInstanceUid: parseSeriesInstanceUid(`1.2.9.${String(study)}.1`),
      sopInstanceUid: parseSopInstanceUid(`1.2.9.${String(study)}.1.${String(number)}`),
      attributes,
    });
  return [
    ...HEADERS.map((attributes, n) => of(n + 1, 1, attributes)),
    of(1, 2, { ...HEADERS[0], InstanceNumber: ['2'] }),
    of(2, 2, { ...HEADERS[1], InstanceNumber: ['1'] }),
  ];
}
