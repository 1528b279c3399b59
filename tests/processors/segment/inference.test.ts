import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openInference } from '../../../processors/segment/inference.ts';
import { openNetwork } from '../../../processors/segment/network.ts';
import { readModel } from '../../../processors/segment/model.ts';
import { openModel } from '../../../processors/segment/open-model.ts';
import { field, slowNetwork, writeModel } from '../../support/onnx-model.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';

const HOLDER = fileURLToPath(new URL('./inference-holder.ts', import.meta.url));
const SIZE = 64;
const never = (): AbortSignal => new AbortController().signal;

/** Ticks of processor time that a process has used. */
function processorTicks(pid: number): number {
  const [, fields = ''] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
  return Number(fields.split(' ')[11]);
}

describe('the inference process', function () {
  this.timeout(60_000);
  const temporary = temporaryFolder();

  it('ends in the middle of a pass when the hub is killed, and leaves no folder behind', async function () {
    if (!existsSync('/proc/self/task')) this.skip();
    const folder = join(temporary.path, 'slow');
    writeModel(folder, slowNetwork(SIZE, 2_000), SIZE);
    const scratch = join(temporary.path, 'scratch');
    mkdirSync(scratch);
    const holder = spawn(process.execPath, [HOLDER, folder, String(SIZE)], {
      stdio: 'inherit',
      env: { TMPDIR: scratch },
    });
    const inference = await waitFor(
      'a pass',
      () => {
        const pids = readFileSync(`/proc/${holder.pid ?? 0}/task/${holder.pid ?? 0}/children`, 'utf8');
        const pid = Number(pids.trim().split(' ')[0]);
        // Loading takes less; only a pass takes so long.
        return pid > 0 && processorTicks(pid) > 400 ? pid : undefined;
      },
      40_000,
    );

    holder.kill('SIGKILL');
    await once(holder, 'exit');

    try {
      await waitFor('the inference process to end', () => !existsSync(`/proc/${inference}`), 5_000);
    } finally {
      if (existsSync(`/proc/${inference}`)) process.kill(inference, 'SIGKILL');
    }
    expect(readdirSync(scratch).filter((name) => name.startsWith('hub-segment-'))).to.deep.equal([]);
  });

  it('refuses a network that was changed after the manifest was read', async () => {
    const folder = join(temporary.path, 'changed');
    writeModel(folder, slowNetwork(SIZE, 1), SIZE);
    const model = readModel(folder);
    writeFileSync(model.file, slowNetwork(SIZE, 2));

    const error = await thrownBy(openInference(model, 1, never()));

    expect([error.code, String(error.fields['detail'])]).to.deep.equal([
      'model.invalid',
      'the model file is not the one the manifest names',
    ]);
  });

  for (const [what, part, why] of [
    ['an endless loop', field(1, field(4, 'Loop')), /Loop/],
    [
      'weights in another file',
      field(5, Buffer.concat([field(13, field(1, 'location')), field(14, 1)])),
      /another file/,
    ],
  ] as const)
    it(`looks at the network itself before it is loaded: ${what}`, async () => {
      const file = join(temporary.path, `${what.replaceAll(' ', '-')}.onnx`);
      const onnx = Buffer.concat([
        field(1, 8),
        field(8, field(2, 17)),
        field(7, Buffer.concat([field(1, field(4, 'Relu')), part])),
      ]);
      writeFileSync(file, onnx);
      const sha256 = createHash('sha256').update(onnx).digest('hex');

      const error = await thrownBy(
        openNetwork({ name: 'bad', file, sha256, inputName: 'a', outputName: 'b', maxSeconds: 5 }, never()),
      );

      expect(error.code).to.equal('model.invalid');
      expect(String(error.fields['detail'])).to.match(why);
    });

  it('has the time its manifest allows for each pass, not for all of a study', async () => {
    const model = openModel('rodent-brain', { models: [] });
    const limits = { ...model.manifest.limits, max_seconds: 5 };
    const session = await openInference({ ...model, manifest: { ...model.manifest, limits } }, 1_000, never());
    const until = performance.now() + 5_500;

    let passes = 0;
    while (performance.now() < until) {
      await session.run(new Float32Array(64 * 96 * 64), [1, 1, 64, 96, 64], [1, 2, 64, 96, 64]);
      passes += 1;
    }
    await session.close();

    expect(passes).to.be.greaterThan(1);
  });
});
