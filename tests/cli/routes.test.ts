import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { openKeptLedger } from '../../cli/kept-ledger.ts';
import { explain, routes } from '../../cli/routes.ts';
import { diff } from '../../cli/routes-diff.ts';
import { encodePart10 } from '../../core/dicom/encode.ts';
import { parseStudyInstanceUid } from '../../core/identifiers.ts';
import { completeStudy, received, TestClock } from '../contracts/ledger-facts.ts';
import { openTestLedger } from '../support/open-ledger.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { thrownBy } from '../support/thrown.ts';

const CONFIG = `gateway:
  dimse:
    aeTitle: [HUB, HUB2]
    sources:
      - { name: pv-7t, aeTitle: PV7T, hosts: [10.0.0.7] }
destinations: [{ name: ours, type: folder, path: ./out }]
routes:
  - name: brain
    when: { source: pv-7t, SeriesDescription: { matches: brain } }
    perSeries: true
    process: [segment]
    deliver: [ours]
  - { name: ct, when: { Modality: CT }, deliver: [ours] }
  - { name: off, enabled: false, when: {} }
`;

describe('hub routes', () => {
  const folder = temporaryFolder();
  const out: string[] = [];
  const err: string[] = [];
  const terminal = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
  let config = '';
  let study = '';

  const written = async (name: string, text: string) => {
    const file = join(folder.path, name);
    await writeFile(file, text);
    return file;
  };
  const instance = (series: number, number: number, description: string) =>
    encodePart10({
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
      SOPInstanceUID: `1.2.3.${series}.${number}`,
      StudyInstanceUID: '1.2.3',
      SeriesInstanceUID: `1.2.3.${series}`,
      Modality: 'MR',
      SeriesDescription: description,
    });

  before(async () => {
    config = await written('hub.yaml', CONFIG);
    study = join(folder.path, 'study');
    await mkdir(join(study, 'a'), { recursive: true });
    await writeFile(join(study, 'a', '1.dcm'), instance(1, 1, 'T2 brain'));
    await writeFile(join(study, 'a', '2.dcm'), instance(1, 2, 'T2 brain'));
    await writeFile(join(study, 'b.dcm'), instance(2, 1, 'localizer'));
    await writeFile(join(study, 'notes.txt'), 'not DICOM');
  });
  beforeEach(() => {
    out.length = 0;
    err.length = 0;
  });

  describe('explain', () => {
    it('takes every source that a route can name: a watched folder, a pull, what a partner returns', async () => {
      const all = await written(
        'all.yaml',
        `gateway: { folders: [{ name: drop, path: ./in }] }
policies: [{ name: kct, profile: basic }]
partners: [{ name: kct, returns: kct-web }]
pulls:
  - { name: nightly, from: { dicom: { host: pacs, port: 104, aeTitle: PACS } }, query: { studyDate: { last: 1d } } }
  - { name: web, from: { dicomweb: { url: "https://pacs.example.org/dicom-web" } }, query: { studyDate: { last: 1d } } }
destinations: [{ name: ours, type: folder, path: ./out }]
routes:
  - { name: dropped, when: { source: drop, door: folder }, deliver: [ours] }
  - { name: fetched, when: { source: [nightly, web] }, deliver: [ours] }
  - { name: back, when: { source: kct-web, door: stow-rs }, process: [{ reidentify: kct }], deliver: [ours] }
`,
      );
      const matched = async (source: string) => {
        out.length = 0;
        expect(await explain([study, '--config', all, '--source', source, '--json'], terminal)).to.equal(0);
        const { sender, studies } = JSON.parse(out.join('')) as {
          sender: unknown;
          studies: { matched: string[] }[];
        };
        return [sender, studies[0]?.matched];
      };

      const wrong = await thrownBy(explain([study, '--config', all, '--source', 'nobody'], terminal));
      const titled = await thrownBy(explain([study, '--config', all, '--source', 'drop', '--calling', 'X'], terminal));

      expect(await matched('drop')).to.deep.equal([{ door: 'folder', source: 'drop' }, ['dropped']]);
      expect(await matched('nightly')).to.deep.equal([{ door: 'dimse', source: 'nightly' }, ['fetched']]);
      expect(await matched('web')).to.deep.equal([{ door: 'stow-rs', source: 'web' }, ['fetched']]);
      expect(await matched('kct-web')).to.deep.equal([{ door: 'stow-rs', source: 'kct-web' }, ['back']]);
      expect([wrong, titled].map(({ code, fields }) => [code, fields['detail']])).to.deep.equal([
        ['command.usage', 'there is no source nobody; drop, nightly, web, kct-web'],
        ['command.usage', 'what comes from drop has no AE titles'],
      ]);
    });

    it('says for each route whether and why, as if the only source had sent it', async () => {
      expect(await explain([study, '--config', config], terminal)).to.equal(0);

      expect(out.join('\n')).to.equal(`as if sent by pv-7t (PV7T) to HUB with C-STORE

study 1.2.3: 2 series, 3 instances
  route brain matches with 1 of 2 series: segment → ours
    series 1.2.3.1 (2 instances)
      yes source             equals "pv-7t"   is "pv-7t"
      yes SeriesDescription  matches /brain/  is "T2 brain"
    series 1.2.3.2 (1 instance) does not match
      yes source             equals "pv-7t"   is "pv-7t"
      no  SeriesDescription  matches /brain/  is "localizer"
  route ct does not match
    series 1.2.3.1 (2 instances) does not match
      no  Modality  equals "CT"  is "MR"
    series 1.2.3.2 (1 instance) does not match
      no  Modality  equals "CT"  is "MR"
  route off disabled
    series 1.2.3.1 (2 instances)
      yes (no condition: every study)
    series 1.2.3.2 (1 instance)
      yes (no condition: every study)`);
      expect(err.join('\n')).to.match(/^left out, not DICOM: 1 file, such as notes\.txt$/);
    });

    it('takes a single file, and prints for machines', async () => {
      expect(await explain([join(study, 'b.dcm'), '--config', config, '--json'], terminal)).to.equal(0);

      const printed = JSON.parse(out.join('\n')) as {
        sender: unknown;
        studies: { matched: unknown; instances: unknown }[];
      };
      expect(printed.sender).to.deep.equal({
        door: 'dimse',
        source: 'pv-7t',
        callingAeTitle: 'PV7T',
        calledAeTitle: 'HUB',
      });
      expect(printed.studies.map(({ matched, instances }) => [matched, instances])).to.deep.equal([[[], 1]]);
    });

    for (const [argv, expected] of [
      [['--source', 'pv-7t', '--called', 'HUB2'], 'as if sent by pv-7t (PV7T) to HUB2 with C-STORE'],
      [['--calling', 'PV7T'], 'as if sent by pv-7t (PV7T) to HUB with C-STORE'],
      [['--calling', 'OTHER'], 'as if sent by an unknown source (OTHER) to HUB with C-STORE'],
    ] as const) {
      it(`goes by ${argv.join(' ')}`, async () => {
        expect(await explain([study, '--config', config, ...argv], terminal)).to.equal(0);
        expect(out[0]).to.equal(expected);
      });
    }

    it('takes loopback for the source where none is configured', async () => {
      const file = await written('open.yaml', 'routes: []\n');

      expect(await explain([study, '--config', file], terminal)).to.equal(0);
      expect(out[0]).to.equal('as if sent by loopback (any AE title) to HUB with C-STORE');
      expect(out.at(-1)).to.equal('  there are no routes');
    });

    it('asks who sends where several could', async () => {
      const file = await written(
        'two.yaml',
        'gateway: { dimse: { sources: [{ name: a, aeTitle: A, hosts: [10.0.0.1] }, { name: b, aeTitle: B, hosts: [10.0.0.2] }] } }\n',
      );

      expect(await explain([study, '--config', file], terminal)).to.equal(0);
      expect(err[0]).to.equal('name the sender with --source or --calling: rules that ask for it do not match without');
    });

    it('answers 1 where there is no study', async () => {
      expect(await explain([join(study, 'notes.txt'), '--config', config], terminal)).to.equal(1);
      expect(err.at(-1)).to.contain('no DICOM file in');
    });

    for (const [argv, code] of [
      [[], 'command.usage'],
      [['a', 'b'], 'command.usage'],
      [['--nonsense'], 'command.usage'],
      [['.', '--source', 'nobody'], 'command.usage'],
      [['/nowhere/at/all'], 'file.failed'],
    ] as const) {
      it(`refuses ${argv.join(' ') || 'nothing'} with ${code}`, async () => {
        expect((await thrownBy(explain([...argv, '--config', config], terminal))).code).to.equal(code);
      });
    }

    it('names all mistakes of a broken configuration', async () => {
      const file = await written('bad.yaml', 'hub: 1\nbus: 2\n');

      const error = await thrownBy(explain([study, '--config', file], terminal));

      expect(error.code).to.equal('config.invalid');
      expect(error.fields['detail']).to.contain(':1 /hub: ').and.to.contain(':2 /bus: ');
    });
  });

  describe('diff', () => {
    const clock = new TestClock();
    let ledger: Awaited<ReturnType<typeof openTestLedger>>;

    beforeEach(async () => {
      ledger = await openTestLedger({ now: () => new Date() });
      for (const [uid, description] of [
        ['1.9.1', 'brain'],
        ['1.9.2', 'knee'],
      ] as const) {
        const studyInstanceUid = parseStudyInstanceUid(uid);
        const instances = [
          received(Number(uid.at(-1)), {
            studyInstanceUid,
            attributes: { Modality: ['MR'], SeriesDescription: [description] },
          }),
        ];
        await completeStudy(ledger.ledger, Object.assign(new TestClock(), { now: () => new Date() }), ...instances);
      }
      clock.advance(1);
    });
    afterEach(() => ledger.remove());
    /** The test closes the ledger, not the command. */
    const openLedger = async () => ({ configuration: ledger.ledger.configuration, close: async () => {} });

    it('says what a changed file would have done with the studies received since', async () => {
      const draft = await written(
        'draft.yaml',
        CONFIG.replace('matches: brain', 'matches: knee').replace(
          'name: ct, when: { Modality: CT }',
          'name: mr, when: { Modality: MR }',
        ),
      );

      expect(await diff(['--with', draft, '--config', config, '--since', '1d'], openLedger, terminal)).to.equal(0);

      expect(out.join('\n')).to.equal(`2 studies in the last 1d, 2 of them would go another way
route       now  then
brain       1    1
ct          0    0
off         0    0
mr          0    2     +2
(no route)  1    0     -1

destination  now  then
ours         1    2     +1

study 1.9.1 revision 1
  - brain → ours
  + mr → ours

study 1.9.2 revision 1
  + brain → ours
  + mr → ours`);
    });

    it('says that no hub has run there, and makes no folder for it', async () => {
      const data = join(folder.path, 'nowhere');

      const refused = await thrownBy(
        diff(['--with', config, '--config', config, '--data', data], openKeptLedger, terminal),
      );

      expect(refused).to.include({ code: 'resource.not-found' });
      expect(existsSync(data)).to.equal(false);
    });

    it('prints for machines, and finds nothing where nothing changed', async () => {
      expect(await diff(['--with', config, '--config', config, '--json'], openLedger, terminal)).to.equal(0);

      expect(JSON.parse(out.join('\n'))).to.deep.include({
        since: '7d',
        studies: 2,
        unroutedBefore: 1,
        unroutedAfter: 1,
        changes: [],
      });
    });

    it('names a study that would go nowhere', async () => {
      const draft = await written('none.yaml', 'routes: []\n');

      await diff(['--with', draft, '--config', config], openLedger, terminal);

      expect(out).to.include('\nstudy 1.9.1 revision 1: no route any more');
    });

    for (const argv of [[], ['--with', 'x.yaml', 'y'], ['--with', 'x.yaml', '--since', 'monday']]) {
      it(`refuses the usage ${argv.join(' ') || 'without --with'}`, async () => {
        expect((await thrownBy(diff(argv, openLedger, terminal))).code).to.equal('command.usage');
      });
    }
  });

  it('is explain or diff', async () => {
    expect((await thrownBy(routes(['list']))).code).to.equal('command.usage');
  });
});
