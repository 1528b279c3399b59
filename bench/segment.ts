/**
 * How long a network takes in the hub's sandbox, and in onnxruntime's own Python binding: the same file, the same
 * release, as many threads, the same input, in turns. `network` is the time inside it, `round trip` with the tensors on
 * their way to the process and back.
 *
 *   npm run bench -- segment [--rounds 15]
 */
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { openNetwork, THREADS } from '../processors/segment/network.ts';
import { openModel } from '../processors/segment/open-model.ts';
import { attribute, node, onnxModel, tensor, valueInfo } from '../tests/support/onnx-model.ts';
import { onnxruntime } from '../tests/support/peers.ts';
import { seeded } from '../tests/support/seeded.ts';
import { interleaved, reportRatios } from './rounds.ts';

/** As the hub's process has it: on a machine with other work both are given as much. */
const NICENESS = '10';
const PEER = `
import sys, time, numpy, onnxruntime
path, output, threads, *shape = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(threads)
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
image = numpy.fromfile(path + '.input', numpy.float32).reshape([int(size) for size in shape])
print(onnxruntime.__version__, flush=True)
for _ in sys.stdin:
    started = time.perf_counter()
    answer, = session.run([output], {'image': image})
    seconds = time.perf_counter() - started
    print(seconds, float(numpy.abs(answer).sum()), flush=True)
`;

interface Contestant {
  readonly name: string;
  readonly measure: () => Promise<number>;
}

interface Task {
  readonly title: string;
  readonly onnx: string;
  readonly sha256: string;
  readonly outputName: string;
  readonly input: readonly number[];
  readonly output: readonly number[];
}

export async function benchSegment(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { rounds: { type: 'string', default: '15' } } });
  const folder = await mkdtemp(join(tmpdir(), 'hub-bench-'));
  try {
    for (const task of [bundled(), await wide(folder)]) await compare(task, folder, Number(values.rounds));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(task: Task, folder: string, rounds: number): Promise<void> {
  const random = seeded(1);
  const image = Float32Array.from({ length: task.input.reduce((a, b) => a * b, 1) }, () => random());
  const { title: name, onnx: file, sha256, outputName } = task;
  const network = await openNetwork(
    { name, file, sha256, inputName: 'image', outputName, maxSeconds: 300 },
    new AbortController().signal,
  );
  const peer = await startPeer(task, folder, image);
  let roundTrip = 0;
  const hub = async (): Promise<{ seconds: number; sum: number }> => {
    const startedAt = performance.now();
    const { seconds, output } = await network.run(image, task.input, task.output);
    roundTrip = (performance.now() - startedAt) / 1000;
    return { seconds, sum: output.reduce((a, b) => a + Math.abs(b), 0) };
  };
  try {
    const [own, other] = [await hub(), await peer.run()]; // the first pass of each is not measured
    const difference = Math.abs(own.sum / other.sum - 1);
    if (difference > 1e-4) throw new Error(`not the same answer: ${String(own.sum)} and ${String(other.sum)}`);
    const roundTrips: number[] = [];
    const contestants: readonly Contestant[] = [
      {
        name: 'network',
        measure: async () => {
          const { seconds } = await hub();
          roundTrips.push(roundTrip);
          return seconds;
        },
      },
      { name: 'python', measure: async () => (await peer.run()).seconds },
    ];
    const figures = await interleaved(
      contestants,
      rounds,
      () => Promise.resolve(),
      ({ measure }) => measure(),
    );
    const title = `${task.title}, ${String(THREADS)} threads, ${String(rounds)} rounds, Python's onnxruntime ${peer.version}`;
    reportRatios(title, new Map([...figures, ['round trip', roundTrips]]), ['python']);
  } finally {
    await network.close();
    peer.stop();
  }
}

async function startPeer(task: Task, folder: string, image: Float32Array) {
  const python = await onnxruntime();
  // Beside a copy of the file, so that nothing is written where the model lies.
  const path = join(folder, 'peer.onnx');
  await writeFile(path, await readFile(task.onnx));
  await writeFile(`${path}.input`, new Uint8Array(image.buffer));
  const child = spawn(
    'nice',
    ['-n', NICENESS, python.path, '-c', PEER, path, task.outputName, String(THREADS), ...task.input.map(String)],
    { env: { ...process.env, ...python.env }, stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const next = await lines.next();
    if (next.done === true) throw new Error('the peer has ended');
    return next.value;
  };
  return {
    version: await line(),
    async run() {
      child.stdin.write('\n');
      const [seconds = '', sum = ''] = (await line()).split(' ');
      return { seconds: Number(seconds), sum: Number(sum) };
    },
    stop: () => {
      child.stdin.end();
      child.kill();
    },
  };
}

function bundled(): Task {
  const { manifest, file } = openModel('rodent-brain', { models: [] });
  const shape = [64, 96, 64];
  return {
    title: `${manifest.name} ${manifest.version}`,
    onnx: file,
    sha256: manifest.onnx.sha256,
    outputName: Object.keys(manifest.network_data_format.outputs)[0] ?? '',
    input: [1, 1, ...shape],
    output: [1, Object.values(manifest.network_data_format.outputs)[0]?.num_channels ?? 1, ...shape],
  };
}

/** Eight convolutions of 24 channels: what a partner's larger network spends its time with. */
async function wide(folder: string): Promise<Task> {
  const random = seeded(2);
  const weights = (count: number) => Array.from({ length: count }, () => (random() - 0.5) / 10);
  const size = 48;
  const widths = [1, ...new Array<number>(7).fill(24), 2];
  const pads = [attribute.ints('pads', [1, 1, 1, 1, 1, 1])];
  const layers = widths.slice(1).map((width, n) => {
    const before = widths[n] ?? 1;
    const isLast = n === widths.length - 2;
    return {
      nodes: [
        node(
          'Conv',
          [n === 0 ? 'image' : `r${String(n)}`, `w${String(n)}`],
          [isLast ? 'brain' : `c${String(n)}`],
          pads,
        ),
        ...(isLast ? [] : [node('LeakyRelu', [`c${String(n)}`], [`r${String(n + 1)}`])]),
      ],
      weight: tensor(`w${String(n)}`, [width, before, 3, 3, 3], weights(width * before * 27)),
    };
  });
  const onnx = onnxModel({
    nodes: layers.flatMap(({ nodes }) => nodes),
    weights: layers.map(({ weight }) => weight),
    inputs: [valueInfo('image', [1, 1, size, size, size])],
    outputs: [valueInfo('brain', [1, 2, size, size, size])],
  });
  const file = join(folder, 'wide.onnx');
  await writeFile(file, onnx);
  return {
    title: 'eight convolutions of 24 channels',
    onnx: file,
    sha256: createHash('sha256').update(onnx).digest('hex'),
    outputName: 'brain',
    input: [1, 1, size, size, size],
    output: [1, 2, size, size, size],
  };
}
