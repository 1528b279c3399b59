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

/** What `hub evaluate` measured, less a hundredth: the model and the way it is asked are no worse than the README says. */
const LEAST_DICE: Readonly<Record<string, number>> = {
  'mouse T1w': 0.945,
  'mouse template': 0.891,
  'mouse EPI': 0.85,
};

interface Judged {
  readonly verdict: string;
  readonly mask: Uint8Array;
}

const verdicts = async (cases: readonly RodentCase[]): Promise<readonly string[]> =>
  (await judged(cases)).map(({ verdict }) => verdict);

async function judged(cases: readonly RodentCase[]): Promise<readonly Judged[]> {
  const said: Judged[] = [];
  const volumes = cases.map(({ volume }) => volume);
  for await (const { segmented } of segmentVolumes(
    volumes,
    openModel('rodent-brain', { models: [] }),
    new AbortController().signal,
  ))
    said.push({
      verdict:
        segmented === undefined || segmented.voxels === 0
          ? 'no mask'
          : [segmented.reliability.verdict, ...segmented.reliability.reasons].join('; '),
      mask: segmented?.mask ?? new Uint8Array(),
    });
  return said;
}

/** Twice the overlap over the sum. */
function dice(one: Uint8Array, other: Uint8Array): number {
  let both = 0;
  let sum = 0;
  for (const [n, value] of one.entries()) {
    both += value & (other[n] ?? 0);
    sum += value + (other[n] ?? 0);
  }
  return (2 * both) / sum;
}

describe('whether a mask can be believed', function () {
  this.timeout(180_000);

  it('is said of real heads: their brain is found, as well as the model’s card says', async () => {
    const heads = goodHeads();

    const found = await judged(heads);

    expect(found.map(({ verdict }) => verdict)).to.deep.equal(heads.map(() => 'reliable'));
    const drawn = heads.flatMap(({ name, reference }, n) => (reference === undefined ? [] : [{ name, reference, n }]));
    expect(drawn.map(({ name }) => name)).to.deep.equal(Object.keys(LEAST_DICE));
    for (const { name, reference, n } of drawn)
      expect(dice(reference, found[n]?.mask ?? new Uint8Array()), name).to.be.at.least(LEAST_DICE[name] ?? NaN);
  });

  it('is denied where no mask can be right, with the figure and its limit', async () => {
    const chosen = failures().filter(({ name }) => TRIED.includes(name));

    const said = await verdicts(chosen);

    expect(chosen.map(({ name }) => name)).to.have.members(TRIED);
    expect(said.map((text) => text.split('; ')[0])).to.deep.equal(TRIED.map(() => 'unreliable'));
    expect(said.join('\n')).to.match(/mean probability 0\.\d+ inside the mask is below 0\.92/);
    expect(said.join('\n')).to.match(
      /the field of view cuts it: \d+ % of its cross-section lie on the border, above 70 %/,
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
