import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { waitFor } from './wait-for.ts';

const STOP_DEADLINE_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** A program and what it needs in its environment, added to ours. */
export interface Command {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** How a program ended and what it said. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end. A non-zero exit code is an answer, not an error.
 *
 * @throws {Error} when it cannot be started, was killed, or did not end within `timeoutMs` (default 15 s)
 */
export async function run(
  command: Command,
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; cwd?: string; timeoutMs?: number } = {},
): Promise<Finished> {
  const timeoutMs = options.timeoutMs ?? 15_000;
  const env = { ...process.env, ...command.env, ...options.env };
  return new Promise((resolve, reject) => {
    const settings = {
      env,
      cwd: options.cwd,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
    } as const;
    const child = execFile(command.path, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr });
      else
        reject(
          new Error(`${command.path} ${args.join(' ')} (limit ${timeoutMs} ms): ${error.message}\n${stderr}`, {
            cause: error,
          }),
        );
    });
    // Nothing to read: a program that waits for input would wait for ever.
    child.stdin?.end();
  });
}

/** A server program that answers, until `stop`. */
export interface RunningServer {
  readonly pid: number;
  /** What it has printed so far, standard output and error in one. */
  log(): string;
  /** Ends it by its own process id, gently and then by force; calling it twice is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts a server program and waits until it answers.
 *
 * @param isReady - asked until it says true; a program that ends before that is an error that carries its output
 * @param options.stopSignal - SIGTERM unless said otherwise; SIGKILL follows when it is not heeded
 */
export async function startServer(
  command: Command,
  args: readonly string[],
  isReady: () => Promise<boolean>,
  options: { readonly deadlineMs?: number; readonly stopSignal?: NodeJS.Signals } = {},
): Promise<RunningServer> {
  const child = spawn(command.path, args, {
    env: { ...process.env, ...command.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => printed.push(chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => printed.push(chunk.toString()));
  const log = () => printed.join('');
  let ended: string | undefined;
  child.on('error', (error) => (ended ??= error.message));
  child.on('exit', (code, signal) => (ended ??= `ended with ${String(code ?? signal)}`));
  const stopAtExit = () => child.kill('SIGKILL');
  process.on('exit', stopAtExit);
  const stop = async () => {
    process.off('exit', stopAtExit);
    await end(child, options.stopSignal ?? 'SIGTERM');
  };

  try {
    await waitFor(
      `${command.path} to answer`,
      async () => {
        if (ended !== undefined) throw new Error(`${command.path} ${ended}`);
        return isReady();
      },
      options.deadlineMs ?? 15_000,
    );
  } catch (error) {
    await stop();
    throw new Error(`${command.path} ${args.join(' ')} did not start:\n${log()}`, { cause: error });
  }
  return { pid: child.pid ?? 0, log, stop };
}

/**
 * A loopback port that was free a moment ago.
 *
 * Only for programs that cannot be told to choose one themselves (port 0).
 */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a listening server has no port');
  return address.port;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
  await exited;
  clearTimeout(force);
}
