import { open, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { largeImage } from '../../bench/images.ts';
import { run } from '../support/child-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const GIB = 1024 ** 3;
const LIMIT_MIB = 200;
/** Says the most memory the process had, when it ends. */
const TOLD = 'data:text/javascript,process.on("exit",()=>console.error("peak "+process.resourceUsage().maxRSS))';

describe('hub deidentify on a multi-frame object of two gigabytes', function () {
  this.timeout(900_000);
  const folder = temporaryFolder();

  it(`needs no more than ${LIMIT_MIB} MiB of memory, and keeps every byte of the pixels`, async () => {
    const image = largeImage(2 * GIB - 512 * 1024);
    const input = join(folder.path, 'large.dcm');
    const file = await open(input, 'w');
    await file.write(image.head);
    const sizeBytes = image.head.length + 2 * GIB - 512 * 1024;
    await file.truncate(sizeBytes);
    // Not all of it is zero: a frame in the middle, and the end.
    for (const at of [GIB, sizeBytes - 8])
      await file.write(Buffer.from('\x01\x02\x03\x04\x05\x06\x07\x08', 'latin1'), 0, 8, at);
    await file.close();
    const out = join(folder.path, 'out');
    const args = ['--import', TOLD, 'main.ts', 'deidentify', input, out, '--data', join(folder.path, 'data')];

    const { code, stdout, stderr } = await run({ path: process.execPath, env: {} }, args, {
      cwd: ROOT,
      timeoutMs: 800_000,
    });

    expect(code, stdout + stderr).to.equal(0);
    const [, kib] = /^peak (\d+)$/m.exec(stderr) ?? [];
    expect(Number(kib) / 1024).to.be.lessThan(LIMIT_MIB);
    const [name] = (await readdir(out, { recursive: true })).filter((path) => path.endsWith('.dcm'));
    const written = join(out, name ?? '');
    expect((await stat(written)).size).to.be.greaterThan(2 * GIB - 512 * 1024);
    // Counted from the end: the header is shorter or longer than it was.
    for (const before of [sizeBytes - GIB, 8])
      expect([...(await bytesBefore(written, before))]).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

/** Eight bytes, so many before the end. */
async function bytesBefore(path: string, end: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(8), 0, 8, size - end);
    return buffer;
  } finally {
    await file.close();
  }
}
