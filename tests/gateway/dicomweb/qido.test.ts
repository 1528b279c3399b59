import { expect } from 'chai';
import { allTags } from '../../../core/dicom/dictionary.ts';
import { encodePart10 } from '../../../core/dicom/encode.ts';
import { type JsonDataSet, jsonKey } from '../../../core/dicom/json-model.ts';
import { qidoRouter } from '../../../gateway/dicomweb/qido.ts';
import { HubError } from '../../../core/errors.ts';
import { openSqliteSearch } from '../../../platform/ledger/sqlite/search.ts';
import { openFileStore } from '../../../platform/store/file.ts';
import type { StudySearch } from '../../../core/search.ts';
import { openDicomwebDoor, type DicomwebDoor } from '../../support/dicomweb-door.ts';
import { mrInstance } from '../../support/mr-instance.ts';
import { startGateway, type RunningGateway } from '../../support/running-gateway.ts';
import { waitFor } from '../../support/wait-for.ts';
import { STUDIES, STUDY } from './qido-studies.ts';

const MAX_RESULTS = 4;

describe('QIDO-RS', function () {
  this.timeout(30_000);
  let hub: RunningGateway;
  let door: DicomwebDoor;
  let search: StudySearch;
  let url: string;

  before(async () => {
    hub = await startGateway();
    search = openSqliteSearch(`${hub.dataDir}/ledger.db`);
    const store = openFileStore(hub.dataDir);
    const qido = qidoRouter({ search, store, log: hub.log, maxResults: MAX_RESULTS });
    door = await openDicomwebDoor([hub.gateway.stowRouter, qido], hub.log);
    ({ url } = door);
    for (const study of STUDIES) {
      for (const attributes of study) {
        const body = Buffer.from(encodePart10(mrInstance(attributes).attributes));
        const answer = await fetch(`${url}/studies`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/dicom' },
          body,
        });
        expect(answer.status).to.equal(200);
      }
    }
    await waitFor('all studies in the ledger', async () => (await hub.ledger.studies.list({ limit: 10 })).length === 6);
  });
  after(async () => {
    door.stop();
    await search.close();
    await hub.remove();
  });

  const ask = async (path: string, accept = 'application/dicom+json') => {
    const response = await fetch(`${url}${path}`, { headers: { Accept: accept } });
    const text = await response.text();
    const body = (text === '' ? [] : JSON.parse(text)) as readonly JsonDataSet[] & { detail?: string; type?: string };
    return { status: response.status, headers: response.headers, body };
  };
  /** Last part of the UIDs found, in their order. */
  const found = async (path: string, tag = '0020000D') => {
    const { status, body } = await ask(path);
    expect([200, 204]).to.include(status);
    return body.map((one) => (one[tag]?.Value?.[0] as string).slice(STUDY.length + 1));
  };

  const MATCHING: readonly (readonly [string, string, readonly string[]])[] = [
    ['everything', 'offset=0&limit=4', ['1', '2', '3', '4']],
    ['a single value', 'PatientID=RAT-1', ['1']],
    ['a single value by tag', '00100020=RAT-1', ['1']],
    ['a value whose case differs', 'PatientID=Rat-1', []],
    ['a wild card', 'PatientID=RAT-3*', ['3', '4']],
    ['a wild card for one character', 'PatientID=RAT-?', ['1', '2', '3']],
    ['a wild card in front', 'PatientID=*-5', ['5']],
    ['a bracket, which is no wild card', 'StudyDescription=*[T2]', ['1']],
    ['an asterisk that stands for itself, too', 'AccessionNumber=A*1', ['1', '6']],
    ['nothing asked, universally', 'PatientID=&AccessionNumber=*', ['1', '2', '3', '4']],
    ['a person name in another case', 'PatientName=AHONEN^mika', ['3', '4']],
    ['a person name with accents', 'PatientName=MÜLLER^jörg', ['1']],
    [
      'a person name with accents composed otherwise',
      `PatientName=${encodeURIComponent('Müller^Jörg'.normalize('NFD'))}`,
      ['1'],
    ],
    ['a person name by wild card', 'PatientName=a*', ['3', '4']],
    ['an ideographic name', 'PatientName=山田*', ['2']],
    ['a name by its groups', 'PatientName=yamada*=山田^太郎', ['2']],
    ['a name whose second group differs', 'PatientName=yamada*=鈴木', []],
    ['a phonetic name', `PatientName=${encodeURIComponent('==やまだ^たろう')}`, ['2']],
    ['the referring physician', 'ReferringPhysicianName=kanervisto*', ['1']],
    ['a date', 'StudyDate=20260302', ['2']],
    ['a range of dates, ends included', 'StudyDate=20260301-20260315', ['1', '2', '3']],
    ['a range open to the past', 'StudyDate=-20260301', ['1', '6']],
    ['a range open to the future', 'StudyDate=20260315-', ['3', '4']],
    ['a range of times, the last hour whole', 'StudyTime=10-10', ['2', '3']],
    ['a range of times to the minute', 'StudyTime=0915-1015', ['1', '2', '3']],
    ['a time with a fraction written shorter', 'StudyTime=101530.25', ['2']],
    ['a time without its empty fraction', 'StudyTime=110000.00', ['4']],
    ['a list of UIDs with commas', `StudyInstanceUID=${STUDY}.1,${STUDY}.3`, ['1', '3']],
    ['a list of UIDs with backslashes', `StudyInstanceUID=${STUDY}.1%5C${STUDY}.3`, ['1', '3']],
    ['a UID given twice', `StudyInstanceUID=${STUDY}.1&StudyInstanceUID=${STUDY}.3`, ['1', '3']],
    ['a modality of one of the series', 'ModalitiesInStudy=SEG', ['1']],
    ['several modalities', 'ModalitiesInStudy=SEG,CT', ['1', '4']],
    ['all of several conditions', 'ModalitiesInStudy=MR&StudyDate=20260301-&PatientName=*a*', ['2', '3']],
    ['study ID and birth date', 'StudyID=S1&PatientBirthDate=20250101', ['1']],
    ['text that is SQL', "PatientID=' OR '1'='1", []],
  ];
  for (const [name, query, studies] of MATCHING) {
    it(`finds studies by ${name}`, async () => {
      expect(await found(`/studies?${query}`)).to.deep.equal(studies);
    });
  }

  const LOWER: readonly (readonly [string, string, readonly string[]])[] = [
    [`/studies/${STUDY}.1/series`, '0020000E', ['1.1', '1.2']],
    [`/studies/${STUDY}.1/series?Modality=SEG`, '0020000E', ['1.2']],
    [`/studies/${STUDY}.1/series?SeriesNumber=%2B1`, '0020000E', ['1.1']],
    [`/studies/${STUDY}.1/series?SeriesDescription=T2*`, '0020000E', ['1.1']],
    ['/series?PerformedProcedureStepStartDate=20260301&PerformedProcedureStepStartTime=09-10', '0020000E', ['1.1']],
    ['/series?Modality=CT&PatientName=AHONEN*', '0020000E', ['4.1']],
    [`/series?SeriesInstanceUID=${STUDY}.1.2`, '0020000E', ['1.2']],
    [`/studies/${STUDY}.1/instances`, '00080018', ['1.1.1', '1.1.2', '1.2.1']],
    [`/studies/${STUDY}.1/instances?InstanceNumber=1`, '00080018', ['1.1.1', '1.2.1']],
    [`/studies/${STUDY}.1/series/${STUDY}.1.1/instances`, '00080018', ['1.1.1', '1.1.2']],
    [`/studies/${STUDY}.1/series/${STUDY}.1.1/instances?SOPInstanceUID=${STUDY}.1.1.2`, '00080018', ['1.1.2']],
    [`/studies/${STUDY}.2/series/${STUDY}.1.1/instances`, '00080018', []],
    ['/instances?PatientID=RAT-3', '00080018', ['3.1.1']],
    ['/instances?Modality=SEG', '00080018', ['1.2.1']],
    ['/instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.4&StudyDate=20260401', '00080018', ['4.1.1']],
    ['/studies/1.2.3/series', '0020000E', []],
  ];
  for (const [path, tag, uids] of LOWER) {
    it(`finds ${uids.length} at ${path}`, async () => {
      expect(await found(path, tag)).to.deep.equal(uids);
    });
  }

  it('tells of a study what the standard requires, with empty values where there are none', async () => {
    const { status, headers, body } = await ask('/studies?PatientID=RAT-1');

    expect([status, headers.get('content-type')]).to.deep.equal([200, 'application/dicom+json']);
    expect(headers.get('cache-control')).to.equal('private, no-store');
    expect(body).to.deep.equal([
      {
        '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
        '00080020': { vr: 'DA', Value: ['20260301'] },
        '00080030': { vr: 'TM', Value: ['0915'] },
        '00080050': { vr: 'SH', Value: ['A1'] },
        '00080056': { vr: 'CS', Value: ['ONLINE'] },
        '00080061': { vr: 'CS', Value: ['MR', 'SEG'] },
        '00080090': { vr: 'PN', Value: [{ Alphabetic: 'Kanervisto^Mikko' }] },
        '00081030': { vr: 'LO', Value: ['rat brain [T2]'] },
        '00081190': { vr: 'UR', Value: [`${url}/studies/${STUDY}.1`] },
        '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Müller^Jörg' }] },
        '00100020': { vr: 'LO', Value: ['RAT-1'] },
        '00100030': { vr: 'DA', Value: ['20250101'] },
        '00100040': { vr: 'CS', Value: ['M'] },
        '0020000D': { vr: 'UI', Value: [`${STUDY}.1`] },
        '00200010': { vr: 'SH', Value: ['S1'] },
        '00201206': { vr: 'IS', Value: [2] },
        '00201208': { vr: 'IS', Value: [3] },
      },
    ]);
    const [other] = (await ask('/studies?PatientID=MOUSE-5')).body;
    expect([other?.['00080020'], other?.['00100010']]).to.deep.equal([{ vr: 'DA' }, { vr: 'PN' }]);
  });

  it('tells of a series its own attributes, and those of the study only where the path does not name it', async () => {
    const [within] = (await ask(`/studies/${STUDY}.1/series?SeriesNumber=1`)).body;
    const [anywhere] = (await ask('/series?SeriesNumber=1')).body;

    expect(within).to.deep.equal({
      '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
      '00080056': { vr: 'CS', Value: ['ONLINE'] },
      '00080060': { vr: 'CS', Value: ['MR'] },
      '0008103E': { vr: 'LO', Value: ['T2 TurboRARE'] },
      '00081190': { vr: 'UR', Value: [`${url}/studies/${STUDY}.1/series/${STUDY}.1.1`] },
      '0020000D': { vr: 'UI', Value: [`${STUDY}.1`] },
      '0020000E': { vr: 'UI', Value: [`${STUDY}.1.1`] },
      '00200011': { vr: 'IS', Value: [1] },
      '00201209': { vr: 'IS', Value: [2] },
      '00400244': { vr: 'DA', Value: ['20260301'] },
      '00400245': { vr: 'TM', Value: ['091500'] },
    });
    expect(anywhere?.['00100020']).to.deep.equal({ vr: 'LO', Value: ['RAT-1'] });
    expect(anywhere?.['00201208']).to.deep.equal({ vr: 'IS', Value: [3] });
  });

  it('tells of an instance what its own header says', async () => {
    const [instance] = (await ask(`/studies/${STUDY}.1/series/${STUDY}.1.1/instances?InstanceNumber=2`)).body;

    expect(instance).to.deep.equal({
      '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
      '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.4'] },
      '00080018': { vr: 'UI', Value: [`${STUDY}.1.1.2`] },
      '00080056': { vr: 'CS', Value: ['ONLINE'] },
      '00081190': { vr: 'UR', Value: [`${url}/studies/${STUDY}.1/series/${STUDY}.1.1/instances/${STUDY}.1.1.2`] },
      '0020000D': { vr: 'UI', Value: [`${STUDY}.1`] },
      '0020000E': { vr: 'UI', Value: [`${STUDY}.1.1`] },
      '00200013': { vr: 'IS', Value: [2] },
      '00280010': { vr: 'US', Value: [32] },
      '00280011': { vr: 'US', Value: [32] },
      '00280100': { vr: 'US', Value: [16] },
    });
  });

  it('adds the fields asked for, all that it keeps, or says which it does not know', async () => {
    const some = await ask(
      `/studies/${STUDY}.1/series?SeriesNumber=1&includefield=ProtocolName,00081030&includefield=SliceThickness`,
    );
    const all = await ask(`/studies/${STUDY}.1/series?SeriesNumber=1&includefield=all`);
    const instance = await ask(`/studies/${STUDY}.1/instances?SOPInstanceUID=${STUDY}.1.1.1&includefield=all`);

    expect(some.body[0]?.['00181030']).to.deep.equal({ vr: 'LO', Value: ['T2'] });
    expect(some.headers.get('warning')).to.equal(`299 ${url}: "Not known here: SliceThickness"`);
    expect(all.body[0]?.['00181030']).to.deep.equal({ vr: 'LO', Value: ['T2'] });
    expect(all.headers.get('warning')).to.equal(null);
    expect(instance.body[0]?.['00180050']).to.deep.equal({ vr: 'DS', Value: [0.5] });
    expect(instance.body[0]?.['7FE00010']).to.equal(undefined);
  });

  it('names some of many unknown fields, for clients take no long header', async () => {
    const many = allTags().slice(-400).map(jsonKey);
    const { status, headers } = await ask(`/studies/${STUDY}.1/series?includefield=${many.join(',')}`);

    expect(status).to.equal(200);
    expect(headers.get('warning'))
      .to.match(/ and \d+ more"$/)
      .and.to.have.lengthOf.at.most(1_000);
  });

  it('tells of the others, and who it is, when the header of an instance cannot be read', async () => {
    const readable = openFileStore(hub.dataDir);
    let opened = 0;
    const router = qidoRouter({
      search,
      log: hub.log,
      store: {
        ...readable,
        open: (ref) => {
          opened += 1;
          return opened === 1 ? Promise.reject(new HubError('store.missing', { ref })) : readable.open(ref);
        },
      },
    });
    const other = await openDicomwebDoor([router], hub.log);

    const response = await fetch(`${other.url}/studies/${STUDY}.1/series/${STUDY}.1.1/instances`);
    const body = (await response.json()) as readonly JsonDataSet[];
    other.stop();

    expect(response.status).to.equal(200);
    expect(response.headers.get('warning')).to.match(/"Instances whose attributes cannot be read: 1"$/);
    expect(body.map((one) => [one['00080018']?.Value?.[0], one['00280010']?.Value?.[0]])).to.deep.equal([
      [`${STUDY}.1.1.1`, undefined],
      [`${STUDY}.1.1.2`, 32],
    ]);
  });

  it('cuts a long answer, says how much is left, and goes on where it was', async () => {
    const first = await ask('/studies');
    const second = await found('/studies?offset=4');
    const paged = [
      ...(await found('/instances?limit=3')),
      ...(await found('/instances?limit=3&offset=3')),
      ...(await found('/instances?limit=3&offset=6')),
    ];

    expect(first.headers.get('warning')).to.equal(`299 ${url}: "There are 2 additional results that can be requested"`);
    expect(first.body).to.have.length(MAX_RESULTS);
    expect(second).to.deep.equal(['5', '6']);
    expect(paged).to.deep.equal(['1', '1', '1', '2', '3', '4', '5', '6']);
    expect((await ask('/studies?limit=100')).body).to.have.length(MAX_RESULTS);
    expect((await ask('/studies?offset=4')).headers.get('warning')).to.equal(null);
  });

  it('answers 204 without a body when nothing matches', async () => {
    const { status, body } = await ask('/studies?PatientID=nobody');

    expect([status, body.length]).to.deep.equal([204, 0]);
  });

  it('matches literally and says so when fuzzy matching is asked for', async () => {
    const { headers, body } = await ask('/studies?PatientName=Ahonen^Mika&fuzzymatching=true');

    expect(body).to.have.length(2);
    expect(headers.get('warning')).to.equal(
      `299 ${url}: "The fuzzymatching parameter is not supported. Only literal matching has been performed."`,
    );
  });

  it('answers in JSON as the client calls it, and 406 to one that takes XML only', async () => {
    expect((await ask('/studies', 'application/json')).headers.get('content-type')).to.match(/^application\/json/);
    expect((await ask('/studies', '*/*')).headers.get('content-type')).to.match(/^application\/dicom\+json/);
    expect((await ask('/studies', 'application/dicom+json; charset=utf-8')).status).to.equal(200);
    expect((await ask('/studies?accept=application/json', 'text/html')).status).to.equal(200);
    const refused = await ask('/studies', 'multipart/related; type="application/dicom+xml"');
    expect([refused.status, refused.body.type]).to.deep.equal([406, 'urn:hub:error:request.not-acceptable']);
  });

  const REFUSED: readonly (readonly [string, RegExp])[] = [
    [
      '/studies?InstitutionName=Secret',
      /InstitutionName is not searchable\. Searchable here: StudyInstanceUID, .*StudyDescription$/,
    ],
    ['/studies?PatientNmae=Secret', /did you mean PatientName\?/],
    ['/studies?Modality=Secret', /did you mean ModalitiesInStudy\?/],
    ['/studies?InstanceNumber=1', /lower level/],
    ['/studies?00191001=Secret', /no attribute of PS3\.6/],
    ['/series?RequestAttributesSequence.ScheduledProcedureStepID=Secret', /inside of sequences/],
    ['/series?00400275.00400009=Secret', /inside of sequences/],
    ['/studies?StudyDate=Secret', /StudyDate is not a date/],
    ['/studies?StudyDate=2026-03-01', /StudyDate is not a date/],
    ['/studies?StudyDate=-', /StudyDate is not a date/],
    ['/studies?StudyDate=20261345', /StudyDate is not a date/],
    ['/studies?StudyDate=20260201-20260229', /StudyDate is not a date/],
    ['/studies?StudyTime=2460', /StudyTime is not a time/],
    ['/studies?fuzzymatching=maybe', /fuzzymatching is true or false/],
    ['/studies?fuzzymatching=true&fuzzymatching=false', /fuzzymatching is true or false/],
    ['/studies?StudyTime=25h', /StudyTime is not a time/],
    ['/studies?StudyInstanceUID=Secret', /not a UID/],
    ['/studies?PatientID=a&PatientID=Secret', /PatientID is given twice/],
    ['/studies?ModalitiesInStudy=C*,MR', /list with wild cards/],
    ['/series?SeriesNumber=Secret', /not a whole number/],
    ['/studies?limit=-1', /limit/],
    ['/studies?Limit=-1', /limit/],
    ['/studies?limit=1&LIMIT=2', /limit/],
    ['/studies?offset=x', /offset/],
    ['/studies?includefield=Secret', /includefield/],
    ['/studies/Secret/series', /not a UID/],
  ];
  for (const [path, detail] of REFUSED) {
    it(`answers 400 to ${path}`, async () => {
      const { status, body } = await ask(path);

      expect([status, body.type]).to.deep.equal([400, 'urn:hub:error:request.invalid']);
      expect(body.detail).to.match(detail).and.not.include('Secret');
    });
  }

  it('writes nothing of what was asked for into the log', () => {
    const log = JSON.stringify(hub.lines);

    expect(log).to.include('search answered').and.to.include('PatientName');
    expect(log).to.not.match(/Secret|Ahonen|ahonen|Müller|RAT-|nobody/);
  });
});
