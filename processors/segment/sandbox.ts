/**
 * How the process of a network is shut in, with what this machine has: no network of its own, no new privileges and,
 * where the hub is root, nobody's rights; limits that the kernel keeps on memory, processor time, files. Each is tried
 * once; what a machine does not give is not pretended, but stands in every result (`Confinement`). Node has no seccomp
 * filter of its own to load: what a container's run-time sets holds for the network too.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** What held while a network ran. */
export interface Confinement {
  /** `none`: a network namespace without an interface. `shared`: the hub's. */
  readonly network: 'none' | 'shared';
  /** Who ends a process that takes too much: the kernel at once and the hub by looking; the hub alone; nobody. */
  readonly memory: 'limited' | 'watched' | 'unlimited';
  /** `nobody`: another user than the hub's; `no-new`: the hub's user, unable to gain more. */
  readonly privileges: 'nobody' | 'no-new' | 'as-the-hub';
}

export interface Limits {
  /** Of the whole process. */
  readonly memoryMb: number;
  /** Of all its threads together, over its whole life; undefined leaves it to the clock. */
  readonly cpuSeconds?: number | undefined;
}

interface Tools {
  /** Words before the program, for the namespaces and the user. */
  readonly before: readonly string[];
  readonly prlimit: string | undefined;
  readonly shell: string | undefined;
  readonly network: Confinement['network'];
  readonly privileges: Confinement['privileges'];
}

/**
 * Writable memory that Node sets aside for itself and hardly touches, with room: 1.2 GB measured for Node 24 with two
 * threads and the run-time. Address space (RLIMIT_AS) says nothing here: WebAssembly alone reserves ten times as much.
 */
const NODE_DATA_MB = 1_536;
const MAX_OPEN_FILES = 64;
/** The user that owns nothing, on every Linux. */
const NOBODY = 65_534;
const PROBE_MS = 5_000;

let found: Tools | undefined;

/** The words to start `program` with, and what holds for it then. @param needs - files it must be able to read */
export function shutIn(
  program: readonly string[],
  limits: Limits,
  needs: readonly string[],
): { readonly command: readonly [string, ...string[]]; readonly confinement: Confinement } {
  found ??= findTools(needs);
  const { before, prlimit, shell, network, privileges } = found;
  const memory = limited(prlimit, shell, limits);
  const [first, ...rest] = [...before, ...memory, ...program];
  if (first === undefined) throw new TypeError('no program');
  const isWatched = existsSync('/proc/self/statm');
  return {
    command: [first, ...rest],
    confinement: { network, privileges, memory: memory.length > 0 ? 'limited' : isWatched ? 'watched' : 'unlimited' },
  };
}

function limited(prlimit: string | undefined, shell: string | undefined, { memoryMb, cpuSeconds }: Limits): string[] {
  const data = Math.ceil(memoryMb + NODE_DATA_MB);
  const cpu = cpuSeconds === undefined ? undefined : Math.max(1, Math.ceil(cpuSeconds));
  if (prlimit !== undefined)
    return [
      prlimit,
      `--data=${String(data * 2 ** 20)}`,
      ...(cpu === undefined ? [] : [`--cpu=${String(cpu)}`]),
      // It writes no file and leaves no picture of its memory.
      '--fsize=0',
      '--core=0',
      `--nofile=${String(MAX_OPEN_FILES)}`,
    ];
  if (shell === undefined) return [];
  const limits = [
    `ulimit -d ${String(data * 1024)}`,
    'ulimit -c 0',
    ...(cpu === undefined ? [] : [`ulimit -t ${String(cpu)}`]),
  ];
  return [shell, '-c', `${limits.join(' && ')} && exec "$@"`, 'sh'];
}

function findTools(needs: readonly string[]): Tools {
  const tool = (name: string): string | undefined =>
    ['/usr/bin/', '/bin/']
      .map((folder) => folder + name)
      .find((path) => process.platform === 'linux' && existsSync(path));
  const unshare = tool('unshare');
  const setpriv = tool('setpriv');
  const isRoot = process.getuid?.() === 0;
  const namespaces = [
    ...(unshare === undefined || !isRoot ? [] : [[unshare, '--net', '--ipc', '--']]),
    // Without root only in a user namespace of its own, where the kernel and the container's run-time let us.
    ...(unshare === undefined ? [] : [[unshare, '--user', '--map-current-user', '--net', '--ipc', '--']]),
  ].find((words) => works(words, []));
  const outside = namespaces ?? [];
  const nobody = [
    ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'],
    ['--inh-caps=-all', '--bounding-set=-all', '--no-new-privs', '--'],
  ].flat();
  const privileges = [
    ...(setpriv === undefined || !isRoot ? [] : [{ privileges: 'nobody' as const, words: [setpriv, ...nobody] }]),
    ...(setpriv === undefined ? [] : [{ privileges: 'no-new' as const, words: [setpriv, '--no-new-privs', '--'] }]),
  ].find(({ words }) => works([...outside, ...words], needs));
  return {
    before: [...outside, ...(privileges?.words ?? [])],
    prlimit: tool('prlimit'),
    shell: tool('sh'),
    network: namespaces === undefined ? 'shared' : 'none',
    privileges: privileges?.privileges ?? 'as-the-hub',
  };
}

/** Whether Node starts behind these words and can read what it needs. */
function works([first = '', ...rest]: readonly string[], needs: readonly string[]): boolean {
  const script = 'for (const file of process.argv.slice(1)) require("node:fs").accessSync(file, 4)';
  try {
    execFileSync(first, [...rest, process.execPath, '-e', script, ...needs], {
      env: {},
      cwd: '/',
      stdio: 'ignore',
      timeout: PROBE_MS,
    });
    return true;
  } catch {
    // Not allowed here: the next way is tried, and what is left out stands in the result.
    return false;
  }
}
