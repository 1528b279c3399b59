/** What other replicas committed: the server tells of it; while it does not, the hub looks by itself. */
import { connect, type Connection, type PostgresServer } from './connection.ts';
import { NEWS_CHANNEL } from './transaction.ts';
import { waited } from '../../../core/waited.ts';

export interface News {
  /** Resolves after the first attempt, whether it listens by then or not. */
  readonly begun: Promise<void>;
  stop(): Promise<void>;
}

/** While nobody tells: how often to look. */
const LOOK_MS = 1_000;
const MAX_DELAY_MS = 5_000;

/**
 * @param identity - of this hub, whose own commits are no news
 * @param onNews - something may have happened; also when nobody can say
 */
export function listenForNews(server: PostgresServer, identity: string, onNews: () => void): News {
  const stopped = new AbortController();
  let connection: Connection | undefined;
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  let isFirst = true;
  const isStopped = (): boolean => stopped.signal.aborted;

  const listen = async (): Promise<void> => {
    let delayMs = LOOK_MS;
    while (!isStopped()) {
      try {
        connection = await connect(server);
        connection.client.on('notification', ({ payload }) => {
          if (payload !== identity) onNews();
        });
        await connection.client.query(`LISTEN ${NEWS_CHANNEL}`);
        // What happened while it did not listen.
        if (!isFirst) onNews();
        begin();
        delayMs = LOOK_MS;
        await Promise.race([connection.lost, aborted(stopped.signal)]);
      } catch {
        // The writer's connection says in the log what is wrong with the server.
      }
      isFirst = false;
      begin();
      void connection?.end();
      if (isStopped()) return;
      onNews();
      await waited(delayMs, stopped.signal);
      delayMs = Math.min(MAX_DELAY_MS, delayMs * 2);
    }
  };
  const listening = listen();
  return {
    begun,
    async stop() {
      stopped.abort();
      await connection?.end();
      await listening;
    },
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
