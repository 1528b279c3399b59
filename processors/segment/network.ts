/**
 * Runs a network in a process of its own, one a job: native code that works on a file somebody else made gets no secret
 * from the environment, no network, no folder, and an end by the clock, by its processor time and by its memory. A crash
 * there is a failed step here, never a dead hub.
 */
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, rmdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HubError } from '../../core/errors.ts';
import { FOLDER_PREFIX, sweepAbandoned } from './abandoned-folders.ts';
import { readBounded } from './model.ts';
import { type Allowance, inspectOnnx, MAX_FILE_BYTES } from './onnx-guard.ts';
import { pipeReader } from './pipe-reader.ts';
import { type Confinement, shutIn } from './sandbox.ts';

const CHILD = fileURLToPath(new URL('./inference-child.ts', import.meta.url));
/** Two: a study's steps share the machine with those of others, and most networks gain little from more. */
export const THREADS = 2;
const DEFAULT_MEMORY_MB = 4_096;
const WATCH_MS = 50;
const PAGE_BYTES = 4_096;

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
  /** Of the process; 4 GiB unless it is said. */
  readonly maxMemoryMb?: number;
  /** Answers it will be asked for at most; what its processor time is limited by. Undefined: by the clock alone. */
  readonly maxAnswers?: number;
  readonly allow?: readonly Allowance[];
}

/** An open network: one child, several passes, closed at the end of the job. */
export interface Network {
  readonly confinement: Confinement;
  /**
   * One pass at a time.
   *
   * @param inputShape - of `input`
   * @param outputShape - what has to come out; anything else is a wrong model
   * @throws {HubError} `model.invalid`, `processor.failed`, `processor.timeout`
   */
  run(input: Float32Array, inputShape: readonly number[], outputShape: readonly number[]): Promise<Pass>;
  /** The most its process has held in memory so far, while it worked or when it last answered; undefined where the system does not say. */
  peakRssMb(): number | undefined;
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
 * Starts the child and loads the network there, if it is the file it should be and the guard lets it through.
 *
 * @param signal - aborts by killing the child
 * @throws {HubError} `model.invalid`, `processor.failed`, `processor.timeout`
 */
export async function openNetwork(network: NetworkFile, signal: AbortSignal): Promise<Network> {
  const bytes = checkedBytes(network);
  const child = await startChild(network, signal);
  try {
    await child.send(
      {
        sizeBytes: bytes.length,
        inputName: network.inputName,
        outputName: network.outputName,
        threads: THREADS,
      },
      bytes,
      0,
    );
  } catch (error) {
    await child.close();
    throw error;
  }
  return {
    confinement: child.confinement,
    async run(input, dims, outputShape) {
      const maxValues = outputShape.reduce((a, b) => a * b, 1);
      const sent = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
      const { head, body } = await child.send({ dims, maxValues }, sent, maxValues);
      return { output: checkedOutput(network, head, body, outputShape), seconds: head.seconds, runtime: head.runtime };
    },
    peakRssMb: () => child.peakRssMb(),
    close: () => child.close(),
  };
}

/** What is looked at here is what is sent: nobody can change the file in between. */
function checkedBytes({ name, file, sha256, allow }: NetworkFile): Uint8Array {
  const bytes = readBounded(file, MAX_FILE_BYTES);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new HubError('model.invalid', { model: name, detail: 'the model file is not the one the manifest names' });
  inspectOnnx(bytes, allow);
  return bytes;
}

interface Head {
  readonly dims: readonly number[];
  readonly seconds: number;
  readonly runtime: string;
}

/** What came out must be what was promised, finite throughout; anything else is a wrong model, not a mask. */
function checkedOutput(
  { name }: NetworkFile,
  { dims }: Head,
  body: Float32Array | undefined,
  expected: readonly number[],
): Float32Array {
  if (body === undefined || JSON.stringify(dims) !== JSON.stringify(expected))
    throw new HubError('model.invalid', {
      model: name,
      detail: `its output has the shape ${JSON.stringify(dims)}, the manifest says ${JSON.stringify(expected)}`,
    });
  if (!body.every((value) => Number.isFinite(value)))
    throw new HubError('model.invalid', { model: name, detail: 'its output holds values that are not finite' });
  return body;
}

interface Child {
  readonly confinement: Confinement;
  /** One message with its bytes, and the answer to it. @param maxValues - more than these are not taken */
  send(
    message: Record<string, unknown>,
    bytes: Uint8Array,
    maxValues: number,
  ): Promise<{ readonly head: Head; readonly body: Float32Array | undefined }>;
  peakRssMb(): number | undefined;
  /** Harmless twice. */
  close(): Promise<void>;
}

/** Once a process. */
let swept: Promise<number> | undefined;

async function startChild(network: NetworkFile, signal: AbortSignal): Promise<Child> {
  // With the first: a hub that was killed while a network was loaded left its folder behind.
  swept ??= sweepAbandoned(tmpdir()).catch(() => 0); // a folder that stays is no reason not to work
  await swept;
  const folder = await mkdtemp(join(tmpdir(), FOLDER_PREFIX));
  const memoryMb = network.maxMemoryMb ?? DEFAULT_MEMORY_MB;
  const cpuSeconds =
    network.maxAnswers === undefined ? undefined : THREADS * network.maxSeconds * (network.maxAnswers + 1);
  const { command, confinement } = shutIn(
    [process.execPath, '--disable-warning=ExperimentalWarning', CHILD],
    { memoryMb, cpuSeconds },
    [CHILD, createRequire(import.meta.url).resolve('onnxruntime-node')],
  );
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: folder, // empty, and gone when the network is loaded: a path relative to it finds nothing
    env: {},
    detached: true, // a group of its own, ended as one
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'], // the last is the child's lifeline: it ends when we do
  });
  let hasExited = false;
  const kill = (): void => {
    // Once it is gone its number may be another's.
    if (hasExited || child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Gone in this moment.
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill(); // while the folder was made
  let errorText = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (errorText.length < 4096) errorText += chunk.toString('utf8');
  });
  child.stdin.on('error', () => undefined); // a dead child is reported by its exit, once
  let ended: NodeJS.Signals | null = null;
  const exited = new Promise<void>((resolve) => {
    child.once('close', (_code, endedBy) => {
      hasExited = true;
      ended = endedBy;
      resolve();
    });
    child.once('error', () => {
      hasExited = true;
      resolve();
    });
  });
  let peakMb = 0;
  const reader = pipeReader(child.stdout);
  const nonce = randomUUID();

  const died = async (reason: 'late' | 'large' | undefined): Promise<HubError> => {
    kill();
    await exited;
    const { name: model, maxSeconds: limitSeconds } = network;
    if (signal.aborted) return new HubError('processor.failed', { detail: 'aborted' });
    if (reason === 'late') return new HubError('processor.timeout', { model, limitSeconds });
    if (reason === 'large')
      return new HubError('model.invalid', { model, detail: `it took more memory than ${String(memoryMb)} MB` });
    if (ended === 'SIGXCPU') return new HubError('processor.timeout', { model, limitCpuSeconds: cpuSeconds });
    return new HubError('processor.failed', {
      model,
      detail: `the inference process ended: ${lastLine(errorText, ended)}`,
    });
  };

  const send: Child['send'] = async (message, bytes, maxValues) => {
    // The limit is for one answer: a study has as many passes as it has series.
    let reason: 'late' | 'large' | undefined;
    const end = (why: 'late' | 'large') => (): void => {
      reason ??= why;
      kill();
    };
    const deadline = setTimeout(end('late'), network.maxSeconds * 1000);
    const watch = setInterval(() => {
      const nowMb = residentMb(child.pid);
      peakMb = Math.max(peakMb, nowMb);
      if (nowMb > memoryMb) end('large')();
    }, WATCH_MS);
    try {
      child.stdin.write(`${JSON.stringify({ nonce, ...message })}\n`);
      child.stdin.write(bytes);
      const line = await reader.line();
      peakMb = Math.max(peakMb, highWaterMb(child.pid));
      const head = line === undefined ? undefined : parseHead(line);
      if (head?.nonce !== nonce) throw await died(reason);
      if (head.error !== undefined) throw new HubError('model.invalid', { model: network.name, detail: head.error });
      const dims = head.dims ?? [];
      const wanted = dims.reduce((a, b) => a * b, 1);
      const isSent = head.isSent === true && wanted <= maxValues;
      const body = isSent ? await reader.bytes(4 * wanted) : undefined;
      if (isSent && body === undefined) throw await died(reason);
      return {
        head: { dims, seconds: head.seconds ?? 0, runtime: head.runtime ?? '' },
        body: body === undefined ? undefined : new Float32Array(body.buffer, 0, wanted),
      };
    } finally {
      clearTimeout(deadline);
      clearInterval(watch);
    }
  };

  return {
    confinement,
    peakRssMb: () => (peakMb === 0 ? undefined : peakMb),
    async send(message, bytes, maxValues) {
      const answer = await send(message, bytes, maxValues);
      await rmdir(folder).catch(() => undefined); // the first time; a platform that keeps it open removes it at the end
      return answer;
    },
    async close() {
      signal.removeEventListener('abort', kill);
      child.stdin.end();
      kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What the process holds in memory; 0 where the system does not say. */
function residentMb(pid: number | undefined): number {
  try {
    const [, pages = '0'] = readFileSync(`/proc/${String(pid)}/statm`, 'utf8').split(' ');
    return (Number(pages) * PAGE_BYTES) / 2 ** 20;
  } catch {
    // Gone in this moment, or no Linux: Confinement says whether anybody looks.
    return 0;
  }
}

/** The most it has ever held, by the kernel's own account; 0 where the system does not say. */
function highWaterMb(pid: number | undefined): number {
  try {
    const [, kilobytes = '0'] = /^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8')) ?? [];
    return Number(kilobytes) / 1024;
  } catch {
    // Gone in this moment, or no Linux.
    return 0;
  }
}

interface ParsedHead {
  readonly nonce?: string;
  readonly error?: string;
  readonly dims?: readonly number[];
  readonly seconds?: number;
  readonly runtime?: string;
  readonly isSent?: boolean;
}

/** Undefined when somebody else wrote to the pipe: what is no message of the child's is not its answer. */
function parseHead(line: string): ParsedHead | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What a crashed Node says last is its version; the sentence with the error stands before its stack. */
function lastLine(text: string, signal: NodeJS.Signals | null): string {
  const lines = text.trim().split('\n');
  const said = lines.find((line) => /^\S*Error\b/.test(line)) ?? lines.at(-1);
  return said === undefined || said === '' ? (signal ?? 'no message') : said.slice(0, 200);
}
