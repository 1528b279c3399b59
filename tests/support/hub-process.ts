/** A hub as its users have it: `hub start` in a process of its own, its configuration and data in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { run, type Finished } from './child-process.ts';
import { waitFor } from './wait-for.ts';

const MAIN = resolve(import.meta.dirname, '../../main.ts');
/** On two busy cores a hub of several has been seen to take 25 s; one that ends says so at once. */
const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 20_000;
const COMMAND_TIMEOUT_MS = 20_000;
const TOKEN = /hub_[0-9a-f]{12}_[A-Za-z0-9_-]{43}/;

export type Section = Readonly<Record<string, unknown>>;

export interface HubSettings {
  /** Sections of the configuration; `gateway` and its parts are laid over what every test needs. */
  readonly config: Section & {
    readonly gateway?: {
      readonly [part: string]: Section | readonly Section[];
      readonly dimse?: Section;
      readonly http?: Section;
    };
  };
  /** Values that the configuration's secret references name. */
  readonly env?: Readonly<Record<string, string>>;
  /** More arguments of `hub start`. */
  readonly args?: readonly string[];
}

/** One hub on one data folder; it may be started, killed and started again. */
export class HubProcess {
  readonly folder: string;
  readonly dataFolder: string;
  readonly configFile: string;
  readonly dimsePort: number;
  readonly httpPort: number;
  readonly #env: NodeJS.ProcessEnv;
  readonly #args: readonly string[];
  readonly #printed: string[] = [];
  #child: ChildProcess | undefined;

  private constructor(
    folder: string,
    ports: readonly [number, number],
    { env, args }: { readonly env: NodeJS.ProcessEnv; readonly args: readonly string[] },
  ) {
    this.folder = folder;
    this.dataFolder = join(folder, 'data');
    this.configFile = join(folder, 'hub.yaml');
    [this.dimsePort, this.httpPort] = ports;
    this.#env = env;
    this.#args = args;
  }

  /** Makes folder and configuration; nothing runs yet. */
  static async create({ config, env, args = [] }: HubSettings): Promise<HubProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'hub-system-'));
    // A developer's own HUB_ variables must not configure a hub under test.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HUB_'));
    const hub = new HubProcess(folder, [await lastingPort(), await lastingPort()], {
      env: { ...Object.fromEntries(inherited), ...env },
      args,
    });
    await hub.configure(config);
    return hub;
  }

  /** Writes the configuration anew, for the next start. JSON is YAML. */
  async configure(config: HubSettings['config']): Promise<void> {
    const { gateway, ...rest } = config;
    const whole = {
      hub: { name: 'tested', data: this.dataFolder },
      ...rest,
      gateway: {
        completion: { quiet: '1s', force: '60s' },
        disk: { minFree: '50MB', maxUsedPercent: 100 },
        spool: { segment: '16MiB' },
        ...gateway,
        dimse: { host: '127.0.0.1', port: this.dimsePort, aeTitle: 'HUB', ...gateway?.dimse },
        http: { port: this.httpPort, ...gateway?.http },
      },
    };
    await writeFile(this.configFile, JSON.stringify(whole, undefined, 2));
  }

  get url(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  /** Of the running hub. */
  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the hub is not running');
    return pid;
  }

  /** All that its processes printed, from the first start on. */
  log(): string {
    return this.#printed.join('');
  }

  /** The token that the first start prints, once. */
  get adminToken(): string {
    const [token] = TOKEN.exec(this.log()) ?? [];
    if (token === undefined) throw new Error(`the first start printed no admin token:\n${this.log()}`);
    return token;
  }

  /** Starts it and waits until it says that it is ready. @param args - more arguments, for this start only */
  async start(...args: readonly string[]): Promise<void> {
    this.launch(...args);
    await this.ready();
  }

  /** Starts it and waits for nothing. */
  launch(...args: readonly string[]): void {
    // With the flags of the launcher, which started this process too.
    const own = ['start', '--config', this.configFile, '--data', this.dataFolder, ...this.#args, ...args];
    const child = spawn(process.execPath, [...process.execArgv, MAIN, ...own], {
      cwd: this.folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.#printed.push(text));
    }
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.#child = child;
  }

  async ready(): Promise<void> {
    const child = this.#child;
    await waitFor(
      'the hub to be ready',
      async () => {
        if (child === undefined || hasEnded(child)) {
          throw new Error(`the hub ended with ${String(child?.exitCode ?? child?.signalCode)}:\n${tail(this.log())}`);
        }
        return (await fetch(`${this.url}/health/ready`).catch(() => undefined))?.ok;
      },
      READY_DEADLINE_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${tail(this.log())}`, { cause: error });
    });
  }

  /** Pulls its plug, as far as a process can: no handler runs. Harmless when it is not running. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Asks it to stop. @returns its exit code */
  async stop(): Promise<number | null> {
    return await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    if (!hasEnded(child)) {
      const exited = once(child, 'exit');
      child.kill(signal);
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
      await exited;
      clearTimeout(force);
    }
    return child.exitCode;
  }

  /** Runs another command of the program beside it, with its configuration. */
  async command(...args: readonly string[]): Promise<Finished> {
    return await runHub([...args, '--config', this.configFile], {
      cwd: this.folder,
      env: this.#env,
    });
  }

  /** A command that prints JSON and ends with 0. */
  async json(...args: readonly string[]): Promise<unknown> {
    const { code, stdout, stderr } = await this.command(...args, '--json');
    if (code !== 0) throw new Error(`hub ${args.join(' ')} ended with ${code}:\n${stderr}${stdout}`);
    return JSON.parse(stdout);
  }

  /** A new token of the running hub. */
  async token(...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await this.command('token', 'create', ...args);
    const [token] = TOKEN.exec(stdout) ?? [];
    if (token === undefined)
      throw new Error(`hub token create ${args.join(' ')} printed no token:\n${stderr}${stdout}`);
    return token;
  }

  /** A GET on its HTTP port; the admin's token unless another, or '' for none, is given. */
  async get(path: string, token: string = this.adminToken): Promise<Response> {
    return await fetch(`${this.url}${path}`, {
      headers: token === '' ? {} : { Authorization: `Bearer ${token}` },
    });
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** `hub ARGS…` on the pinned Node, to its end. */
export async function runHub(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number } = {},
): Promise<Finished> {
  const { cwd, env, timeoutMs = COMMAND_TIMEOUT_MS } = options;
  const plain = Object.fromEntries(Object.entries(env ?? {}).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
  return await run({ path: process.execPath, env: plain }, [MAIN, ...args], {
    timeoutMs,
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/**
 * A free loopback port that stays free while the hub is down between two starts: below the range from which the system
 * gives ports to outgoing connections.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((answer) => {
      server.once('error', () => answer(false));
      server.listen(port, '127.0.0.1', () => answer(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Those that would outlive the tests. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

const tail = (text: string): string => text.slice(-4000);
