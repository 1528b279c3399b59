import { expect } from 'chai';
import { decode, encode } from 'fast-png';
import { palettePng } from '../../../processors/pictures/palette-png.ts';

const PALETTE = Array.from({ length: 231 }, (_, i): [number, number, number] => [i, 255 - i, (i * 7) % 256]);

describe('a PNG of few colours', () => {
  for (const [width, height] of [
    [1, 1],
    [7, 3],
    [640, 512],
  ] as const)
    it(`has the pixels and the palette it was made of, as a picture that another encoder made: ${width} × ${height}`, () => {
      const pixels = Uint8Array.from({ length: width * height }, (_, i) => (i * 7919 + (i >> 3)) % PALETTE.length);

      const read = decode(palettePng({ width, height, pixels }, PALETTE), { checkCrc: true });

      const theirs = decode(encode({ width, height, data: pixels, channels: 1, depth: 8, palette: PALETTE }));
      expect(read).to.deep.equal(theirs);
      expect(Uint8Array.from(read.data)).to.deep.equal(pixels);
    });
});
