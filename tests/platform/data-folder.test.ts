import { expect } from 'chai';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HubError } from '../../core/errors.ts';
import { openDataFolder } from '../../platform/data-folder.ts';

describe('the data folder', () => {
  let parent: string;
  let dir: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'data-'));
    dir = join(parent, 'deep', 'data');
  });
  afterEach(async () => {
    await rm(parent, { recursive: true });
  });
  const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

  it('makes its folders for the owner alone, and again without harm', async () => {
    const first = await openDataFolder(dir, {});
    await chmod(join(dir, 'keys'), 0o755);
    await openDataFolder(dir, {});

    expect(first).to.include({ path: dir, spool: join(dir, 'spool'), store: join(dir, 'store') });
    expect(first.ledgerFile).to.equal(join(dir, 'ledger.db'));
    for (const name of ['', 'spool', 'store', 'keys']) expect(await modeOf(join(dir, name))).to.equal(0o700);
  });

  it('says so when the folder cannot be made', async () => {
    await writeFile(join(parent, 'file'), '');

    const error = await openDataFolder(join(parent, 'file', 'data'), {}).catch((thrown: unknown) => thrown);

    expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.no-folder' });
  });

  it('says so at once where no folder can ever be made', async () => {
    const error = await openDataFolder('/proc/hub/data', {}).catch((thrown: unknown) => thrown);

    expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.no-folder' });
  });

  it('makes a key on first use and keeps it, one a purpose', async () => {
    const folder = await openDataFolder(dir, {});
    const again = await openDataFolder(dir, {});

    const keys = [await folder.secret('deidentify'), await again.secret('deidentify'), await folder.secret('webhook')];

    expect(keys[0]).to.have.length(32);
    expect(keys[1]).to.deep.equal(keys[0]);
    expect(keys[2]).not.to.deep.equal(keys[0]);
    expect(await readdir(join(dir, 'keys'))).to.have.members(['deidentify.key', 'webhook.key']);
    expect(await modeOf(join(dir, 'keys', 'deidentify.key'))).to.equal(0o600);
    expect(await readFile(join(dir, 'keys', 'deidentify.key'), 'utf8')).to.match(/^[0-9a-f]{64}\n$/);
  });

  it('gives all who ask at the same time the same new key', async () => {
    const folder = await openDataFolder(dir, {});

    const keys = await Promise.all(Array.from({ length: 20 }, () => folder.secret('deidentify')));

    expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).to.equal(1);
    expect(await readdir(join(dir, 'keys'))).to.deep.equal(['deidentify.key']);
  });

  for (const [what, encode] of [
    ['hex', (key: Buffer) => key.toString('hex')],
    ['upper-case hex', (key: Buffer) => key.toString('hex').toUpperCase()],
    ['base64', (key: Buffer) => key.toString('base64')],
    ['base64url', (key: Buffer) => ` ${key.toString('base64url')}\n`],
  ] as const) {
    it(`takes a key from the environment in ${what}, and makes no file`, async () => {
      const key = Buffer.alloc(32, 0xfb);
      const folder = await openDataFolder(dir, { HUB_FEED_CURSOR_KEY: encode(key) });

      const secret = await folder.secret('feed-cursor');

      expect(secret).to.deep.equal(new Uint8Array(key));
      expect(await readdir(join(dir, 'keys'))).to.deep.equal([]);
    });
  }

  for (const value of ['short', 'a'.repeat(63), 'g'.repeat(64), Buffer.alloc(31).toString('base64')]) {
    it(`refuses a key of ${value.length} characters that is not 32 bytes, without repeating it`, async () => {
      const folder = await openDataFolder(dir, { HUB_DEIDENTIFY_KEY: value });

      const error = await folder.secret('deidentify').catch((thrown: unknown) => thrown);

      expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'config.invalid' });
      expect(String(error)).to.include('HUB_DEIDENTIFY_KEY').and.not.to.include(value);
    });
  }

  it('refuses a key file that is damaged instead of making another key', async () => {
    const folder = await openDataFolder(dir, {});
    await writeFile(join(dir, 'keys', 'deidentify.key'), 'abc');

    const error = await folder.secret('deidentify').catch((thrown: unknown) => thrown);

    expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'config.invalid' });
    expect(await readFile(join(dir, 'keys', 'deidentify.key'), 'utf8')).to.equal('abc');
  });

  it('says so when a key cannot be read', async () => {
    const folder = await openDataFolder(dir, {});
    await mkdir(join(dir, 'keys', 'deidentify.key'));

    const error = await folder.secret('deidentify').catch((thrown: unknown) => thrown);

    expect(error).to.be.instanceOf(HubError).and.to.include({ code: 'store.failed' });
  });

  for (const purpose of ['', '../x', 'Upper', 'a--b', '-a']) {
    it(`has no key for ${JSON.stringify(purpose)}`, async () => {
      const folder = await openDataFolder(dir, {});

      const error = await folder.secret(purpose).catch((thrown: unknown) => thrown);

      expect(error).to.be.instanceOf(TypeError);
    });
  }
});
