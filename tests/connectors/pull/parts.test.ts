import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { readAccessions } from '../../../connectors/pull/accessions.ts';
import { dayOf, nextRun, openForMs, windowOpensAt } from '../../../connectors/pull/calendar.ts';
import { differenceOf, scopesOf } from '../../../connectors/pull/differences.ts';
import { Moves } from '../../../connectors/pull/moves.ts';
import { partsOf, questionsOf } from '../../../connectors/pull/questions.ts';
import { Slots } from '../../../connectors/pull/slots.ts';
import { parseSeriesInstanceUid, parseStudyInstanceUid } from '../../../core/identifiers.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';

const HELSINKI = 'Europe/Helsinki';
const STUDY = parseStudyInstanceUid('1.2.826.1');
const [A, B] = [parseSeriesInstanceUid('1.2.826.1.1'), parseSeriesInstanceUid('1.2.826.1.2')];

describe('the calendar of a pull', () => {
  const NIGHT = [{ fromMinute: 22 * 60, toMinute: 6 * 60 }];
  const WINDOWS: readonly (readonly [string, number | undefined])[] = [
    ['2026-03-01T19:59:59Z', undefined],
    ['2026-03-01T20:00:00Z', 8 * 60],
    ['2026-03-01T22:30:00Z', 5.5 * 60],
    ['2026-03-02T03:59:00Z', 1],
    ['2026-03-02T04:00:00Z', undefined],
  ];
  for (const [at, opens] of [
    ['2026-03-01T19:59:59Z', '2026-03-01T20:00:00.000Z'],
    ['2026-03-01T20:00:00Z', undefined],
    ['2026-03-02T04:00:00Z', '2026-03-02T10:00:00.000Z'],
    // The clock is put forward in between.
    ['2026-03-28T11:00:00Z', '2026-03-28T20:00:00.000Z'],
    ['2026-03-29T03:00:00Z', '2026-03-29T09:00:00.000Z'],
  ] as const) {
    it(`says at ${at} that it opens at ${opens ?? 'no time: it is open'}`, () => {
      const noon = { fromMinute: 12 * 60, toMinute: 13 * 60 };

      expect(windowOpensAt([...NIGHT, noon], new Date(at), HELSINKI)?.toISOString()).to.equal(opens);
    });
  }
  for (const [at, minutes] of WINDOWS) {
    it(`has a window over midnight ${minutes === undefined ? 'closed' : 'open'} at ${at}`, () => {
      const openMs = openForMs(NIGHT, new Date(at), HELSINKI);

      expect(openMs === undefined ? undefined : openMs / 60_000).to.equal(minutes);
    });
  }

  it('is always open without a window', () => {
    expect(openForMs([], new Date(), undefined)).to.equal(Infinity);
  });

  it('counts days where the schedule is, not where the clock is', () => {
    const late = new Date('2026-03-01T22:30:00Z');

    expect([dayOf(late, HELSINKI), dayOf(late, 'UTC'), dayOf(late, HELSINKI, 3)]).to.deep.equal([
      '20260302',
      '20260301',
      '20260227',
    ]);
  });

  it('fires at the time of its zone', () => {
    const at = nextRun('0 2 * * *', HELSINKI);
    const hour = new Intl.DateTimeFormat('en', { timeZone: HELSINKI, hour: 'numeric', hourCycle: 'h23' }).format(at);

    expect(hour).to.equal('02');
  });
});

describe('the questions of a run', () => {
  const now = new Date('2026-03-10T12:00:00Z');
  const ask = (
    query: Parameters<typeof questionsOf>[1]['query'],
    run: Partial<Parameters<typeof questionsOf>[0]> = {},
  ) => questionsOf({ kind: 'manual', ...run }, { query, timeZone: 'UTC' }, undefined, now);

  it('are one for the last days up to today', () => {
    expect(ask({ studyDate: { lastDays: 3 } })).to.deep.equal([{ from: '20260307', to: '20260310' }]);
  });

  it('are one up to today where no last day is written', () => {
    expect(ask({ studyDate: { from: '20260301' } })).to.deep.equal([{ from: '20260301', to: '20260310' }]);
  });

  it('are a day each for a back-fill, over the end of February', () => {
    const days = ask({ studyDate: { lastDays: 3 } }, { kind: 'backfill', from: '20200228', to: '20200301' });

    expect(days.map(({ from }) => from)).to.deep.equal(['20200228', '20200229', '20200301']);
  });

  it('are an accession number each, on those days only', () => {
    const asked = questionsOf(
      { kind: 'manual' },
      { query: { studyDate: { lastDays: 1 } }, timeZone: 'UTC' },
      ['A-1', 'A-2'],
      now,
    );

    expect(asked).to.deep.equal([
      { accessionNumber: 'A-1', from: '20260309', to: '20260310' },
      { accessionNumber: 'A-2', from: '20260309', to: '20260310' },
    ]);
  });

  it('are halved by days, then by hours, down to a minute, and cover everything once', () => {
    expect(partsOf({ from: '20260301', to: '20260303' })).to.deep.equal([
      { from: '20260301', to: '20260302' },
      { from: '20260303', to: '20260303' },
    ]);
    expect(partsOf({ from: '20260301', to: '20260301' })).to.deep.equal([
      { from: '20260301', to: '20260301', timeFrom: '000000', timeTo: '115959' },
      { from: '20260301', to: '20260301', timeFrom: '120000', timeTo: '235959' },
    ]);
    expect(partsOf({ from: '20260301', to: '20260301', timeFrom: '120000', timeTo: '120030' })).to.equal(undefined);
    expect(partsOf({ accessionNumber: 'A-1', from: '20260301', to: '20260303' })).to.equal(undefined);
    expect(partsOf({})).to.equal(undefined);
  });
});

describe('a list of accession numbers', () => {
  const folder = temporaryFolder();
  const read = async (text: string, column?: string) => {
    const file = join(folder.path, 'list');
    await writeFile(file, text);
    return await readAccessions(file, column);
  };

  it('has one a line, each once', async () => {
    expect(await read('\uFEFFA-1\r\n# not this\n\nA-2 \nA-1\n')).to.deep.equal(['A-1', 'A-2']);
  });

  it('may be a column of a CSV file, as spreadsheet programs write it', async () => {
    expect(await read('Patient,Accession\n"Doe, J",A-1\n"x""\ny",A-2\n', 'accession')).to.deep.equal(['A-1', 'A-2']);
    expect(await read('patient;accession\nDoe;A-3\n', 'accession')).to.deep.equal(['A-3']);
  });

  const BROKEN: readonly (readonly [string, string, string | undefined])[] = [
    ['with what would ask for everything', 'A*', undefined],
    ['with a second value', 'A\\B', undefined],
    ['with what is too long', 'A'.repeat(17), undefined],
    ['without the column', 'a,b\n1,2\n', 'accession'],
    ['that ends inside a quotation', 'accession\n"A-1\n', 'accession'],
  ];
  for (const [what, text, column] of BROKEN) {
    it(`${what} is refused whole`, async () => {
      expect((await thrownBy(read(text, column))).code).to.equal('pull.list-unreadable');
    });
  }

  it('that is not there is refused', async () => {
    expect((await thrownBy(readAccessions(join(folder.path, 'nowhere')))).code).to.equal('pull.list-unreadable');
  });
});

describe('what is missing of a study', () => {
  const source = [
    { seriesInstanceUid: A, instances: 3 },
    { seriesInstanceUid: B, instances: 2 },
  ];

  it('is all of it at first, asked for at once or by series', () => {
    const difference = differenceOf(source, new Map());

    expect(difference).to.include({ instances: 5, held: 0 });
    expect(scopesOf(difference, false)).to.deep.equal([{ level: 'study' }]);
    expect(scopesOf(difference, true).map(({ level }) => level)).to.deep.equal(['series', 'series']);
  });

  it('is the series that is short, and no other', () => {
    const difference = differenceOf(
      source,
      new Map([
        [A, 3],
        [B, 1],
      ]),
    );

    expect(difference.short).to.deep.equal([{ seriesInstanceUid: B, isBegun: true }]);
    expect(scopesOf(difference, false)).to.deep.equal([{ level: 'series', seriesInstanceUid: B }]);
  });

  it('is nothing where more is here than there, and one series does not make up for another', () => {
    expect(
      differenceOf(
        source,
        new Map([
          [A, 4],
          [B, 2],
        ]),
      ),
    ).to.deep.equal({ instances: 5, held: 5, short: [] });
    expect(
      differenceOf(
        source,
        new Map([
          [A, 9],
          [B, 0],
        ]),
      ).short,
    ).to.have.length(1);
  });
});

describe('moves that peers were asked for', () => {
  const move = {
    pull: 'nightly',
    studyInstanceUid: STUDY,
    callingAeTitle: 'HUB',
    peerAeTitle: 'PACS',
    onStored: () => undefined,
  };
  const from = (source: string, originator?: { aeTitle: string; messageId: number }) => ({
    source,
    callingAeTitle: 'PACS',
    ...(originator === undefined ? {} : { originator }),
  });

  it('are known by their Message ID and the title of who asked', () => {
    const moves = new Moves(['nightly'], true);
    const { messageId } = moves.begin(move);

    expect(moves.originOf(from('pacs', { aeTitle: 'HUB', messageId }))).to.include({ source: 'nightly' });
    expect(moves.originOf(from('pacs', { aeTitle: 'OTHER', messageId }))).to.equal(undefined);
    expect(moves.originOf({ ...from('pacs', { aeTitle: 'HUB', messageId }), callingAeTitle: 'X' })).to.equal(undefined);
  });

  it('are remembered after their end: what is still on its way is taken', () => {
    const moves = new Moves(['nightly'], true);
    const { messageId, end } = moves.begin(move);
    end();

    expect(moves.originOf(from('nightly', { aeTitle: 'HUB', messageId }))?.refusal).to.equal(undefined);
  });

  it('leave nothing to a peer that is no source and was asked for nothing', () => {
    expect(new Moves(['nightly'], true).originOf(from('nightly'))?.refusal?.code).to.equal('pull.unasked');
  });

  it('may have been asked for by another replica', () => {
    expect(new Moves(['nightly'], false).originOf(from('nightly'))).to.deep.equal({ source: 'nightly' });
  });

  it('name no study where several are under way and the peer does not say which it sends for', () => {
    const moves = new Moves(['nightly'], true);
    moves.begin(move);
    moves.begin(move);

    expect(moves.originOf(from('nightly'))).to.deep.equal({ source: 'nightly' });
  });
});

describe('the slots of all pulls', () => {
  it('go to the pull of higher priority first, and no further than there are', () => {
    const slots = new Slots(2);
    slots.waits('urgent', 'high', true);

    expect([slots.room('nightly', 'low', 4), slots.room('urgent', 'high', 4)]).to.deep.equal([0, 2]);
    const slot = slots.take();
    slots.waits('urgent', 'high', false);
    expect(slots.room('nightly', 'low', 4)).to.equal(1);
    slot.giveBack();
    expect(slots.room('nightly', 'low', 4)).to.equal(2);
  });
});
