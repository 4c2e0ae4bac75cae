/**
 * The little that the SQLite store asks of a database library, so that any can be put beneath it: the
 * blocking ones of Node, SQLite WASM in a worker, the asynchronous ones of React Native. A driver gets the
 * app's database object handed in and never closes it.
 *
 * A method may answer at once or with a promise. Where all answers come at once, the store runs a whole
 * transaction without giving way, so that an app which reads over the same connection never sees half.
 */

/** Integers beyond 2^53 are bound as decimal strings: a column of INTEGER affinity keeps them as exact integers. */
export type SqliteValue = null | number | string | Uint8Array<ArrayBuffer>;

/** By column name. */
export type SqliteRow = Readonly<Record<string, unknown>>;

export type Answer<T> = T | Promise<T>;

export interface SqliteConnection {
  /** Runs statements without values, separated by semicolons. */
  exec(sql: string): Answer<void>;
  /** Runs one statement with `?` values; answers how many rows it changed. Keep it prepared: the same texts come again. */
  run(sql: string, values: readonly SqliteValue[]): Answer<number>;
  /** The same statement for each list of values; answers how many rows changed in all. */
  runMany(sql: string, lists: readonly (readonly SqliteValue[])[]): Answer<number>;
  all(sql: string, values: readonly SqliteValue[]): Answer<readonly SqliteRow[]>;
}

export interface SqliteDriver extends SqliteConnection {
  /**
   * One write transaction (BEGIN IMMEDIATE) around `work`, rolled back if it throws. The store never
   * overlaps two. All statements of `work` go through the connection it is given.
   */
  transaction<T>(work: (connection: SqliteConnection) => Answer<T>): Answer<T>;
}

/** Statements kept prepared: what one sync uses stays far below; the oldest goes first. */
const PREPARED_MAX = 200;

/** Prepared statements by their text, for drivers. */
export class StatementCache<Statement> {
  readonly #prepare: (sql: string) => Statement;
  readonly #drop: (statement: Statement) => void;
  readonly #statements = new Map<string, Statement>();

  /** `drop`: of libraries whose statements are not collected as garbage. */
  constructor(
    prepare: (sql: string) => Statement,
    drop: (statement: Statement) => void = () => undefined,
  ) {
    this.#prepare = prepare;
    this.#drop = drop;
  }

  get(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement !== undefined) return statement;
    statement = this.#prepare(sql);
    if (this.#statements.size >= PREPARED_MAX) {
      for (const [oldest, dropped] of this.#statements) {
        this.#statements.delete(oldest);
        this.#drop(dropped);
        break;
      }
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}
