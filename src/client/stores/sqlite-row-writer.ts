/**
 * Rows as lists of values, as many rows to a statement as pay: one statement for 25 rows takes less than half
 * the time of 25 statements, longer ones gain nothing more (measured; src/decisions/0011).
 */
import type { SqliteConnection, SqliteValue } from "./sqlite-driver.js";
import { got, type Work } from "./work.js";

/** Values bound to one statement, below the 999 that old builds of SQLite allow. */
const VALUES_MAX = 900;
/** Rows in one statement, most first. Few sizes, so that every statement stays prepared. */
const ROWS = [25, 5, 1];

/** A statement for so many rows. */
export type RowStatement = (rows: number) => string;

/** The statement that writes `text(places)`, its text made once for each number of rows. */
export function rowStatement(width: number, text: (places: string) => string): RowStatement {
  const texts = new Map<number, string>();
  return (rows) => {
    let made = texts.get(rows);
    if (made === undefined) texts.set(rows, (made = text(places(rows, width))));
    return made;
  };
}

export class RowWriter {
  readonly #width: number;
  readonly #sizes: readonly number[];
  readonly #most: number;
  readonly #lists: SqliteValue[][] = [];
  #list: SqliteValue[] = [];
  #rows = 0;

  constructor(width: number) {
    this.#width = width;
    this.#sizes = ROWS.filter((rows) => rows === 1 || rows * width <= VALUES_MAX);
    this.#most = this.#sizes[0] ?? 1;
  }

  /** Where the next row's values are to be appended: exactly `width` of them. */
  begin(): SqliteValue[] {
    if (this.#rows === this.#most) {
      this.#lists.push(this.#list);
      this.#list = [];
      this.#rows = 0;
    }
    this.#rows += 1;
    return this.#list;
  }

  /** `tail`: values of the statement that stand behind all rows. */
  *write(
    connection: SqliteConnection,
    statement: RowStatement,
    tail: readonly SqliteValue[] = [],
  ): Work<void> {
    for (const list of this.#lists) list.push(...tail);
    if (this.#lists.length > 0) yield* got(connection.runMany(statement(this.#most), this.#lists));
    let from = 0;
    for (const rows of this.#sizes) {
      const length = rows * this.#width;
      const lists: SqliteValue[][] = [];
      for (; this.#list.length - from >= length; from += length) {
        lists.push([...this.#list.slice(from, from + length), ...tail]);
      }
      if (lists.length > 0) yield* got(connection.runMany(statement(rows), lists));
    }
  }
}

function places(rows: number, width: number): string {
  return new Array(rows).fill(`(${new Array(width).fill("?").join(",")})`).join(",");
}
