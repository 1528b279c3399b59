import { open } from 'node:fs/promises';
import { expect } from 'chai';
import { causeOf, commandFailure, remedyOf, sentenceOf } from '../../cli/failure.ts';
import { HubError } from '../../core/errors.ts';

describe('what a failure says at the terminal', () => {
  for (const [error, sentence] of [
    [new HubError('store.full'), 'Out of storage'],
    [new HubError('store.full', { detail: 'no room' }), 'Out of storage: no room'],
    [
      new HubError('store.full', { freeBytes: 5, detail: 'no room', pack: 'a' }),
      'Out of storage: no room (freeBytes 5, pack a)',
    ],
    [new HubError('store.full', { freeBytes: undefined, detail: undefined }), 'Out of storage'],
  ] as const) {
    it(sentence, () => {
      expect(sentenceOf(error)).to.equal(sentence);
    });
  }

  it('takes what the operating system says of a file for no defect of ours', async () => {
    const thrown: unknown = await open('/nowhere/at/all').catch((error: unknown) => error);

    const error = commandFailure(thrown);

    expect(sentenceOf(error)).to.equal('File cannot be used: /nowhere/at/all: no such file or directory');
    expect(causeOf(new HubError('store.failed', {}, thrown))).to.equal('/nowhere/at/all: no such file or directory');
  });

  it('leaves other errors what they are', () => {
    const known = new HubError('store.full');
    const bug = new TypeError('undefined is not a function');

    expect(commandFailure(known)).to.equal(known);
    expect(commandFailure(bug)).to.include({ code: 'internal.unexpected', cause: bug });
    expect(causeOf(known)).to.equal(undefined);
  });

  it('does not send the reader to a detail that was just read', () => {
    expect(remedyOf(new HubError('resource.conflict'))).to.equal(undefined);
    expect(remedyOf(new HubError('store.full'))).to.equal('Free disk space on the hub, then send again.');
  });
});
