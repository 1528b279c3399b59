/** Lists go from the newest row back; a page goes on after the row its caller saw last. */
import { HubError } from '../../../core/errors.ts';
import type { Page } from '../../../core/ledger/common.ts';
import type { Database, Parameter, Script, Statement } from './script.ts';

/** A condition with its parameters; with an undefined parameter it does not apply. */
export type Condition = readonly [sql: string, ...parameters: readonly Parameter[]];

type List<Row> = (page: Page, ...conditions: readonly Condition[]) => Script<readonly Row[]>;

interface ListOptions {
  /** Up to, without, WHERE. */
  readonly select: string;
  /** The integer column that grows with each row. */
  readonly key: string;
  /** Answers the `key` of the row with the public identifier given. */
  readonly find: string;
}

/**
 * A list with optional conditions. Each combination in use is a statement of its own: `? IS NULL OR column = ?` would
 * keep SQLite from using the index, and dead letters are few among many deliveries.
 */
export function openList<Row>(db: Database, { select, key, find }: ListOptions): List<Row> {
  const statements = new Map<string, Statement<Row>>();
  const keyOf = db.query<{ key: number }>(find);

  return function* (page, ...conditions) {
    const applied: Condition[] = conditions.filter(([, ...parameters]) => !parameters.includes(undefined));
    if (page.before !== undefined) {
      const last = yield* keyOf.get(page.before);
      if (last === undefined) {
        throw new HubError('request.invalid', { detail: 'the page goes on after a row that is not there' });
      }
      applied.push([`${key} < ?`, last.key]);
    }

    const where = applied.map(([sql]) => sql).join(' AND ');
    let statement = statements.get(where);
    if (statement === undefined) {
      statement = db.query<Row>(`${select}${where === '' ? '' : ` WHERE ${where}`} ORDER BY ${key} DESC LIMIT ?`);
      statements.set(where, statement);
    }
    return yield* statement.all(...applied.flatMap(([, ...parameters]) => parameters), page.limit);
  };
}
