import { expect } from 'chai';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { describePixels } from '../../pixels/description.ts';
import { framePlaces } from '../../pixels/frame-places.ts';
import { encapsulated, identity, pixels, sampleFile } from '../support/dicom-samples.ts';
import { thrownBy } from '../support/thrown.ts';

const RLE = { transferSyntaxUid: '1.2.840.10008.1.2.5', explicit: true, bigEndian: false };

describe('where frames stand', function () {
  this.timeout(20_000);

  it('is not looked for among more fragments than memory is kept for', async () => {
    const fragments = Array.from({ length: 500_001 }, () => new Uint8Array(0));
    const beginning = sampleFile([...identity(), ...pixels().slice(0, -1)], RLE);
    const file = Buffer.concat([beginning, encapsulated(fragments)]);
    const source = bytesAsSource(file);
    const header = await readHeader(source);
    const description = describePixels(header.dataSet, 0x7fe00010);

    expect(await thrownBy(framePlaces(source, header, description))).to.include({ code: 'pixels.too-large' });
  });
});
