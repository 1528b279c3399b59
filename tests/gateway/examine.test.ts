import { expect } from 'chai';
import { examine } from '../../gateway/examine.ts';
import { HeaderReader } from '../../gateway/header/header-reader.ts';
import { blockSource } from '../../gateway/spool/byte-sources.ts';
import { mrInstance } from '../support/mr-instance.ts';
import { thrownBy } from '../support/thrown.ts';

describe('the examination of an instance', () => {
  it('names an unknown transfer syntax in its error, and never other text that stands in its place', async () => {
    const { part10 } = mrInstance();
    const refused = async (transferSyntaxUid: string) =>
      thrownBy(examine(blockSource([part10], part10.length), part10.length, { transferSyntaxUid }, new HeaderReader()));

    const [unknown, foreign] = [await refused('1.2.3.4'), await refused('Planted^Name')];

    expect([unknown.code, foreign.code]).to.deep.equal(Array(2).fill('dataset.transfer-syntax-unknown'));
    expect(unknown.message).to.include('1.2.3.4');
    expect(foreign.message).to.not.include('Planted');
  });
});
