import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { acceptedRanges } from '../../../gateway/dicomweb/accept.ts';
import { parseMediaType } from '../../../peers/dicomweb/media-type.ts';
import { parsePictureRequest } from '../../../gateway/dicomweb/wado-rendered.ts';

/** As much as Node lets into one header. */
const LONG = 15_000;
/** Half a second where the time grows with the square of the length. */
const BUDGET_MS = 50;

function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

describe('what a client accepts', () => {
  it('is read best first, with its parameters', () => {
    const accept = 'text/html;q=0.2, multipart/related; type="application/dicom" ; transfer-syntax=* , x/y;q=0';

    const ranges = acceptedRanges({ headers: { accept }, query: {} });

    expect(ranges.map(({ type, parameters }) => [type, parameters.get('type')])).to.deep.equal([
      ['multipart/related', 'application/dicom'],
      ['text/html', undefined],
    ]);
  });

  const hostile: Readonly<Record<string, () => unknown>> = {
    'blanks inside a media range': () => acceptedRanges({ headers: { accept: `x${' '.repeat(LONG)}y` }, query: {} }),
    'blanks inside a media type': () => parseMediaType(`x${' '.repeat(LONG)}y`),
    'parameters without a value': () => parseMediaType(`x/y${';a'.repeat(LONG / 2)}`),
    'a quote that is never closed': () => parseMediaType(`x/y;a="${'\\"'.repeat(LONG / 2)}`),
    'digits that are no number': () => {
      expect(() => parsePictureRequest({ viewport: `${'1'.repeat(LONG)}x,1` }, false)).to.throw(HubError);
    },
  };
  for (const [what, parse] of Object.entries(hostile)) {
    it(`takes no time to speak of for ${what}`, () => {
      expect(cpuMs(parse)).to.be.below(BUDGET_MS);
    });
  }
});
