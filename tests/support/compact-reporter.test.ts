import { expect } from 'chai';
import Mocha from 'mocha';
import { reportTo, type Counts } from './compact-reporter.ts';
import { PeerUnavailable } from './peer-unavailable.ts';
import { skip } from './skip.ts';

describe('the report of a test run', () => {
  it('counts and shows what passed, failed and was skipped, with the reason', async () => {
    const suite = (mocha: Mocha) => {
      const inner = Mocha.Suite.create(mocha.suite, 'gateway');
      inner.addTest(new Mocha.Test('passes', () => undefined));
      inner.addTest(
        new Mocha.Test('fails', () => {
          throw new Error('wrong');
        }),
      );
      inner.addTest(
        new Mocha.Test('has no peer', function (this: Mocha.Context) {
          skip(this, 'no scanner here');
        }),
      );
    };

    const { counts, lines } = await report(suite);

    expect(counts).to.deep.equal({ passed: 1, failed: 1, skipped: 1 });
    expect(lines).to.deep.equal(['gateway', '  ✓ passes', '  1) fails', '  - has no peer (skipped: no scanner here)']);
  });

  it('shows each test that a skipping hook kept from running', async () => {
    const { counts, lines } = await report((mocha) => {
      const inner = twoTests(mocha);
      inner.beforeAll(function () {
        skip(this, 'no loop device');
      });
    });

    expect(counts).to.deep.equal({ passed: 0, failed: 0, skipped: 2 });
    expect(lines.slice(1)).to.deep.equal(['  - one (skipped: no loop device)', '  - two (skipped: no loop device)']);
  });

  it('fails for a peer that is missing, unless the run may go without', async () => {
    const suite = (mocha: Mocha) => {
      twoTests(mocha).beforeAll(() => {
        throw new PeerUnavailable('Orthanc', 'no network');
      });
    };

    const strict = await report(suite, undefined);
    const lenient = await report(suite, 'available');

    expect(strict.counts).to.deep.equal({ passed: 0, failed: 1, skipped: 2 });
    expect(lenient.counts).to.deep.equal({ passed: 0, failed: 0, skipped: 2 });
    expect(lenient.lines[1]).to.equal('  - one (skipped: Orthanc cannot be had: no network)');
  });
});

function twoTests(mocha: Mocha): Mocha.Suite {
  const suite = Mocha.Suite.create(mocha.suite, 'suite');
  suite.addTest(new Mocha.Test('one', () => undefined));
  suite.addTest(new Mocha.Test('two', () => undefined));
  return suite;
}

async function report(
  fill: (mocha: Mocha) => void,
  peers = process.env['HUB_TEST_PEERS'],
): Promise<{ counts: Counts; lines: readonly string[] }> {
  const mocha = new Mocha({ reporter: Mocha.reporters.Base });
  fill(mocha);
  const lines: string[] = [];
  const before = process.env['HUB_TEST_PEERS'];
  setPeers(peers);
  const print = Mocha.reporters.Base.consoleLog;
  Mocha.reporters.Base.consoleLog = () => undefined;
  try {
    const counts = await new Promise<Counts>((done) => {
      const counting = reportTo(
        mocha.run(() => done(counting)),
        (line) => lines.push(line),
      );
    });
    return { counts, lines };
  } finally {
    Mocha.reporters.Base.consoleLog = print;
    setPeers(before);
  }
}

function setPeers(value: string | undefined): void {
  if (value === undefined) delete process.env['HUB_TEST_PEERS'];
  else process.env['HUB_TEST_PEERS'] = value;
}
