/** Questions to the ledger: a few connections, each asked by one script at a time. */
import pg from 'pg';
import { HubError } from '../../../core/errors.ts';
import type { Script } from '../sql/script.ts';
import { clientConfig, type PostgresServer } from './connection.ts';
import { isConnectionLost, translate } from './failures.ts';
import { bindable, drive, prepare } from './statements.ts';

export interface Reads {
  /** @param open - makes the script; asked again when the connection was an old one that had been lost meanwhile */
  run<Result>(open: () => Script<Result>): Promise<Result>;
  close(): Promise<void>;
}

const MAX_WAITING = 1_000;
const IDLE_MS = 60_000;

/** @param isKept - statements keep their plans; not where each is put together for one question */
export function openReadPool(server: PostgresServer, size: number, isKept = true): Reads {
  const pool = new pg.Pool({ ...clientConfig(server), max: size, idleTimeoutMillis: IDLE_MS, allowExitOnIdle: true });
  // Of a connection that nobody uses: the next question gets another one.
  pool.on('error', () => undefined);
  // Of one that somebody has: a server that goes away may say so between two questions, when nothing is asked that could
  // hear it, and the pool listens only to those that nobody has. Unheard, it would end the process; the next question fails.
  pool.on('connect', (client) => client.on('error', () => undefined));

  const once = async <Result>(script: Script<Result>): Promise<Result> => {
    const client = await pool.connect();
    let lost: Error | undefined;
    try {
      return await drive(script, (request) => {
        if (request.kind !== 'rows') throw new TypeError(`a question cannot ${request.kind}`);
        const { name, text } = prepare(request.sql);
        const values = request.parameters.map(bindable);
        return client.query({ ...(isKept ? { name } : {}), text, values }).then(({ rows }: { rows: unknown }) => rows);
      });
    } catch (error) {
      if (isConnectionLost(error) && error instanceof Error) lost = error;
      throw error;
    } finally {
      client.release(lost);
    }
  };

  let closing: Promise<void> | undefined;
  return {
    async run(open) {
      if (pool.waitingCount >= MAX_WAITING) throw new HubError('ledger.busy', { detail: 'too many questions wait' });
      try {
        try {
          return await once(open());
        } catch (error) {
          if (!isConnectionLost(error)) throw error;
          return await once(open());
        }
      } catch (error) {
        throw translate(error);
      }
    },
    close: () => (closing ??= pool.end()),
  };
}
