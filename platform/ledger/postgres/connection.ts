/** One connection to the server, with the hub's own settings; what the server must be to hold a ledger. */
import pg from 'pg';
import { HubError } from '../../../core/errors.ts';
import { translate } from './failures.ts';

/** Where the database is, and who the hub is there. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password?: string;
  /** Instead of `password`: asked at each connection, for one that stands in a file may be another by then. */
  readonly currentPassword?: () => string;
  /** Absent: without TLS. `ca`: PEM of the authorities that may vouch for it, else those the system knows. */
  readonly tls?: { readonly ca?: string; readonly certificate?: string; readonly key?: string };
}

/** The server ends a statement after this, and the hub the connection a little later: it may be the network that is gone. */
const STATEMENT_MS = 30_000;
const ANSWER_MS = 35_000;
const CONNECT_MS = 5_000;
/** A hub that froze in a transaction must not keep its locks. */
const IDLE_IN_TRANSACTION_MS = 60_000;

const OLDEST_VERSION = 140_000;

/** Settings of every connection. Numbers come as numbers, truth values as 0 and 1, the rest as text. */
export function clientConfig(server: PostgresServer): pg.ClientConfig {
  const { host, port, database, user, tls } = server;
  return {
    ...{ host, port, database, user },
    // Never undefined: the library would look for one in the environment and in files.
    password: server.currentPassword ?? server.password ?? '',
    ssl: tls === undefined ? false : sslOf(tls, host),
    application_name: 'imaging-hub',
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: ANSWER_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    types: { getTypeParser: (oid: number) => PARSERS.get(oid) ?? asText },
  };
}

function sslOf(tls: NonNullable<PostgresServer['tls']>, host: string) {
  return {
    rejectUnauthorized: true,
    servername: host,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}

const asText = (value: string): unknown => value;
/** By the OIDs of pg_type: int8, int2, int4, numeric, bool. What the ledger counts stays below 2^53. */
const PARSERS: ReadonlyMap<number, (value: string) => unknown> = new Map<number, (value: string) => unknown>([
  ...[20, 21, 23, 1700].map((oid) => [oid, Number] as const),
  [16, (value) => Number(value === 't')],
]);

/** A connection whose loss is known at once, also while nobody asks anything of it. */
export interface Connection {
  readonly client: pg.Client;
  /** Resolves when it is of no use any more. */
  readonly lost: Promise<unknown>;
  readonly isLost: () => boolean;
  end(): Promise<void>;
}

/** @throws {HubError} `ledger.unreachable`, `ledger.denied`, `ledger.busy` */
export async function connect(server: PostgresServer, isPipelined = false): Promise<Connection> {
  const client = new pg.Client({ ...clientConfig(server), pipeline: isPipelined });
  let isLost = false;
  const lost = new Promise<unknown>((resolve) => {
    const over = (error?: unknown) => {
      isLost = true;
      resolve(error);
    };
    client.on('error', over);
    client.on('end', () => over());
  });
  const end = async () => {
    // A goodbye that the network swallows must not keep anybody waiting.
    await Promise.race([client.end().catch(() => undefined), lost, sleep(GOODBYE_MS)]);
  };
  try {
    await client.connect();
  } catch (error) {
    void end();
    throw translate(error);
  }
  return { client, lost, isLost: () => isLost, end };
}

const GOODBYE_MS = 1_000;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/**
 * What a server must be to keep what is acknowledged, and to compare text as the ledger does.
 *
 * @throws {HubError} `ledger.unsuitable`; `ledger.unreachable` while it is a standby: after a failover it is not one
 */
export async function requireSuitable({ client }: Connection): Promise<void> {
  const { rows } = await client.query<{ version: number; encoding: string; fsync: string; standby: 0 | 1 }>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
            current_setting('fsync') AS fsync, pg_is_in_recovery() AS standby`,
  );
  const [row] = rows;
  if (row === undefined) throw new TypeError('a statement without FROM has a row');
  const { version, encoding, fsync, standby } = row;
  const major = Math.floor(version / 10_000);
  if (version < OLDEST_VERSION) {
    throw new HubError('ledger.unsuitable', { detail: `PostgreSQL 14 or newer is needed, this is ${String(major)}` });
  }
  if (encoding !== 'UTF8') {
    throw new HubError('ledger.unsuitable', { detail: `the database's encoding is ${encoding}, UTF8 is needed` });
  }
  // Without it a commit means nothing when the power fails.
  if (fsync !== 'on') throw new HubError('ledger.unsuitable', { detail: 'the server runs with fsync off' });
  if (standby === 1) throw new HubError('ledger.unreachable', { detail: 'the server is a standby' });
}
