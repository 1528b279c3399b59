import { expect } from 'chai';
import { differences, withoutCredentials } from '../../core/difference.ts';

describe('the difference of two documents', () => {
  it('is none of what says the same', () => {
    expect(differences({ a: [1, { name: 'b' }] }, { a: [1, { name: 'b' }] })).to.deep.equal([]);
  });

  it('names entries of lists by their names, wherever they stand', () => {
    const before = { routes: [{ name: 'a', deliver: ['x'] }, { name: 'gone' }] };
    const after = { routes: [{ name: 'new' }, { name: 'a', deliver: ['y'] }] };

    expect(differences(before, after)).to.deep.equal([
      { pointer: '/routes/new', change: 'added', after: { name: 'new' } },
      { pointer: '/routes/a/deliver', change: 'changed', before: ['x'], after: ['y'] },
      { pointer: '/routes/gone', change: 'removed', before: { name: 'gone' } },
    ]);
  });

  it('sees another order of named entries, for routes are tried in theirs', () => {
    const [a, b] = [{ name: 'a' }, { name: 'b' }];

    expect(differences({ routes: [a, b] }, { routes: [b, a] })).to.deep.equal([
      { pointer: '/routes', change: 'changed', before: ['a', 'b'], after: ['b', 'a'] },
    ]);
    expect(differences({ b: 1, a: 2 }, { a: 2, b: 1 })).to.deep.equal([]);
  });

  it('compares lists without names, or with a name twice, as a whole', () => {
    const twice = [{ name: 'a' }, { name: 'a' }];

    expect(differences({ list: [1, 2] }, { list: [1] })).to.have.length(1);
    expect(differences({ list: twice }, { list: [] })).to.deep.equal([
      { pointer: '/list', change: 'changed', before: twice, after: [] },
    ]);
    expect(differences({ a: 1 }, { a: { b: 1 } })).to.deep.equal([
      { pointer: '/a', change: 'changed', before: 1, after: { b: 1 } },
    ]);
  });

  it('writes keys as RFC 6901 does', () => {
    expect(differences({}, { 'a/b~c': 1 })).to.deep.equal([{ pointer: '/a~1b~0c', change: 'added', after: 1 }]);
  });

  it('shows no credentials of a URL', () => {
    const [found] = differences({}, { url: 'https://user:secret@host/path@x' });

    expect(found?.after).to.equal('https://…@host/path@x');
    expect(withoutCredentials([{ n: 1, none: null, url: 'https://host/a@b' }])).to.deep.equal([
      { n: 1, none: null, url: 'https://host/a@b' },
    ]);
  });
});
