/** A real PostgreSQL server on a free loopback port, with a data folder of its own, run by a user who is not root. */
import { randomBytes } from 'node:crypto';
import { accessSync, constants, rmSync } from 'node:fs';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type PostgresServer, connect } from '../../platform/ledger/postgres/connection.ts';
import { migrate } from '../../platform/ledger/postgres/migrate.ts';
import { freePort, run, startServer, type Command, type RunningServer } from './child-process.ts';
import { environmentOf, unpackDebianPackages } from './debian-packages.ts';
import { allow } from './patience.ts';
import { PeerUnavailable } from './peer-unavailable.ts';

const HOST = '127.0.0.1';
const USER = 'hub';
/** The user `nobody` of Debian; the server refuses root. */
const NOBODY = 65_534;
const START_MS = 60_000;
/** Of a server that was killed. */
const MAX_STARTS = 20;
const BETWEEN_STARTS_MS = 250;

export interface PostgresPeer {
  readonly port: number;
  readonly server: PostgresServer;
  /** Of the postmaster. */
  readonly pid: () => number;
  /** A database with an empty ledger of the newest version. */
  readonly createDatabase: (options?: {
    readonly isEmpty?: boolean;
    readonly encoding?: string;
  }) => Promise<PostgresServer>;
  /** kill -9 of the server and all that belongs to it. */
  readonly kill: () => Promise<void>;
  /** The same data folder and port again. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

let shared: Promise<PostgresPeer> | undefined;

/** One server for all tests of this process, gone with it; each asks it for a database of its own. */
export function postgres(): Promise<PostgresPeer> {
  return (shared ??= startPostgres());
}

/** @param settings - of `postgresql.conf` */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresPeer> {
  allow(2 * START_MS);
  const programs = await findPrograms();
  const folder = await mkdtemp(join(tmpdir(), 'hub-postgres-'));
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password);
  if (process.getuid?.() === 0) for (const path of [folder, passwordFile]) await chown(path, NOBODY, NOBODY);
  const data = join(folder, 'data');
  const made = await run(
    ...asNobody(programs('initdb'), [
      ...['--pgdata', data, '--username', USER, '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
      ...['--encoding', 'UTF8', '--locale', 'C', '--no-sync', '--no-instructions'],
    ]),
    { cwd: folder, timeoutMs: START_MS },
  );
  if (made.code !== 0)
    throw new PeerUnavailable('PostgreSQL', `initdb ended with ${String(made.code)}: ${made.stderr}`);
  const port = await freePort();
  const server: PostgresServer = { host: HOST, port, database: 'postgres', user: USER, password };
  const all = {
    port: String(port),
    listen_addresses: HOST,
    unix_socket_directories: '',
    max_connections: '60',
    ...settings,
  };
  const start = async (): Promise<RunningServer> =>
    startServer(
      ...asNobody(programs('postgres'), [
        '-D',
        data,
        ...Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ]),
      () => answers(server),
      { deadlineMs: START_MS, stopSignal: 'SIGINT' },
    );
  let running = await start();
  // Nothing is waited for any more at the exit.
  const removeAtExit = () => {
    try {
      process.kill(running.pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  process.on('exit', removeAtExit);
  let templates = 0;
  let template: Promise<string> | undefined;
  const makeTemplate = async (): Promise<string> => {
    const name = 'hub_template';
    await execute(server, `CREATE DATABASE ${name}`);
    const connection = await connect({ ...server, database: name });
    await migrate(connection);
    await connection.end();
    return name;
  };

  return {
    port,
    server,
    pid: () => running.pid,
    async createDatabase({ isEmpty = false, encoding } = {}) {
      templates += 1;
      const database = `ledger_${String(templates)}`;
      const from = isEmpty || encoding !== undefined ? 'template0' : await (template ??= makeTemplate());
      await execute(
        server,
        `CREATE DATABASE ${database} TEMPLATE ${from}${encoding === undefined ? '' : ` ENCODING '${encoding}'`}`,
      );
      return { ...server, database };
    },
    async kill() {
      process.kill(running.pid, 'SIGKILL');
      await running.stop();
    },
    async restart() {
      for (let attempt = 1; ; attempt += 1) {
        try {
          running = await start();
          return;
        } catch (error) {
          // After a kill its children notice that their postmaster is gone and end; until then no other one starts.
          if (attempt === MAX_STARTS || !String(error).includes('pre-existing shared memory block')) throw error;
          await delay(BETWEEN_STARTS_MS);
        }
      }
    },
    async stop() {
      process.off('exit', removeAtExit);
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Runs statements as the server's owner. */
export async function execute(server: PostgresServer, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ ...server, password: server.password ?? '', ssl: false });
  // A server that is killed meanwhile is told by the statement that fails.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  } finally {
    await client.end();
  }
}

async function answers(server: PostgresServer): Promise<boolean> {
  try {
    await execute(server, 'SELECT 1');
    return true;
  } catch {
    // Not listening yet, or still recovering.
    return false;
  }
}

function asNobody(command: Command, args: readonly string[]): readonly [Command, readonly string[]] {
  if (process.getuid?.() !== 0) return [command, args];
  const id = String(NOBODY);
  return [
    { path: '/usr/bin/setpriv', env: command.env },
    [`--reuid=${id}`, `--regid=${id}`, '--clear-groups', command.path, ...args],
  ];
}

/** Of the machine's own server if there is one, else of Debian's package. */
async function findPrograms(): Promise<(name: string) => Command> {
  const own = await programsBelow('/', {});
  if (own !== undefined) return own;
  try {
    for (const again of [false, true]) {
      const root = await unpackDebianPackages(['postgresql'], again);
      const fetched = await programsBelow(root, await environmentOf(root));
      if (fetched !== undefined) return fetched;
    }
  } catch (error) {
    throw new PeerUnavailable('PostgreSQL', error instanceof Error ? error.message : String(error), error);
  }
  throw new PeerUnavailable('PostgreSQL', 'unpacked, but does not run');
}

async function programsBelow(root: string, env: Command['env']): Promise<((name: string) => Command) | undefined> {
  const base = join(root, 'usr/lib/postgresql');
  const versions = (await readdir(base).catch(() => [])).toSorted((one, other) => Number(other) - Number(one));
  for (const version of versions) {
    const program = (name: string): Command => ({ path: join(base, version, 'bin', name), env });
    try {
      for (const name of ['initdb', 'postgres']) accessSync(program(name).path, constants.X_OK);
    } catch {
      continue;
    }
    const { code, stdout } = await run(program('postgres'), ['--version']);
    if (code === 0 && / (?:1[4-9]|[2-9]\d)\./.test(stdout)) return program;
  }
  return undefined;
}
