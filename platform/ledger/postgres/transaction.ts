/** One transaction of the writer: the statements of its scripts are sent without waiting for each other's answers, as far as nobody needs them. */
import type { Request } from '../sql/script.ts';
import type { Connection } from './connection.ts';
import { isConsequence, isInTheFuture } from './failures.ts';
import type { ServerClock } from './server-clock.ts';
import { bindable, drive, ofRows, prepare } from './statements.ts';
import type { Script } from '../sql/script.ts';

type Append = Extract<Request, { kind: 'append' }>;

/** Seeds keep the names that scripts lock apart from any other use of advisory locks in the database. */
const LOCK_SEED = 4_846_148;
/** Held by whoever appends to the log of facts. */
const APPEND_LOCK = 4_846_149;
export const NEWS_CHANNEL = 'hub_ledger';
/** Answers that nobody has looked at yet. */
const MAX_UNANSWERED = 256;
/** Now, not when the transaction began. */
const SERVER_MS = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
/** Rows of one INSERT: few shapes, so that each keeps its plan. */
const ROWS_AT_ONCE = [64, 8, 1] as const;

export class Transaction {
  readonly #client: Connection['client'];
  #unanswered: Promise<unknown>[] = [];
  /** The first statement that failed; those behind it only say that the transaction is aborted. */
  #failure: { readonly error: unknown } | undefined;
  readonly #appends: Append[] = [];
  #xid: Promise<string> | undefined;

  constructor({ client }: Connection) {
    this.#client = client;
  }

  /** Its own setting, whatever the server's or the user's default is: a commit has been through fsync when it answers. */
  begin(clock: ServerClock): void {
    // What decides under a lock must see what was committed before it had the lock.
    this.#send(this.#client.query('BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = on'));
    const asked = this.#client.query<{ xid: string; at: number }>({
      name: 'hub_xid',
      text: `SELECT pg_current_xact_id()::text AS xid, ${SERVER_MS} AS at`,
    });
    this.#xid = asked.then(({ rows }) => rows[0]?.xid ?? '');
    this.#send(this.#xid);
    this.#send(clock.compare(() => asked.then(({ rows }) => rows[0]?.at ?? NaN)));
  }

  /** Names it for `outcomeOf`. */
  async xid(): Promise<string> {
    await this.#settle();
    return (await this.#xid) ?? '';
  }

  /**
   * Runs one call's script, undone alone when it fails.
   *
   * @throws what the script threw, or the server said of its first statement that failed
   */
  async run<Result>(script: Script<Result>, isAlone: boolean): Promise<Result> {
    const appended = this.#appends.length;
    if (!isAlone) this.#send(this.#client.query('SAVEPOINT call'));
    try {
      const value = await drive(script, (request) => this.#perform(request));
      await this.#settle();
      if (!isAlone) this.#send(this.#client.query('RELEASE SAVEPOINT call'));
      return value;
    } catch (thrown) {
      const error = await this.#whatFailed(thrown);
      this.#appends.length = appended;
      if (!isAlone) {
        await this.#client.query('ROLLBACK TO SAVEPOINT call');
        await this.#client.query('RELEASE SAVEPOINT call');
      }
      throw error;
    }
  }

  async rollback(): Promise<void> {
    await this.#client.query('ROLLBACK');
  }

  /**
   * Appends what the scripts had to say to the log of facts, and commits.
   *
   * Positions come from a sequence, which knows nothing of commits: two that append at once could commit in the other
   * order, and a reader that has seen position n would never see n - 1, committed later. So whoever appends holds a lock
   * from before its first position until its commit; it is taken last, so that it is held for one round trip.
   */
  async commit(news: string | undefined): Promise<void> {
    if (this.#appends.length > 0) {
      this.#send(this.#client.query(`SELECT pg_advisory_xact_lock(${String(APPEND_LOCK)})`));
      for (const { sql, parameters } of inBulk(this.#appends)) this.#query(sql, parameters);
    }
    if (news !== undefined) {
      this.#send(
        this.#client.query({ name: 'hub_news', text: `SELECT pg_notify('${NEWS_CHANNEL}', $1)`, values: [news] }),
      );
    }
    const committed = this.#client.query('COMMIT');
    await Promise.allSettled([committed]);
    await this.#settle();
    // A transaction that was aborted before is rolled back by its COMMIT, which says so.
    if ((await committed).command !== 'COMMIT') throw new Error('the transaction was rolled back');
  }

  #perform(request: Request): Promise<unknown> | undefined {
    switch (request.kind) {
      case 'rows':
        return this.#ask(request).then(({ rows }: { readonly rows: unknown }) => rows);
      case 'count':
        return this.#ask(request).then(({ rowCount }) => rowCount ?? 0);
      case 'send':
        this.#query(request.sql, request.parameters);
        return this.#unanswered.length > MAX_UNANSWERED ? this.#settle() : undefined;
      case 'append':
        this.#appends.push(request);
        return undefined;
      case 'lock': {
        const shared = request.isShared ? '_shared' : '';
        const text = `SELECT pg_advisory_xact_lock${shared}(hashtextextended($1, ${String(LOCK_SEED)}))`;
        this.#send(this.#client.query({ name: `hub_lock${shared}`, text, values: [request.name] }));
        return undefined;
      }
      default:
        return request satisfies never;
    }
  }

  #ask({ sql, parameters }: { readonly sql: string; readonly parameters: Append['parameters'] }) {
    return this.#client.query({ ...prepare(sql), values: parameters.map(bindable) });
  }

  #query(sql: string, parameters: Append['parameters']): void {
    this.#send(this.#ask({ sql, parameters }));
  }

  #send(answer: Promise<unknown>): void {
    this.#unanswered.push(
      answer.catch((error: unknown) => {
        if (!isConsequence(error)) this.#failure ??= { error };
      }),
    );
  }

  /** Waits for what was sent. @throws what the first one that failed said */
  async #settle(): Promise<void> {
    const unanswered = this.#unanswered;
    this.#unanswered = [];
    await Promise.all(unanswered);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  /** What a script was thrown may only say that something before it had failed. */
  async #whatFailed(thrown: unknown): Promise<unknown> {
    try {
      await this.#settle();
      return thrown;
    } catch (first) {
      return isConsequence(thrown) ? first : thrown;
    }
  }
}

/** The same appends, several rows an INSERT, in the same order. */
function inBulk(appends: readonly Append[]): readonly Append[] {
  const bulk: Append[] = [];
  for (let at = 0; at < appends.length;) {
    const sql = appends[at]?.sql ?? '';
    const end = appends.findIndex((append, n) => n > at && append.sql !== sql);
    const left = (end === -1 ? appends.length : end) - at;
    const rows = ROWS_AT_ONCE.find((size) => size <= left) ?? 1;
    const parameters = appends.slice(at, at + rows).flatMap((append) => [...append.parameters]);
    bulk.push({ kind: 'append', sql: ofRows(sql, rows), parameters });
    at += rows;
  }
  return bulk;
}

/** Before anything is done by its time. */
export async function compareClocks({ client }: Connection, clock: ServerClock): Promise<void> {
  await clock.compare(async () => (await client.query<{ at: number }>(`SELECT ${SERVER_MS} AS at`)).rows[0]?.at ?? NaN);
}

/** How a transaction ended whose COMMIT was sent and never answered. */
export async function outcomeOf({ client }: Connection, xid: string): Promise<'committed' | 'aborted'> {
  for (;;) {
    const { rows } = await client
      .query<{ status: string | null }>('SELECT pg_xact_status($1::text::xid8) AS status', [xid])
      .catch((error: unknown) => {
        // A server that took over before it heard of it has not come to its number yet.
        if (isInTheFuture(error)) return { rows: [{ status: null }] };
        throw error;
      });
    const status = rows[0]?.status;
    if (status === 'committed') return 'committed';
    // Null: so long ago that the server has forgotten, or another server that never knew it.
    if (status !== 'in progress') return 'aborted';
    await new Promise((resolve) => setTimeout(resolve, STATUS_POLL_MS));
  }
}

const STATUS_POLL_MS = 100;
