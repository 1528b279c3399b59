/**
 * The one connection of a hub that writes. What has gathered while a commit was under way goes into the next transaction
 * together, each call in a savepoint of its own, so that one commit serves them all; nobody is answered before it.
 *
 * A connection that is lost is made again, for ever. What was not committed then is done again, and of what may have been
 * committed the server is asked: so no call happens twice, and none that happened is said not to have.
 */
import { HubError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/ports.ts';
import { makesWork } from '../sql/makes-work.ts';
import { openWrites } from '../sql/operations.ts';
import type { Script } from '../sql/script.ts';
import { connect, type Connection, type PostgresServer, requireSuitable } from './connection.ts';
import { isCollision, isConnectionLost, translate } from './failures.ts';
import { migrate } from './migrate.ts';
import { forScripts } from './statements.ts';
import type { ServerClock } from './server-clock.ts';
import { compareClocks, outcomeOf, Transaction } from './transaction.ts';

export interface WriterOptions {
  readonly server: PostgresServer;
  readonly node: string;
  /** Told to other replicas with each commit that makes work, so that they know it from their own. */
  readonly identity: string;
  readonly log: Logger;
  readonly clock: ServerClock;
  /** After a commit that may have made work for somebody. */
  readonly onNews: () => void;
  readonly onState: (isUp: boolean) => void;
  /** Refused credentials are an outage like another. */
  readonly wasLetIn: boolean;
  /** The database is none that this hub can use, found out after a start without it. */
  readonly onFailure: (error: HubError) => void;
}

interface Call {
  readonly group: string;
  readonly method: string;
  readonly args: readonly unknown[];
  readonly since: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Transactions that met another one, or could not be ended. */
  collisions: number;
}
type Operations = Readonly<Record<string, Readonly<Record<string, (...args: readonly unknown[]) => Script<unknown>>>>>;
type Reply = { readonly call: Call } & ({ readonly value: unknown } | { readonly error: unknown });

/** More in one commit gains nothing and makes the first wait for the last. */
const MAX_CALLS_PER_COMMIT = 256;
const MAX_WAITING = 10_000;
const MAX_COLLISIONS = 8;
/** How long a call waits for a server that is gone: a failover is over by then, and else its caller has better to do. */
const PATIENCE_MS = 5_000;
/** The same for one that may have been committed: its caller would do it again. */
const DOUBT_MS = 60_000;
const LOOK_MS = 250;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** A connection that nobody uses and that is gone without a word is found out. */
const IDLE_CHECK_MS = 10_000;

/** What no later attempt changes. */
const FATAL: ReadonlySet<string> = new Set(['ledger.denied', 'ledger.moving', 'ledger.newer', 'ledger.unsuitable']);

export class Writer {
  readonly #options: WriterOptions;
  readonly #operations: Operations;
  #waiting: Call[] = [];
  #doubtful: { readonly xid: string; readonly replies: readonly Reply[]; readonly since: number } | undefined;
  #state: 'down' | 'up' | 'closing' | 'closed' = 'down';
  #wasUp = false;
  #wake: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #lastError: unknown;
  /** While the server is gone: tells those that have waited too long. */
  #lookout: NodeJS.Timeout | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    // The port calls only what `Writes` has; the names cross as strings.
    this.#operations = openWrites(forScripts(options.node)) as unknown as Operations;
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Why it is not up; for whoever asks meanwhile. */
  unreachable(): HubError {
    const error = this.#lastError;
    return isDenied(error) ? error : new HubError('ledger.unreachable', {}, error);
  }

  /**
   * Resolves after the first attempt, also when the server was not there: then it goes on trying.
   *
   * @throws {HubError} `ledger.denied` unless `wasLetIn`, `ledger.newer`, `ledger.unsuitable`
   */
  async start(): Promise<void> {
    let first: Connection | undefined;
    try {
      first = await this.#open();
      this.#up();
    } catch (error) {
      if (isFatal(error) && !(this.#options.wasLetIn && isDenied(error))) throw error;
      this.#down(error);
    }
    this.#running = this.#run(first);
  }

  /** Resolves when what it did is durable. */
  call(group: string, method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#state === 'closing' || this.#state === 'closed') return Promise.reject(closedError());
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new HubError('ledger.busy', { detail: 'too many calls wait' }));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ group, method, args, resolve, reject, since: performance.now(), collisions: 0 });
      this.#wake();
    });
  }

  /** Does what it was asked before, as long as the server is there. */
  async close(): Promise<void> {
    if (this.#state === 'down') this.#rejectAll(closedError());
    if (this.#state !== 'closed') this.#state = 'closing';
    this.#wake();
    await this.#running;
  }

  async #run(first: Connection | undefined): Promise<void> {
    let connection = first;
    let delayMs = FIRST_DELAY_MS;
    while (this.#state !== 'closing') {
      try {
        connection ??= await this.#open();
        await this.#settleDoubt(connection);
        this.#up();
        delayMs = FIRST_DELAY_MS;
        await this.#serve(connection);
      } catch (error) {
        if (this.#isClosing()) break;
        // Who is denied after the start may be let in later: a password is changed in two places, one after the other.
        if (!this.#wasUp && isFatal(error) && !isDenied(error)) {
          this.#rejectAll(error);
          this.#options.onFailure(error);
        }
        this.#down(error);
        void connection?.end();
        connection = undefined;
        await this.#pause(delayMs / 2 + (Math.random() * delayMs) / 2);
        delayMs = Math.min(MAX_DELAY_MS, delayMs * 2);
      }
    }
    this.#state = 'closed';
    clearInterval(this.#lookout);
    this.#rejectAll(closedError());
    await connection?.end();
  }

  /** TypeScript would take the state for what it was at the head of the loop. */
  #isClosing(): boolean {
    return this.#state === 'closing';
  }

  async #open(): Promise<Connection> {
    const connection = await connect(this.#options.server, true);
    try {
      await requireSuitable(connection);
      await compareClocks(connection, this.#options.clock);
      await migrate(connection);
      return connection;
    } catch (error) {
      await connection.end();
      throw translate(error);
    }
  }

  #up(): void {
    if (this.#state === 'down') this.#state = 'up';
    if (this.#lastError !== undefined) this.#options.log.info('ledger database is reachable again');
    this.#lastError = undefined;
    clearInterval(this.#lookout);
    this.#wasUp = true;
    this.#options.onState(true);
    this.#options.onNews();
  }

  #down(error: unknown): void {
    const reason = translate(error);
    if (this.#lastError === undefined) {
      this.#options.log.error('ledger database cannot be used; what is received is kept, and told when it is back', {
        reason: String(reason),
        ...(reason instanceof HubError ? { code: reason.code, remedy: reason.row.remedy } : {}),
      });
    }
    this.#lastError = reason;
    clearInterval(this.#lookout);
    this.#lookout = setInterval(() => this.#giveUpOld(), LOOK_MS);
    if (this.#state === 'up') this.#state = 'down';
    this.#options.onState(false);
  }

  /** Until the connection is lost, or everything is done before the close. */
  async #serve(connection: Connection): Promise<void> {
    for (;;) {
      if (connection.isLost()) throw new HubError('ledger.unreachable', {}, await connection.lost);
      const calls = this.#next();
      if (calls.length > 0) {
        await this.#transact(connection, calls);
      } else {
        if (this.#state === 'closing') return;
        const isIdle = await this.#wait(IDLE_CHECK_MS, connection.lost);
        if (isIdle) await compareClocks(connection, this.#options.clock);
      }
    }
  }

  /** Those that wait by now; one that met another transaction goes alone, so that it takes no others along. */
  #next(): readonly Call[] {
    const isTroubled = ({ collisions }: Call) => collisions > 0;
    const [first] = this.#waiting;
    if (first === undefined) return [];
    const troubled = this.#waiting.findIndex(isTroubled);
    if (troubled === 0) return this.#waiting.splice(0, 1);
    const end = troubled === -1 ? this.#waiting.length : troubled;
    return this.#waiting.splice(0, Math.min(end, MAX_CALLS_PER_COMMIT));
  }

  async #transact(connection: Connection, calls: readonly Call[]): Promise<void> {
    const transaction = new Transaction(connection);
    const replies: Reply[] = [];
    let xid: string | undefined;
    try {
      transaction.begin(this.#options.clock);
      for (const call of calls) {
        try {
          replies.push({ call, value: await transaction.run(this.#scriptOf(call), calls.length === 1) });
        } catch (error) {
          if (connection.isLost() || isConnectionLost(error)) throw error;
          replies.push({ call, error });
        }
      }
      const done = replies.filter((reply) => 'value' in reply);
      if (done.length === 0) {
        await transaction.rollback();
      } else {
        xid = await transaction.xid();
        await transaction.commit(done.some(({ call }) => makesWork(call)) ? this.#options.identity : undefined);
      }
    } catch (error) {
      if (connection.isLost() || isConnectionLost(error)) {
        if (xid === undefined) this.#again(calls);
        // Its COMMIT may have been heard: whoever connects next asks.
        else this.#doubtful = { xid, replies, since: performance.now() };
        throw error;
      }
      // Nothing of it has happened. Which call it was is seen when each has a transaction of its own.
      this.#collided(calls.map((call) => ({ call, error })));
      await transaction.rollback();
      return;
    }
    this.#answer(replies);
  }

  #scriptOf({ group, method, args }: Call): Script<unknown> {
    const operation = this.#operations[group]?.[method];
    if (operation === undefined) throw new TypeError(`the ledger has no ${group}.${method}`);
    return operation(...args);
  }

  #answer(replies: readonly Reply[]): void {
    const failed: { readonly call: Call; readonly error: unknown }[] = [];
    let isNews = false;
    for (const reply of replies) {
      if ('error' in reply) {
        if (isCollision(reply.error)) failed.push(reply);
        else reply.call.reject(translate(reply.error));
      } else {
        isNews ||= makesWork(reply.call);
        reply.call.resolve(reply.value);
      }
    }
    if (isNews) this.#options.onNews();
    this.#collided(failed);
  }

  /** Deadlocks, and rows that another replica made in the same moment: done again, they find what the other did. */
  #collided(failed: readonly { readonly call: Call; readonly error: unknown }[]): void {
    const again = failed.filter(({ call, error }) => {
      call.collisions += 1;
      if (call.collisions < MAX_COLLISIONS) return true;
      call.reject(translate(error));
      return false;
    });
    this.#again(again.map(({ call }) => call));
  }

  /** Before those that came later. */
  #again(calls: readonly Call[]): void {
    this.#waiting.unshift(...calls);
  }

  async #settleDoubt(connection: Connection): Promise<void> {
    const doubt = this.#doubtful;
    if (doubt === undefined) return;
    const outcome = await outcomeOf(connection, doubt.xid);
    this.#doubtful = undefined;
    if (outcome === 'committed') this.#answer(doubt.replies);
    else this.#again(doubt.replies.map(({ call }) => call));
  }

  /** @returns false when somebody called, or the connection was lost */
  async #wait(ms: number, lost: Promise<unknown>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const isIdle = await Promise.race([
      new Promise<boolean>((resolve) => {
        this.#wake = () => resolve(false);
        timer = setTimeout(resolve, ms, true);
      }),
      lost.then(() => false),
    ]);
    clearTimeout(timer);
    this.#wake = () => undefined;
    return isIdle;
  }

  /** Between two attempts. */
  async #pause(ms: number): Promise<void> {
    const until = performance.now() + ms;
    // A call that comes in wakes too, and does not make the next attempt come sooner.
    for (let left = ms; left > 0 && this.#state !== 'closing'; left = until - performance.now()) {
      await this.#wait(left, new Promise(() => undefined));
    }
  }

  #giveUpOld(): void {
    const now = performance.now();
    const isOld = ({ since }: Call) => now - since > PATIENCE_MS;
    const old = this.#waiting.filter(isOld);
    if (old.length > 0) this.#waiting = this.#waiting.filter((call) => !isOld(call));
    for (const { reject } of old) reject(this.unreachable());
    const doubt = this.#doubtful;
    if (doubt === undefined || now - doubt.since <= DOUBT_MS) return;
    this.#doubtful = undefined;
    for (const { call } of doubt.replies) call.reject(this.unreachable());
  }

  #rejectAll(error: unknown): void {
    const calls = [...this.#waiting.splice(0), ...(this.#doubtful?.replies.map(({ call }) => call) ?? [])];
    this.#doubtful = undefined;
    for (const { reject } of calls) reject(error);
  }
}

function isFatal(error: unknown): error is HubError {
  return error instanceof HubError && FATAL.has(error.code);
}

function isDenied(error: unknown): error is HubError {
  return error instanceof HubError && error.code === 'ledger.denied';
}

export function closedError(): HubError {
  return new HubError('store.failed', { detail: 'the ledger is closed' });
}
