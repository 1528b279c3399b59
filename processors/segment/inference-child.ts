/**
 * The process that holds the native run-time. Protocol on the pipes, each message a JSON line that carries the nonce
 * the parent began with: first the order with the network's bytes behind it, answered when the network is loaded; then
 * for each request (`dims`, then float32 bytes) an answer (`dims`, `seconds`, then float32 bytes).
 */
import { once } from 'node:events';
import { getPriority, setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { env, InferenceSession, Tensor } from 'onnxruntime-node';
import { type PipeReader, pipeReader } from './pipe-reader.ts';

/** As worker.ts has it: below what coordinates, far below what receives. */
const NICENESS = 10;

interface Order {
  readonly nonce: string;
  /** Bytes of the network that follow. */
  readonly sizeBytes: number;
  readonly inputName: string;
  readonly outputName: string;
  readonly threads: number;
}
interface Request {
  readonly nonce: string;
  readonly dims: readonly number[];
  /** Values the parent will take. */
  readonly maxValues: number;
}

// Who is further back already may not come forward.
if (getPriority() < NICENESS) setPriority(NICENESS);
const lifeline = new Worker(new URL('./lifeline-worker.ts', import.meta.url));
const holdsLifeline = once(lifeline, 'online');

let nonce = '';
try {
  await serve(pipeReader(process.stdin as AsyncIterable<Buffer>));
} catch (error) {
  // The run-time's sentence may quote the model file, which is not patient data; the parent cuts and quotes it.
  say({ error: (error instanceof Error ? error.message : String(error)).slice(0, 300) });
  process.exitCode = 1;
  lifeline.unref();
}

async function serve(input: PipeReader): Promise<void> {
  const first = await input.line();
  if (first === undefined) return;
  const order = JSON.parse(first) as Order;
  nonce = order.nonce;
  const network = await input.bytes(order.sizeBytes);
  if (network === undefined) return;
  const session = await InferenceSession.create(network, {
    executionProviders: ['cpu'],
    intraOpNumThreads: order.threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4, // what it says on standard error it says in the error too
  });
  const { inputName, outputName } = order;
  if (!session.inputNames.includes(inputName)) throw new Error(`the model has no input ${inputName}`);
  if (!session.outputNames.includes(outputName)) throw new Error(`the model has no output ${outputName}`);
  // A thread does not start in a folder that is gone, and after this the parent removes it.
  await holdsLifeline;
  // Does not keep the process up: it ends when nothing is asked any more.
  lifeline.unref();
  say({ ready: true });
  for (let line = await input.line(); line !== undefined; line = await input.line()) {
    const { dims, maxValues } = JSON.parse(line) as Request;
    const bytes = await input.bytes(4 * dims.reduce((a, b) => a * b, 1));
    if (bytes === undefined) return;
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const startedAt = performance.now();
    const results = await session.run({ [inputName]: new Tensor('float32', values, dims) }, [outputName]);
    const seconds = (performance.now() - startedAt) / 1000;
    const output = results[outputName];
    if (output === undefined || !(output.data instanceof Float32Array))
      throw new Error(`output ${outputName} is ${output?.type ?? 'missing'}, not float32`);
    const runtime = `onnxruntime-node ${env.versions.node ?? env.versions.common}`;
    // What is not wanted is not sent: the parent learns the shape and refuses it.
    const isWanted = output.data.length <= maxValues;
    say({ dims: [...output.dims], seconds, runtime, isSent: isWanted });
    if (isWanted) process.stdout.write(Buffer.from(output.data.buffer, output.data.byteOffset, output.data.byteLength));
    output.dispose();
  }
}

function say(message: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ nonce, ...message })}\n`);
}
