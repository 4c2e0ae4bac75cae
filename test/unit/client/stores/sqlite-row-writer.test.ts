/** Rows in statements of a few sizes: each row once, in order, with the statement's own values behind. */
import { describe, expect, it } from "vitest";
import type { SqliteConnection, SqliteValue } from "../../../../src/client/stores/sqlite-driver.js";
import { RowWriter, rowStatement } from "../../../../src/client/stores/sqlite-row-writer.js";
import { drive } from "../../../../src/client/stores/work.js";

function written(rows: number, width: number, tail: readonly SqliteValue[] = []) {
  const calls: (readonly [sql: string, values: readonly SqliteValue[]])[] = [];
  const unused = (): never => {
    throw new Error("not asked for");
  };
  const connection: SqliteConnection = {
    ...{ exec: unused, run: unused, all: unused },
    runMany: (sql, lists) => {
      for (const values of lists) calls.push([sql, values]);
      return lists.length;
    },
  };
  const writer = new RowWriter(width);
  for (let row = 0; row < rows; row += 1) {
    const values = writer.begin();
    for (let at = 0; at < width; at += 1) values.push(row * width + at);
  }
  const statement = rowStatement(width, (places) => places);
  expect(drive(writer.write(connection, statement, tail))).toBeUndefined();
  return calls;
}

describe("a row writer", () => {
  it.each([0, 1, 4, 5, 24, 25, 26, 37, 50, 101])("writes %i rows once each, in order", (rows) => {
    const calls = written(rows, 3);
    const values = calls.flatMap(([, list]) => list);
    expect(values).toEqual(Array.from({ length: rows * 3 }, (_, at) => at));
    for (const [sql, list] of calls) expect(sql.split("?")).toHaveLength(list.length + 1);
  });

  it("knows three statements", () => {
    const sizes = written(37, 2).map(([, list]) => list.length / 2);
    expect(sizes).toEqual([25, 5, 5, 1, 1]);
  });

  it("stays below what old builds of SQLite bind", () => {
    expect(written(26, 40).map(([, list]) => list.length)).toEqual([200, 200, 200, 200, 200, 40]);
    expect(written(3, 500)).toHaveLength(3);
  });

  it("puts the statement's own values behind the rows of each", () => {
    const calls = written(26, 1, [99]);
    expect(calls.map(([, list]) => list[list.length - 1])).toEqual([99, 99]);
  });
});
