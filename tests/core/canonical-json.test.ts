import { expect } from 'chai';
import { canonicalJson } from '../../core/canonical-json.ts';

describe('canonical JSON', () => {
  it('is what RFC 8785 Section 3.2.4 prints', () => {
    const input = {
      numbers: [333_333_333.333_333_29, 1e30, 4.5, 2e-3, 1e-27],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"\/',
      literals: [null, true, false],
    };

    expect(canonicalJson(input)).to.equal(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('orders members by UTF-16 code units, as RFC 8785 Section 3.2.3 shows', () => {
    const members = {
      '\u20ac': 'Euro',
      '\r': 'CR',
      '\ufb33': 'Dalet',
      '1': 'One',
      '\ud83d\ude00': 'Smiley',
      '\u0080': 'C',
      '\u00f6': 'o',
    };

    expect(canonicalJson(Object.fromEntries(Object.entries(members).toReversed()))).to.equal(canonicalJson(members));
    expect(canonicalJson(members)).to.equal(
      '{"\\r":"CR","1":"One","\u0080":"C","\u00f6":"o","\u20ac":"Euro","\ud83d\ude00":"Smiley","\ufb33":"Dalet"}',
    );
  });

  it('leaves out what is undefined, and refuses what JSON has not', () => {
    expect(canonicalJson({ b: undefined, a: [{ d: 1, c: undefined }] })).to.equal('{"a":[{"d":1}]}');
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\ud83d', [undefined], () => 1, 1n])
      expect(() => canonicalJson(value), String(value)).to.throw(TypeError);
  });
});
