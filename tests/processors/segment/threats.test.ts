/** What somebody else's ONNX file may try, one test each: what is refused before it is loaded, and what is ended when it runs. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import { openInference } from '../../../processors/segment/inference.ts';
import { checkModel, readModel } from '../../../processors/segment/model.ts';
import { openNetwork } from '../../../processors/segment/network.ts';
import { openModel } from '../../../processors/segment/open-model.ts';
import { shutIn } from '../../../processors/segment/sandbox.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  attribute,
  externalTensor,
  field,
  graph,
  linearNetwork,
  node,
  onnxModel,
  slowNetwork,
  tensor,
  valueInfo,
  writeModel,
  writeModelFolder,
} from '../../support/onnx-model.ts';
import { integer, seeded } from '../../support/seeded.ts';
import { skip } from '../../support/skip.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';

const SHAPE = [1, 1, 8, 8, 8] as const;
/** What a file says of its tensors: any size. */
const ANY = [1, 1, 'X', 'Y', 'Z'] as const;
const CUBE = new Float32Array(512).fill(1);
const never = (): AbortSignal => new AbortController().signal;

/** One operator from `image` to `brain`, with an axis of any size. */
function oneOperator(
  operator: Uint8Array,
  weights: readonly Uint8Array[] = [],
  out: readonly (number | string)[] = ANY,
) {
  return onnxModel({
    nodes: [operator],
    weights,
    inputs: [valueInfo('image', ANY)],
    outputs: [valueInfo('brain', out)],
  });
}

/** Processes that the current one has started. */
function children(): readonly string[] {
  return readdirSync('/proc/self/task').flatMap((task) => {
    const text = readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ');
  });
}

describe('a model that means harm', function () {
  this.timeout(60_000);
  const temporary = temporaryFolder();
  let folder = '';
  let count = 0;
  beforeEach(() => {
    folder = join(temporary.path, `model-${String(count)}`);
    count += 1;
  });

  /** What `readModel` says of it. */
  function refusal(onnx: Uint8Array): string {
    writeModelFolder(folder, onnx);
    return checkModel(folder)
      .problems.map(({ what }) => what)
      .join('\n');
  }
  const open = () => openInference(readModel(folder), 1, never());
  async function failureOf(shape: readonly number[] = SHAPE): Promise<HubError> {
    const network = await open();
    try {
      return await thrownBy(network.run(CUBE, [...SHAPE], shape));
    } finally {
      await network.close();
    }
  }

  describe('by reading other files', () => {
    const places = ['secret.bin', '../secret.bin', '/etc/passwd', 'a/../../secret.bin', 'link.bin'];
    for (const place of places) {
      it(`is refused before it is loaded: weights in ${place}`, () => {
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, 'secret.bin'), Buffer.alloc(2048, 7));
        symlinkSync('/etc/passwd', join(folder, 'link.bin'));
        const leaking = node('Add', ['image', 'secret'], ['brain']);

        expect(refusal(oneOperator(leaking, [externalTensor('secret', [1, 1, 8, 8, 8], place)]))).to.match(
          /another file/,
        );
      });
    }

    it('is refused when its manifest names a file elsewhere', () => {
      writeModelFolder(folder, linearNetwork([1], [0]), (manifest) => ({
        ...manifest,
        onnx: { file: '../model.onnx', sha256: '0'.repeat(64), opset_max: 18 },
      }));

      expect(checkModel(folder).problems).to.deep.equal([
        { where: 'model.json /onnx/file', what: 'the name of an .onnx file in the same folder' },
      ]);
    });
  });

  describe('by what it is made of', () => {
    it('is refused with operators of another domain', () => {
      expect(refusal(oneOperator(node('Steal', ['image'], ['brain'], [], 'evil.example')))).to.match(/evil\.example/);
    });

    it('is refused with operators of one run-time, unless the administrator allows them', () => {
      const onnx = onnxModel(
        {
          nodes: [node('Gelu', ['image'], ['brain'], [], 'com.microsoft')],
          inputs: [valueInfo('image', ANY)],
          outputs: [valueInfo('brain', ANY)],
        },
        { domains: ['com.microsoft'] },
      );

      expect(refusal(onnx)).to.match(/com\.microsoft/);
      expect(checkModel(folder, ['com.microsoft']).problems).to.deep.equal([]);
    });

    it('is refused with a graph compiled for one device', () => {
      expect(refusal(oneOperator(node('EPContext', ['image'], ['brain'])))).to.match(/EPContext/);
    });

    it('is refused in the format of one run-time', () => {
      expect(refusal(Buffer.concat([Buffer.from([0x18, 0, 0, 0]), Buffer.from('ORTM'), Buffer.alloc(64)]))).to.match(
        /ORT/,
      );
    });

    it('is refused when it is larger than is loaded, without being read', () => {
      writeModelFolder(folder, linearNetwork([1], [0]));
      truncateSync(join(folder, 'model.onnx'), 300 * 1024 * 1024);

      expect(checkModel(folder).problems.map(({ what }) => what)).to.deep.equal(['has 300 MiB; at most 200 are read']);
    });

    it('is refused with a newer operator set than its manifest allows', () => {
      const given = {
        nodes: [node('Identity', ['image'], ['brain'])],
        inputs: [valueInfo('image', ANY)],
        outputs: [valueInfo('brain', ANY)],
      };

      expect(refusal(onnxModel(given, { opset: 21 }))).to.match(/operator set 21, its manifest allows 18/);
    });

    it('is refused when it wants other tensors than its manifest says, each mistake named', () => {
      const onnx = onnxModel({
        nodes: [node('Identity', ['scan'], ['brain'])],
        inputs: [valueInfo('scan', [1, 1, 8, 8]), valueInfo('mask', [1])],
        outputs: [valueInfo('brain', [1, 3, 8, 8, 8], 'int64')],
      });

      expect(refusal(onnx).split('\n')).to.deep.equal([
        'the network wants 2 inputs ("scan", "mask"); one is given',
        'the network has no input "image", but "scan", "mask"',
        'output brain is int64 in the network, float32 in the manifest',
        'output brain is [1, 3, 8, 8, 8] in the network, [1, 1, *, *, *] in the manifest',
      ]);
    });

    it('has its names shown as text, whatever they hold', () => {
      const said = refusal(oneOperator(node('X', ['image'], ['brain'], [], 'a\n\u001b[31mred"')));

      expect(said).to.include(String.raw`"a\n\u001b[31mred\""`);
    });

    it('hurts nobody when its bytes are damaged', async () => {
      const bytes = readFileSync(openModel('rodent-brain', { models: [] }).file);
      const random = seeded(20);

      for (let round = 0; round < 10; round += 1) {
        const damaged = Buffer.from(bytes);
        for (let n = 0; n < 4; n += 1)
          damaged[integer(random, round % 2 === 0 ? 4_000 : bytes.length)] = integer(random, 256);
        const file = join(temporary.path, 'damaged.onnx');
        writeFileSync(file, damaged);
        const sha256 = createHash('sha256').update(damaged).digest('hex');
        const failure = await openNetwork(
          { name: 'damaged', file, sha256, inputName: 'image', outputName: 'brain', maxSeconds: 10 },
          never(),
        ).then(
          (network) => network.close(),
          (error: unknown) => error,
        );
        if (failure !== undefined) expect(failure).to.be.instanceOf(HubError);
        if (failure instanceof HubError) expect(['model.invalid', 'processor.failed']).to.include(failure.code);
      }
    });
  });

  describe('by what it does', () => {
    it('is ended by the clock in an endless loop, and nothing of it stays', async function () {
      if (!existsSync('/proc/self/task')) skip(this, 'no /proc here');
      const body = graph({
        nodes: [node('Identity', ['go'], ['goOn']), node('Identity', ['value'], ['same'])],
        inputs: [valueInfo('n', [], 'int64'), valueInfo('go', [], 'bool'), valueInfo('value', ANY)],
        outputs: [valueInfo('goOn', [], 'bool'), valueInfo('same', ANY)],
      });
      const loop = node('Loop', ['', 'true', 'image'], ['brain'], [attribute.graph('body', body)]);
      const onnx = oneOperator(loop, [tensor('true', [], [1], 'bool')]);
      expect(refusal(onnx)).to.match(/Loop, which can run for ever/);
      writeModelFolder(folder, onnx, (manifest) => ({ ...manifest, limits: { max_seconds: 2, max_rss_mb: 512 } }));
      const before = children();
      const network = await openInference(readModel(folder, ['control-flow']), 1, never());
      const started = children().filter((pid) => !before.includes(pid));

      const error = await thrownBy(network.run(CUBE, [...SHAPE], [...SHAPE]));
      await network.close();

      expect([error.code, error.fields['limitSeconds']]).to.deep.equal(['processor.timeout', 2]);
      expect(started).to.have.length(1);
      expect(started.filter((pid) => existsSync(`/proc/${pid}`))).to.deep.equal([]);
    });

    it('is refused by the kernel 16 GB of memory', async () => {
      const weights = [tensor('size', [4], [4, 1024, 1024, 1024], 'int64')];
      const onnx = onnxModel({
        nodes: [
          node('ConstantOfShape', ['size'], ['bomb'], [attribute.tensor('value', tensor('', [1], [1]))]),
          node('ReduceSum', ['bomb'], ['one'], [attribute.int('keepdims', 0)]),
          node('Add', ['image', 'one'], ['brain']),
        ],
        weights,
        inputs: [valueInfo('image', ANY)],
        outputs: [valueInfo('brain', ANY)],
      });
      writeModelFolder(folder, onnx);

      const error = await thrownBy(open().then((network) => network.run(CUBE, [...SHAPE], [...SHAPE])));

      expect(error.code).to.be.oneOf(['model.invalid', 'processor.failed']);
    });

    it('is ended when it takes more memory than its manifest allows', async function () {
      if (!existsSync('/proc/self/statm')) skip(this, 'no /proc here');
      // 64 million ones, and again from each of them: the kernel's limit leaves room for that, the manifest does not.
      const onnx = onnxModel({
        nodes: [
          node('ReduceMax', ['image'], ['most'], [attribute.int('keepdims', 0)]),
          node('Expand', ['most', 'size'], ['large']),
          ...Array.from({ length: 30 }, (_, n) => node('Sin', [n === 0 ? 'large' : `s${n}`], [`s${n + 1}`])),
          node('ReduceMax', ['s30'], ['one'], [attribute.int('keepdims', 0)]),
          node('Add', ['image', 'one'], ['brain']),
        ],
        weights: [tensor('size', [1], [64 * 2 ** 20], 'int64')],
        inputs: [valueInfo('image', ANY)],
        outputs: [valueInfo('brain', ANY)],
      });
      writeModelFolder(folder, onnx, (manifest) => ({ ...manifest, limits: { max_seconds: 60, max_rss_mb: 256 } }));

      const error = await failureOf();

      expect(String(error.fields['detail'])).to.match(/more memory than 256 MB|allocat/i);
    });

    it('is ended by the kernel when it has used up its processor time', async function () {
      const limits = { memoryMb: 512, cpuSeconds: 1 };
      const { command, confinement } = shutIn([process.execPath, '-e', 'for (;;);'], limits, []);
      if (confinement.memory !== 'limited') skip(this, 'this machine has neither prlimit nor a shell');
      const [program, ...args] = command;
      const child = spawn(program, args, { stdio: 'ignore' });

      const [, signal] = (await once(child, 'exit')) as [number | null, string | null];

      expect(signal).to.be.oneOf(['SIGXCPU', 'SIGKILL']);
    });

    it('has no network, no environment, no folder, no rights and no way to gain any', async function () {
      if (!existsSync('/proc/self/task')) skip(this, 'no /proc here');
      writeModel(folder, slowNetwork(32, 200), 32);
      const before = children();
      const network = await openInference(readModel(folder), 1, never());
      const pid = children().find((each) => !before.includes(each)) ?? '';
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');

      try {
        expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).to.equal('');
        expect(readlinkSync(`/proc/${pid}/cwd`)).to.match(/ \(deleted\)$/);
        expect(limits).to.match(/Max file size +0 +0 /);
        // After the name in brackets: state, parent, group, …; the nineteenth field of all is the niceness.
        const [, rest = ''] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
        const [, , group, ...others] = rest.split(' ');
        expect(group).to.equal(pid);
        expect(Number(others[13])).to.be.at.least(10);
        const { network: net, privileges } = network.confinement;
        if (net === 'none') {
          const namespace = (who: string) => readlinkSync(`/proc/${who}/ns/net`);
          expect(namespace(pid)).to.not.equal(namespace('self'));
          const interfaces = readFileSync(`/proc/${pid}/net/dev`, 'utf8').trim().split('\n').slice(2);
          expect(interfaces.map((line) => line.split(':')[0]?.trim())).to.deep.equal(['lo']);
        }
        if (privileges !== 'as-the-hub') expect(status).to.match(/NoNewPrivs:\t1/);
        if (privileges === 'nobody') expect(status).to.match(/Uid:\t65534\t65534\t65534\t65534/);
        if (privileges === 'nobody') expect(status).to.match(/CapBnd:\t0{16}/);
      } finally {
        await network.close();
      }
      await waitFor('its end', () => !existsSync(`/proc/${pid}`), 5_000);
    });
  });

  describe('by what it answers', () => {
    it('is refused an answer of another shape, which is not even sent', async () => {
      writeModelFolder(
        folder,
        oneOperator(
          node('Tile', ['image', 'times'], ['brain']),
          [tensor('times', [5], [1, 1, 64, 8, 8], 'int64')],
          [1, 1, 'a', 'b', 'c'],
        ),
      );

      const error = await failureOf();

      expect([error.code, String(error.fields['detail'])]).to.deep.equal([
        'model.invalid',
        'its output has the shape [1,1,512,64,64], the manifest says [1,1,8,8,8]',
      ]);
    });

    it('is refused values that are not finite', async () => {
      writeModelFolder(folder, oneOperator(node('Div', ['image', 'zero'], ['brain']), [tensor('zero', [1], [0])]));

      expect(String((await failureOf()).fields['detail'])).to.match(/not finite/);
    });

    it('is refused another type than its file declared', async () => {
      const output = Buffer.concat([field(1, 'brain')]);
      const onnx = onnxModel({
        nodes: [node('Shape', ['image'], ['brain'])],
        inputs: [valueInfo('image', ANY)],
        outputs: [output],
      });
      writeModelFolder(folder, onnx);

      const error = await thrownBy(
        open().then((network) => network.run(CUBE, [...SHAPE], [...SHAPE]).finally(() => network.close())),
      );

      expect(String(error.fields['detail'])).to.match(/int64|type/i);
    });
  });
});
