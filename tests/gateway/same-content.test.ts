import { expect } from 'chai';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { encodePart10 } from '../../core/dicom/encode.ts';
import { haveSameContent } from '../../gateway/same-content.ts';
import { run } from '../support/child-process.ts';
import { mrInstance } from '../support/mr-instance.ts';
import { dcmtk } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const SYNTAXES = {
  explicit: { flag: '+te', uid: '1.2.840.10008.1.2.1' },
  implicit: { flag: '+ti', uid: '1.2.840.10008.1.2' },
  'big endian': { flag: '+tb', uid: '1.2.840.10008.1.2.2' },
  deflated: { flag: '+td', uid: '1.2.840.10008.1.2.1.99' },
} as const;

describe('one object in two transfer syntaxes', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const instance = mrInstance({
    ReferencedStudySequence: [
      { ReferencedSOPClassUID: '1.2.840.10008.3.1.2.3.1', ReferencedSOPInstanceUID: '1.2.826.0.1.3680043.10.511.9' },
    ],
  });
  const original = { source: bytesAsSource(instance.part10), transferSyntaxUid: SYNTAXES.explicit.uid };

  for (const [name, { flag, uid }] of Object.entries(SYNTAXES).slice(1)) {
    it(`is the same when DCMTK has written it ${name}`, async () => {
      const other = await converted(folder.path, instance.part10, flag);

      expect(await haveSameContent(original, { source: other, transferSyntaxUid: uid })).to.be.true;
    });

    it(`is not the same when one value differs and DCMTK has written it ${name}`, async () => {
      const changed = encodePart10({ ...instance.attributes, SeriesDescription: 'another' });
      const other = await converted(folder.path, changed, flag);

      expect(await haveSameContent(original, { source: other, transferSyntaxUid: uid })).to.be.false;
    });

    it(`is not the same when one pixel differs and DCMTK has written it ${name}`, async () => {
      const changed = Uint8Array.from(instance.part10);
      changed[changed.length - 10] = (changed.at(-10) ?? 0) ^ 1;
      const other = await converted(folder.path, changed, flag);

      expect(await haveSameContent(original, { source: other, transferSyntaxUid: uid })).to.be.false;
    });
  }

  it('is not compared when one is encapsulated: only a decoder could tell', async () => {
    const tools = await dcmtk();
    const [from, to] = [join(folder.path, 'in.dcm'), join(folder.path, 'rle.dcm')];
    await writeFile(from, instance.part10);
    const { code, stderr } = await run(tools.command('dcmcrle'), [from, to]);
    expect(code, stderr).to.equal(0);

    const rle = { source: bytesAsSource(await readFile(to)), transferSyntaxUid: '1.2.840.10008.1.2.5' };

    expect(await haveSameContent(original, rle)).to.be.false;
  });
});

async function converted(folder: string, part10: Uint8Array, flag: string) {
  const tools = await dcmtk();
  const [from, to] = [join(folder, 'in.dcm'), join(folder, `out${flag}.dcm`)];
  await writeFile(from, part10);
  const { code, stderr } = await run(tools.command('dcmconv'), [flag, from, to]);
  if (code !== 0) throw new Error(stderr);
  return bytesAsSource(await readFile(to));
}
