import { expect } from 'chai';
import { loadConfig } from '../../config/loader.ts';
import { mistakeLine } from '../../config/mistakes.ts';
import { configShapes } from '../../wiring/shapes.ts';

const PULL = `pulls:
  - name: nightly
    schedule: "0 2 * * *"
    from:
      dicom: { host: 10.0.0.1, port: 104, aeTitle: PACS }
    query: { studyDate: { last: 3d } }
`;

function load(text: string) {
  return loadConfig({ file: 'hub.yaml', text, env: {}, shapes: configShapes() });
}

function loaded(text: string) {
  const result = load(text);
  if (result.mistakes !== undefined) throw new Error(result.mistakes.map(mistakeLine).join('\n'));
  return result;
}

describe('pulls in the configuration', () => {
  it('are read with what need not be said', () => {
    const { config } = load(PULL);

    expect(config?.pulls).to.deep.equal([
      {
        name: 'nightly',
        enabled: true,
        schedule: '0 2 * * *',
        windows: [],
        from: { dicom: { host: '10.0.0.1', port: 104, aeTitle: 'PACS' }, retrieve: 'c-move' },
        query: { studyDate: { lastDays: 3 } },
        priority: 'medium',
        concurrency: 1,
        maxMatches: 2000,
        timeouts: { connectMs: 10_000, answerMs: 60_000, stallMs: 300_000, settleMs: 30_000 },
        retry: { attempts: 5, firstDelayMs: 60_000, maxDelayMs: 3_600_000 },
      },
    ]);
  });

  it('have windows in minutes of the day, also over midnight', () => {
    const { config } = load(PULL.replace('    from:', '    windows: ["22:00-06:30", "12:00-24:00"]\n    from:'));

    expect(config?.pulls[0]?.windows).to.deep.equal([
      { fromMinute: 1320, toMinute: 390 },
      { fromMinute: 720, toMinute: 1440 },
    ]);
  });

  const MISTAKES: readonly (readonly [what: string, text: string, line: string])[] = [
    [
      'a schedule that is none',
      PULL.replace('0 2 * * *', '0 25 * * *'),
      'hub.yaml:3 /pulls/0/schedule: not a schedule like "0 2 * * *" (hour: 25)',
    ],
    [
      'a day that never comes',
      PULL.replace('0 2 * * *', '0 2 31 2 *'),
      'hub.yaml:3 /pulls/0/schedule: not a schedule like "0 2 * * *" (dayOfMonth: 31)',
    ],
    [
      'a window that is none',
      PULL.replace('    from:', '    windows: ["22-6"]\n    from:'),
      'hub.yaml:4 /pulls/0/windows/0: not a time of day like 22:00-06:00',
    ],
    [
      'a time zone nobody lives in',
      PULL.replace('    from:', '    timeZone: Mars/Olympus\n    from:'),
      'hub.yaml:4 /pulls/0/timeZone: not a time zone like Europe/Helsinki',
    ],
    [
      'a title that is another hub’s',
      PULL.replace('aeTitle: PACS }', 'aeTitle: PACS }\n      moveTo: HUBB'),
      'hub.yaml:6 /pulls/0/from/moveTo: not an AE title of this hub: HUBB; did you mean HUB?',
    ],
    [
      'a move by C-GET',
      PULL.replace('aeTitle: PACS }', 'aeTitle: PACS }\n      retrieve: c-get\n      moveTo: HUB'),
      'hub.yaml:7 /pulls/0/from/moveTo: a C-GET comes back on its own association: moveTo is for c-move',
    ],
    [
      'a query for everything there is',
      PULL.replace('{ studyDate: { last: 3d } }', '{ modality: MR }'),
      'hub.yaml:6 /pulls/0/query: asks for everything there is: limit it by studyDate, accessions or match',
    ],
    [
      'days that are none',
      PULL.replace('last: 3d', 'last: 36h'),
      'hub.yaml:6 /pulls/0/query/studyDate/last: not a number of days like 3d',
    ],
    [
      'a day before the first',
      PULL.replace('last: 3d', 'from: 2026-03-02, to: 2026-03-01'),
      'hub.yaml:6 /pulls/0/query/studyDate/to: before from',
    ],
    [
      'a key that DICOM does not have',
      PULL.replace('{ studyDate: { last: 3d } }', '{ match: { PatientIdentity: x } }'),
      'hub.yaml:6 /pulls/0/query/match/PatientIdentity: not a keyword of DICOM that may stand here, like PatientID',
    ],
    [
      'the name of a source',
      `gateway: { dimse: { sources: [{ name: nightly, aeTitle: P, hosts: [10.0.0.1] }] } }\n${PULL}`,
      'hub.yaml:3 /pulls/0/name: the name nightly is taken by a source: routes could not tell what came from where',
    ],
  ];
  for (const [what, text, line] of MISTAKES) {
    it(`${what} is found, with its place`, () => {
      const { mistakes } = load(text);

      expect((mistakes ?? []).map(mistakeLine).join('\n')).to.equal(line);
    });
  }

  it('a list that is not there is warned of: it may be put there later', () => {
    const { warnings } = loaded(PULL.replace('studyDate: { last: 3d }', 'accessions: { file: ./nowhere.txt }'));

    expect(warnings.map(mistakeLine)).to.include(
      'hub.yaml:6 /pulls/0/query/accessions/file: cannot be read here: nothing would be asked',
    );
  });

  it('are sources that a route may name', () => {
    const { warnings } = loaded(`${PULL}routes: [{ name: r, when: { source: nightly } }]\n`);

    expect(warnings.map(mistakeLine).filter((line) => line.includes('asks for the source'))).to.deep.equal([]);
  });
});
