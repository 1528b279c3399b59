import { readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import type { CommitmentRequest } from '../../../../core/ledger/commitments.ts';
import { openKeptRequests } from '../../../../gateway/dimse/commitment/kept-requests.ts';
import { silentLog } from '../../../support/silent-log.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

describe('a request for a storage commitment that is kept on the disk', () => {
  const temporary = temporaryFolder();
  let name = '';
  const folder = () => join(temporary.path, name);
  beforeEach(() => {
    name = uuidv7();
  });
  const open = () => openKeptRequests(folder(), silentLog);

  it('is there after a restart, in the order they came, until the ledger has it', async () => {
    const [first, second] = [request('1.2.1'), request('1.2.2')];
    const kept = await open();
    await kept.keep(first);
    await kept.keep(second);

    const again = await open();
    expect(await again.list()).to.deep.equal([first, second]);
    await again.forget(first.commitmentId);

    expect(await (await open()).list()).to.deep.equal([second]);
    expect(await readdir(folder())).to.deep.equal([`${second.commitmentId}.json`]);
  });

  it('is one, however often it is asked, with the association of the last time', async () => {
    const kept = await open();
    const asked = request('1.2.1');

    const outcomes = [
      await kept.keep(asked),
      await kept.keep({ ...request('1.2.1'), associationId: 'later' }),
      await kept.keep({ ...request('1.2.1'), items: [{ sopClassUid: '1.2', sopInstanceUid: '9' }] }),
    ];

    expect(outcomes.map(({ outcome }) => outcome)).to.deep.equal(['recorded', 'repeated', 'conflict']);
    expect(new Set(outcomes.map(({ commitmentId }) => commitmentId))).to.deep.equal(new Set([asked.commitmentId]));
    expect(await (await open()).list()).to.deep.equal([{ ...asked, associationId: 'later' }]);
  });

  it('is none that a crash left half written; one that the disk has damaged stays for somebody to look at', async () => {
    const [whole, damaged] = [request('1.2.1'), request('1.2.2')];
    const kept = await open();
    await kept.keep(whole);
    await kept.keep(damaged);
    await truncate(join(folder(), `${damaged.commitmentId}.json`), 20);
    await writeFile(join(folder(), `${uuidv7()}.json.part`), '{"commit');
    const said: unknown[] = [];

    const again = await openKeptRequests(folder(), { ...silentLog, error: (message) => void said.push(message) });

    expect(await again.list()).to.deep.equal([whole]);
    expect(said).to.have.length(1);
    expect((await readdir(folder())).toSorted()).to.deep.equal(
      [`${whole.commitmentId}.json`, `${damaged.commitmentId}.json`].toSorted(),
    );
  });
});

function request(transactionUid: string): CommitmentRequest {
  return {
    ...{ commitmentId: uuidv7(), transactionUid, source: 'pv-7t', callingAeTitle: 'PV7T', calledAeTitle: 'HUB' },
    associationId: 'first',
    items: [{ sopClassUid: '1.2.840.10008.5.1.4.1.1.4', sopInstanceUid: `${transactionUid}.1` }],
  };
}
