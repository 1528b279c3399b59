/**
 * Runs a network in a process of its own, one a job: native code that parses a file somebody else made gets no secret
 * from the environment, no working folder of ours, and an end by the clock. A crash there is a failed step here, never a dead hub.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HubError } from '../../core/errors.ts';

const CHILD = fileURLToPath(new URL('./inference-child.ts', import.meta.url));
/** What the child prints before the tensor. */
const MAX_HEAD_BYTES = 64 * 1024;

export interface NetworkFile {
  /** For whoever reads an error. */
  readonly name: string;
  /** Absolute path of the ONNX file. */
  readonly file: string;
  /** Lower-case hex: another file is not loaded. */
  readonly sha256: string;
  readonly inputName: string;
  readonly outputName: string;
  /** For one answer. */
  readonly maxSeconds: number;
}

/** An open network: one child, several passes, closed at the end of the job. */
export interface Network {
  /**
   * One pass at a time.
   *
   * @param inputShape - of `input`
   * @param outputShape - what has to come out; anything else is a wrong model
   * @throws {HubError} `model.invalid`, `processor.failed`, `processor.timeout`
   */
  run(input: Float32Array, inputShape: readonly number[], outputShape: readonly number[]): Promise<Pass>;
  close(): Promise<void>;
}

export interface Pass {
  /** Finite throughout. */
  readonly output: Float32Array;
  /** Time inside the network, without loading. */
  readonly seconds: number;
  /** `onnxruntime-node 1.30.0`. */
  readonly runtime: string;
}

/**
 * Starts the child and loads the network there.
 *
 * @param signal - aborts by killing the child
 */
export async function openNetwork(network: NetworkFile, signal: AbortSignal): Promise<Network> {
  const folder = await mkdtemp(join(tmpdir(), 'hub-segment-'));
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      CHILD,
      network.file,
      network.sha256,
      network.inputName,
      network.outputName,
    ],
    {
      cwd: folder, // empty: a path relative to the working folder finds nothing
      env: {},
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'], // the last is the child's lifeline: it ends when we do
    },
  );
  const abort = (): void => {
    child.kill('SIGKILL');
  };
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort(); // while the folder was made
  let errorText = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (errorText.length < 4096) errorText += chunk.toString('utf8');
  });
  child.stdin.on('error', () => undefined); // a dead child is reported by its exit, once
  const reader = frames(child.stdout);
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => {
      resolve();
    });
    child.once('error', () => {
      resolve();
    });
  });

  /** The limit is for one answer: a study has as many passes as it has series. */
  const receive = async (): Promise<Frame> => {
    const late = new AbortController();
    const deadline = setTimeout(() => {
      late.abort();
      child.kill('SIGKILL');
    }, network.maxSeconds * 1000);
    const next = await reader.next().finally(() => clearTimeout(deadline));
    if (next.done === true) {
      await exited;
      if (signal.aborted) throw new HubError('processor.failed', { detail: 'aborted' });
      if (late.signal.aborted)
        throw new HubError('processor.timeout', {
          model: network.name,
          limitSeconds: network.maxSeconds,
        });
      throw new HubError('processor.failed', {
        model: network.name,
        detail: `the inference process ended: ${lastLine(errorText)}`,
      });
    }
    if (next.value.head.error !== undefined)
      throw new HubError('model.invalid', { model: network.name, detail: next.value.head.error });
    return next.value;
  };

  const close = async (): Promise<void> => {
    signal.removeEventListener('abort', abort);
    child.stdin.end();
    child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };

  try {
    await receive(); // loaded
  } catch (error) {
    await close();
    throw error;
  }

  return {
    async run(input, dims, outputShape) {
      child.stdin.write(`${JSON.stringify({ dims })}\n`);
      child.stdin.write(Buffer.from(input.buffer, input.byteOffset, input.byteLength));
      const { head, body } = await receive();
      checkOutput(network, head, body, outputShape);
      return { output: body, seconds: head.seconds ?? 0, runtime: head.runtime ?? '' };
    },
    close,
  };
}

interface Frame {
  readonly head: {
    readonly error?: string;
    readonly dims?: readonly number[];
    readonly seconds?: number;
    readonly runtime?: string;
  };
  readonly body: Float32Array;
}

/** What came out must be what was promised, finite throughout; anything else is a wrong model, not a mask. */
function checkOutput(network: NetworkFile, head: Frame['head'], body: Float32Array, expected: readonly number[]): void {
  if (JSON.stringify(head.dims) !== JSON.stringify(expected)) {
    throw new HubError('model.invalid', {
      model: network.name,
      detail: `its output has the shape ${JSON.stringify(head.dims ?? [])}, the manifest says ${JSON.stringify(expected)}`,
    });
  }
  if (!body.every((value) => Number.isFinite(value)))
    throw new HubError('model.invalid', {
      model: network.name,
      detail: 'its output holds values that are not finite',
    });
}

/** Frames on the pipe: one JSON line, then `4 × product(dims)` bytes when it has dims. */
async function* frames(stream: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let head: Frame['head'] | undefined;
  let pending: Buffer[] = [];
  let size = 0;
  let wanted = 0;
  for await (const chunk of stream) {
    pending.push(chunk);
    size += chunk.length;
    for (;;) {
      if (head === undefined) {
        const joined = Buffer.concat(pending);
        const end = joined.indexOf(10);
        if (end < 0) {
          if (joined.length > MAX_HEAD_BYTES) return;
          pending = [joined];
          break;
        }
        head = parseHead(joined.subarray(0, end).toString('utf8'));
        wanted = head.dims === undefined ? 0 : 4 * head.dims.reduce((a, b) => a * b, 1);
        pending = [joined.subarray(end + 1)];
        size = joined.length - end - 1;
      }
      if (size < wanted) break;
      const joined = Buffer.concat(pending);
      const body = new Float32Array(wanted / 4);
      Buffer.from(body.buffer).set(joined.subarray(0, wanted));
      yield { head, body };
      head = undefined;
      pending = [joined.subarray(wanted)];
      size = joined.length - wanted;
      if (size === 0) break;
    }
  }
}

function parseHead(line: string): Frame['head'] {
  return JSON.parse(line) as Frame['head'];
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 200) ?? 'no message';
}
