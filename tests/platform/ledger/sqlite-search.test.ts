import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { Condition, Search, SearchLevel } from '../../../core/search.ts';
import type { StoredInstance } from '../../../core/ledger/instances.ts';
import { openSqliteLedger } from '../../../platform/ledger/sqlite/client.ts';
import { SQLITE } from '../../../platform/ledger/sql/dialect.ts';
import { openDatabase } from '../../../platform/ledger/sqlite/driver.ts';
import { migrate } from '../../../platform/ledger/sqlite/migrate.ts';
import { matching } from '../../../platform/ledger/sql/query.ts';
import { openSqliteSearch } from '../../../platform/ledger/sqlite/search.ts';
import { COMPLETION, hex, received } from '../../contracts/ledger-facts.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const MIGRATIONS = resolve(import.meta.dirname, '../../../platform/ledger/sqlite/migrations');
const any = (key: Condition['key'], ...values: readonly string[]): Condition => ({
  key,
  match: { kind: 'any', values },
});
const search = (level: SearchLevel, ...conditions: readonly Condition[]): Search => ({
  level,
  conditions,
  studyFields: ['PatientID'],
  seriesFields: [],
  offset: 0,
  limit: 10,
});

describe('searching the ledger', () => {
  const folder = temporaryFolder();
  let ledgers = 0;
  const file = () => join(folder.path, `ledger-${ledgers}.db`);

  beforeEach(async () => {
    ledgers += 1;
    await mkdir(folder.path, { recursive: true });
  });

  const INDEXED: readonly (readonly [SearchLevel, Condition, RegExp])[] = [
    ['study', any('PatientID', 'x'), /INDEX study_headers_patient_id/],
    ['study', any('PatientName', 'x'), /INDEX study_headers_patient_name \(patient_name=/],
    [
      'study',
      { key: 'PatientName', match: { kind: 'wildcard', pattern: 'x*' } },
      /study_headers_patient_name \(patient_name>/,
    ],
    ['study', { key: 'StudyDate', match: { kind: 'range', from: '2', to: '3' } }, /INDEX study_headers_study_date/],
    ['study', any('AccessionNumber', 'x'), /INDEX study_headers_accession_number/],
    ['study', any('StudyDescription', 'x'), /INDEX study_headers_study_description/],
    ['study', any('StudyInstanceUID', '1'), /SEARCH t USING .*INDEX/],
    ['study', any('ModalitiesInStudy', 'MR'), /SEARCH m .*series_headers_study \(study=\? AND modality=/],
    ['series', any('Modality', 'MR'), /INDEX series_headers_modality/],
    ['series', any('SeriesInstanceUID', '1'), /INDEX series_uid/],
    ['instance', any('SOPInstanceUID', '1'), /SEARCH i USING .*INDEX/],
    ['instance', any('StudyInstanceUID', '1'), /SEARCH i USING .*instances_series/],
    ['instance', any('PatientID', 'x'), /SEARCH i USING .*instances_series/],
  ];
  for (const [level, condition, plan] of INDEXED) {
    it(`looks at level ${level} for ${condition.key} (${condition.match.kind}) through an index`, () => {
      const db = openDatabase(file(), 'write');
      migrate(db, file());
      const { from, parameters } = matching(search(level, condition), SQLITE);

      const steps = db.query<{ detail: string }>(`EXPLAIN QUERY PLAN SELECT 1 ${from} LIMIT 10`).all(...parameters);
      db.close();

      expect(steps.map(({ detail }) => detail).join('\n')).to.match(plan);
    });
  }

  it('finds studies that were received before there were searches', async () => {
    const db = openDatabase(file(), 'write');
    for (const name of ['0001-ledger.sql', '0002-storage-commitment.sql']) {
      db.exec(await readFile(join(MIGRATIONS, name), 'utf8'));
    }
    const attributes = JSON.stringify({
      PatientName: ['MÜLLER^Jörg'],
      PatientID: ['R1'],
      StudyDate: ['2026.03.01'],
      Modality: ['MR'],
    });
    db.exec(`
      PRAGMA user_version = 2;
      INSERT INTO studies (study, study_instance_uid, source, patient_digest, correlation_id, state, first_received_at,
                           last_received_at, holds, quiet_ms, instances)
        VALUES (1, '1.2', 's', 'd', 'c', 'receiving', '', '', 0, 1, 1);
      INSERT INTO series (series, study, series_instance_uid, provenance, attributes) VALUES (1, 1, '1.2.3', '{}', '${attributes}');
      INSERT INTO instances (study, series, sop_instance_uid, sop_class_uid, transfer_syntax_uid, blob, size_bytes, sha256,
                             data_set_sha256, received_at)
        VALUES (1, 1, '1.2.3.4', '1', '1', 'spool/a#0+1', 1, '', '', '')`);
    migrate(db, file());
    db.close();

    const studies = openSqliteSearch(file());
    const byName = await studies.find(search('study', any('PatientName', 'müller^JÖRG'), any('StudyDate', '20260301')));
    const byModality = await studies.find(search('series', any('Modality', 'MR')));
    await studies.close();

    expect(byName.found.map(({ study }) => study?.attributes)).to.deep.equal([{ PatientID: ['R1'] }]);
    expect(byModality.found.map(({ series }) => series?.seriesInstanceUid)).to.deep.equal(['1.2.3']);
  });

  it('lets so many wait and asks the others to come again, and answers nobody after it is closed', async () => {
    const db = openDatabase(file(), 'write');
    migrate(db, file());
    db.close();
    const studies = openSqliteSearch(file());

    const outcomes = await Promise.all(
      Array.from({ length: 40 }, () =>
        studies.find(search('study')).then(
          () => 'answered',
          (error: unknown) => String(error),
        ),
      ),
    );
    await studies.close();

    expect(outcomes.filter((outcome) => outcome === 'answered')).to.have.length(32);
    expect(outcomes.filter((outcome) => outcome.includes('Too many at once'))).to.have.length(8);
    const late = await studies.find(search('study')).then(
      () => 'answered',
      (error: unknown) => String(error),
    );
    expect(late).to.include('stopping');
  });

  it('asks nothing for who hung up, and goes on with the others', async () => {
    const db = openDatabase(file(), 'write');
    migrate(db, file());
    db.close();
    const studies = openSqliteSearch(file());
    const hangUp = new AbortController();
    const outcome = (answer: Promise<unknown>) =>
      answer.then(
        () => 'answered',
        (error: unknown) => String(error),
      );

    const first = outcome(studies.find(search('study')));
    const left = outcome(studies.find(search('study'), hangUp.signal));
    const last = outcome(studies.find(search('study')));
    hangUp.abort(new Error('the client hung up'));
    const late = outcome(studies.find(search('study'), hangUp.signal));

    expect(await Promise.all([first, left, last, late])).to.deep.equal([
      'answered',
      'Error: the client hung up',
      'answered',
      'Error: the client hung up',
    ]);
    await studies.close();
  });

  it('fails the search that its thread died of, and answers those behind it', async () => {
    const studies = openSqliteSearch(file());
    const missing = studies.find(search('study')).then(
      () => 'answered',
      (error: unknown) => String(error),
    );
    expect(await missing).to.include('the search was broken off');
    const db = openDatabase(file(), 'write');
    migrate(db, file());
    db.close();

    expect((await studies.find(search('study'))).found).to.deep.equal([]);
    await studies.close();
  });

  it('tells of a study what its first series says, whichever of its instances was revised', async () => {
    const ledger = await openSqliteLedger({ file: file() });
    const keep = (instance: StoredInstance) =>
      ledger.instances.record([{ instance, completion: COMPLETION, sameUid: 'keep-both-as-revision' }], {
        segment: '0001',
        offset: 1,
      });
    await keep(received(1, { attributes: { StudyDescription: ['one'] } }));
    await keep(received(2, { series: 2, attributes: { StudyDescription: ['one'] } }));
    await keep(received(2, { series: 2, attributes: { StudyDescription: ['two'] }, dataSetSha256: hex(9) }));
    const studies = openSqliteSearch(file());
    const count = async (text: string) =>
      (await studies.find(search('study', any('StudyDescription', text)))).found.length;

    expect([await count('one'), await count('two')]).to.deep.equal([1, 0]);
    await keep(received(1, { attributes: { StudyDescription: ['three'] }, dataSetSha256: hex(8) }));
    expect([await count('one'), await count('three')]).to.deep.equal([0, 1]);
    await studies.close();
    await ledger.close();
  });

  it('counts no series, and finds no modality, of which everything was removed', async () => {
    const ledger = await openSqliteLedger({ file: file() });
    const record = (instance: StoredInstance) =>
      ledger.instances.record([{ instance, completion: COMPLETION }], { segment: '0001', offset: 1 });
    await record(received(1, { attributes: { Modality: ['MR'] } }));
    await record(received(2, { series: 2, attributes: { Modality: ['SEG'] } }));
    await ledger.close();
    const db = openDatabase(file(), 'write');
    db.exec("DELETE FROM instances WHERE sop_instance_uid LIKE '%.2.2'");
    db.close();
    const studies = openSqliteSearch(file());

    const [found] = (await studies.find(search('study'))).found;
    const removed = (await studies.find(search('study', any('ModalitiesInStudy', 'SEG')))).found;
    await studies.close();

    expect([found?.study?.series, found?.study?.modalities]).to.deep.equal([1, ['MR']]);
    expect(removed).to.deep.equal([]);
  });
});
