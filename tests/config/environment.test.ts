import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { processEnvironment, readSecret } from '../../config/environment.ts';
import { HubError } from '../../core/errors.ts';

describe('readSecret', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hub-secret-'));
    await writeFile(join(folder, 'token'), 's3cret\n');
    await writeFile(join(folder, 'empty'), '\n');
  });
  after(() => rm(folder, { recursive: true }));

  it('takes a secret from a variable or a file, without the line end of the file', () => {
    expect(readSecret({ env: 'TOKEN' }, { TOKEN: 's3cret ' })).to.equal('s3cret ');
    expect(readSecret({ file: join(folder, 'token') })).to.equal('s3cret');
  });

  it('names the reference that leads nowhere', () => {
    for (const [reference, words] of [
      [{ env: 'NO_TOKEN' }, 'environment variable NO_TOKEN is missing or empty'],
      [{ file: join(folder, 'empty') }, 'empty is missing or empty'],
      [{ file: join(folder, 'none') }, 'none cannot be read'],
    ] as const) {
      expect(() => readSecret(reference, {})).to.throw(HubError, words);
    }
  });

  it('reads the environment of this process', () => {
    expect(processEnvironment()['PATH']).to.be.a('string');
  });
});
