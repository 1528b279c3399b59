import { expect } from 'chai';
import { openModel } from '../../../processors/segment/open-model.ts';
import { segmentVolumes } from '../../../processors/segment/segment-volumes.ts';
import { cut, failures, goodHeads, noisy, type RodentCase } from '../../support/rodent-cases.ts';

/** The rest stands in `npm run bench -- reliability`: a mask takes half a second. */
const TRIED = [
  'noise alone, mouse',
  'noise alone, template grid',
  'half the head, third axis 0',
  'sizes doubled 1',
  'a ball of water',
];

async function verdicts(cases: readonly RodentCase[]): Promise<readonly string[]> {
  const said: string[] = [];
  const volumes = cases.map(({ volume }) => volume);
  for await (const { segmented } of segmentVolumes(
    volumes,
    openModel('rodent-brain', { models: [] }),
    new AbortController().signal,
  ))
    said.push(
      segmented === undefined || segmented.voxels === 0
        ? 'no mask'
        : [segmented.reliability.verdict, ...segmented.reliability.reasons].join('; '),
    );
  return said;
}

describe('whether a mask can be believed', function () {
  this.timeout(60_000);

  it('is said of real heads: their brain is found', async () => {
    expect(await verdicts(goodHeads())).to.deep.equal(goodHeads().map(() => 'reliable'));
  });

  it('is denied where no mask can be right, with the figure and its limit', async () => {
    const chosen = failures().filter(({ name }) => TRIED.includes(name));

    const said = await verdicts(chosen);

    expect(chosen.map(({ name }) => name)).to.have.members(TRIED);
    expect(said.map((text) => text.split('; ')[0])).to.deep.equal(TRIED.map(() => 'unreliable'));
    expect(said.join('\n')).to.match(/mean probability 0\.\d+ inside the mask is below 0\.93/);
    expect(said.join('\n')).to.match(
      /the field of view cuts it: \d+ % of its cross-section lie on the border, above 50 %/,
    );
    expect(said.join('\n')).to.match(/\d+ mm³ is no volume for a mouse: 250 to 750 mm³/);
  });

  it('is lost step by step: noise', async () => {
    const [t1] = goodHeads();
    if (t1 === undefined) throw new TypeError('no head');
    const levels = [0.02, 0.4].map((level): RodentCase => ({ ...t1, volume: noisy(t1.volume, level, 5) }));

    const [little = '', much = ''] = await verdicts(levels);

    expect([little.split('; ')[0], much.split('; ')[0]]).to.deep.equal(['reliable', 'unreliable']);
  });

  it('is not lost with a field of view that ends beside the brain', async () => {
    const [, template] = goodHeads();
    if (template === undefined) throw new TypeError('no head');

    expect(await verdicts([{ ...template, volume: cut(template.volume, 1, 0.95) }])).to.deep.equal(['reliable']);
  });
});
