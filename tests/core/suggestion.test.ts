import { expect } from 'chai';
import { nearest, suggest } from '../../core/suggestion.ts';

describe('suggestion', () => {
  const words = ['Modality', 'StudyDescription', 'SeriesDescription', 'PatientID', 'source'];
  for (const [typed, meant] of [
    ['Modalty', 'Modality'],
    ['modality', 'Modality'],
    ['Modailty', 'Modality'],
    ['StudyDescripton', 'StudyDescription'],
    ['sorce', 'source'],
    ['soruce', 'source'],
    ['Brand', undefined],
    ['', undefined],
    ['id', undefined],
  ] as const) {
    it(`takes ${JSON.stringify(typed)} for ${meant ?? 'none of the words'}`, () => {
      expect(nearest(typed, words)).to.equal(meant);
    });
  }

  it('makes the end of a sentence, or nothing', () => {
    expect(suggest('Modalty', words)).to.equal('; did you mean Modality?');
    expect(suggest('zzz', words)).to.equal('');
  });
});
