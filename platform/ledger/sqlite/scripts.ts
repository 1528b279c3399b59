/** Scripts of the ledger on SQLite: each statement is answered at once, in the thread that asks. */
import { SQLITE } from '../sql/dialect.ts';
import type * as sql from '../sql/script.ts';
import type { Database, Statement } from './driver.ts';

/** What is asked of one connection by scripts. */
export function forScripts(db: Database): sql.Database {
  const query = <Row>(text: string): sql.Statement<Row> => new AtOnce(db.query<Row>(text));
  return {
    dialect: SQLITE,
    node: '',
    query,
    // One writer appends, so the order of positions is the order of commits.
    appending: query,
    // Its transaction has the whole file.
    lock: () => new Answer(undefined),
  };
}

class AtOnce<Row> implements sql.Statement<Row> {
  readonly #statement: Statement<Row>;

  constructor(statement: Statement<Row>) {
    this.#statement = statement;
  }

  get(...parameters: readonly sql.Parameter[]): sql.Step<Row | undefined> {
    return new Answer(this.#statement.get(...parameters));
  }

  all(...parameters: readonly sql.Parameter[]): sql.Step<readonly Row[]> {
    return new Answer(this.#statement.all(...parameters));
  }

  run(...parameters: readonly sql.Parameter[]): sql.Step<number> {
    return new Answer(this.#statement.run(...parameters));
  }

  send(...parameters: readonly sql.Parameter[]): sql.Step<void> {
    this.#statement.run(...parameters);
    return SENT;
  }
}

/** An answer that is there already: `yield*` takes it without yielding. One object does as iterator and as its result. */
class Answer<Result> implements Iterator<sql.Request, Result>, IteratorReturnResult<Result> {
  readonly done = true;
  readonly value: Result;

  constructor(value: Result) {
    this.value = value;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): this {
    return this;
  }
}

const SENT = new Answer<void>(undefined);
