import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { PINNED_NODE, runtime } from '../../cli/doctor-hub.ts';
import { examinedLines, verdictLine } from '../../cli/doctor-report.ts';
import { fine, skipped, warning, wrong } from '../../core/diagnosis.ts';

const HEAD = { kind: 'destination', name: 'pacs', about: 'c-store to PACS' } as const;

describe('the report of hub doctor', () => {
  it('is read from top to bottom: a mark, what, why, what to do, in 40 columns here', () => {
    const diagnoses = [
      fine('a', 'The name is known'),
      wrong('b', 'Nobody answers', 'The machine is off or its cable is out.', 'Go there and look at it.'),
    ];

    expect(examinedLines({ ...HEAD, diagnoses }, 40)).to.deep.equal([
      'destination pacs: c-store to PACS',
      '  ✔ The name is known',
      '  ✘ Nobody answers',
      '    Why      The machine is off or its',
      '             cable is out.',
      '    Do this  Go there and look at it.',
      '',
    ]);
  });

  it('lets nothing a stranger sent steer the terminal', () => {
    const lines = examinedLines({ ...HEAD, diagnoses: [fine('a', 'EV\u001b[31mIL\r\u202e')] }, 80);

    expect(lines[1]).to.equal('  ✔ EV\\x1b[31mIL\\x0d\\x202e');
  });

  it('counts what needs somebody, and says so when nothing does', () => {
    const [bad, poor, none] = [wrong('w', '', '', ''), warning('v', '', '', ''), skipped('s', '', '')];
    const said = [[bad, bad, poor], [bad], [poor, none], [none]].map((diagnoses) =>
      verdictLine([{ ...HEAD, diagnoses }]),
    );

    expect(said).to.deep.equal([
      '2 things are wrong (✘), 1 warning (!).',
      '1 thing is wrong (✘).',
      '1 warning (!).',
      'All is well.',
    ]);
  });

  it('knows the Node the hub is pinned to', async () => {
    const { optionalDependencies } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { readonly optionalDependencies: Readonly<Record<string, string>> };

    expect(new Set(Object.values(optionalDependencies))).to.deep.equal(new Set([PINNED_NODE]));
    expect([PINNED_NODE, '24.22.1', '24.20.0', '20.1.0'].map((version) => runtime(version).verdict)).to.deep.equal([
      'fine',
      'warning',
      'wrong',
      'wrong',
    ]);
  });
});
