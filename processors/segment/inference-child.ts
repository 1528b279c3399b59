/**
 * The process that holds the native run-time. Protocol on the pipes: it prints a JSON line when the model is loaded;
 * for each request (a JSON line with `dims`, then float32 bytes) it answers a JSON line and float32 bytes.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { env, InferenceSession, Tensor } from 'onnxruntime-node';
import { inspectOnnx } from './onnx-guard.ts';

const [, , file = '', sha256 = '', inputName = '', outputName = ''] = process.argv;
/** Does not keep the process up: it ends when nothing is asked any more. */
new Worker(new URL('./lifeline-worker.ts', import.meta.url)).unref();

try {
  await serve();
} catch (error) {
  // The run-time's sentence may quote the model file, which is not patient data; the parent cuts and quotes it.
  say({ error: (error instanceof Error ? error.message : String(error)).slice(0, 300) });
  process.exitCode = 1;
}

async function serve(): Promise<void> {
  const bytes = await readFile(file);
  // Between the manifest and now somebody may have changed the file: what is loaded is what the result names.
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new Error('the model file is not the one the manifest names');
  inspectOnnx(bytes);
  const session = await InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 2,
    interOpNumThreads: 1,
    enableCpuMemArena: false, // one job a process: an arena only keeps memory it will not need again
  });
  if (!session.inputNames.includes(inputName)) throw new Error(`the model has no input ${inputName}`);
  if (!session.outputNames.includes(outputName)) throw new Error(`the model has no output ${outputName}`);
  say({ ready: true });
  for await (const request of requests()) {
    const startedAt = performance.now();
    const results = await session.run({ [inputName]: new Tensor('float32', request.values, request.dims) }, [
      outputName,
    ]);
    const seconds = (performance.now() - startedAt) / 1000;
    const output = results[outputName];
    if (output === undefined || !(output.data instanceof Float32Array))
      throw new Error(`output ${outputName} is not float32`);
    say({ dims: [...output.dims], seconds, runtime: `onnxruntime-node ${env.versions.node ?? env.versions.common}` });
    process.stdout.write(Buffer.from(output.data.buffer, output.data.byteOffset, output.data.byteLength));
  }
}

async function* requests(): AsyncGenerator<{ dims: number[]; values: Float32Array }> {
  let buffer = Buffer.alloc(0);
  let chunks: Buffer[] = [];
  let size = 0;
  let dims: number[] | undefined;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (dims === undefined) {
      buffer = Buffer.concat(chunks);
      const end = buffer.indexOf(10);
      if (end < 0) continue;
      dims = parseDims(buffer.subarray(0, end).toString('utf8'));
      chunks = [buffer.subarray(end + 1)];
      size = buffer.length - end - 1;
    }
    const wanted = 4 * dims.reduce((a, b) => a * b, 1);
    if (size < wanted) continue;
    buffer = Buffer.concat(chunks);
    const values = new Float32Array(wanted / 4);
    Buffer.from(values.buffer).set(buffer.subarray(0, wanted));
    yield { dims, values };
    chunks = [buffer.subarray(wanted)];
    size = buffer.length - wanted;
    dims = undefined;
  }
}

function parseDims(line: string): number[] {
  const { dims } = JSON.parse(line) as { dims: number[] };
  return dims;
}

function say(message: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
