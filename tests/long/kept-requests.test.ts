import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../support/temporary-folder.ts';

const KEPT_REQUESTS = join(import.meta.dirname, '../../gateway/dimse/commitment/kept-requests.ts');
const CALLS = ['-f', '-qq', '-s', '300', '-e', 'trace=fsync,rename,renameat,renameat2,mkdir,mkdirat,write'];

describe('a request for a storage commitment that is kept on the disk, seen from the system', () => {
  const temporary = temporaryFolder();

  it('is on the disk, with its name, before it is called kept', () => {
    const request = {
      ...{ commitmentId: '0195b1f0-0000-7000-8000-000000000001', transactionUid: '1.2', source: 'pv-7t' },
      ...{ callingAeTitle: 'PV7T', calledAeTitle: 'HUB', associationId: 'first' },
      items: [{ sopClassUid: '1.2.840.10008.5.1.4.1.1.4', sopInstanceUid: '1.2.1' }],
    };
    const script = `
      import { openKeptRequests } from ${JSON.stringify(KEPT_REQUESTS)};
      const kept = await openKeptRequests(${JSON.stringify(join(temporary.path, 'commitments'))}, console);
      await kept.keep(${JSON.stringify(request)});
      process.stdout.write('kept\\n');`;

    const { stderr, error } = spawnSync(
      'strace',
      [...CALLS, process.execPath, ...process.execArgv, '--input-type=module', '-e', script],
      { encoding: 'utf8' },
    );

    expect(error).to.equal(undefined);
    const steps = stderr.split('\n').flatMap((line) => {
      if (/write\(1, "kept/.test(line)) return ['said'];
      // A call that another thread interrupts is shown in two parts.
      const [, call] = /\b(fsync|rename|mkdir)\w*\(/.exec(line) ?? [];
      return call === undefined || (call !== 'fsync' && !line.includes('/commitments')) ? [] : [call];
    });
    // The folder and its name; the file, its name.
    expect(steps.slice(steps.lastIndexOf('mkdir'))).to.deep.equal([
      'mkdir',
      'fsync',
      'fsync',
      'rename',
      'fsync',
      'said',
    ]);
  });
});
