/**
 * What every local store must do, whatever it is made of: `storeContract` is run for each implementation.
 * Units are written by hand here; test/contract/store-model.ts adds random ones against a naive model.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NaturalValue } from "../../src/client/stores/natural-values.js";
import type { Store, StoreChanges } from "../../src/client/stores/store.js";
import type { TableSchema } from "../../src/model/table.js";
import type { WireEntry } from "../../src/protocol/frames.js";
import { SEEDS, storeModelContract } from "./store-model.js";
import { products, orders, feed } from "./store-tables.js";
import { batch, rowText, step, unit } from "./store-units.js";

export { products, orders, feed } from "./store-tables.js";
export { batch, rowText, step, unit } from "./store-units.js";

export type Row = Readonly<Record<string, NaturalValue>>;

export interface StoreSubject {
  /** Opened. */
  readonly store: Store;
  /** Rows of a table in natural values; empty where it does not exist. */
  rows(schema: TableSchema): Promise<readonly Row[]>;
  /** A new store object over the same data, not yet opened. */
  again(): Store;
  close(): Promise<void>;
}

export function storeContract(
  name: string,
  create: () => Promise<StoreSubject>,
  { seeds = SEEDS }: { readonly seeds?: number } = {},
): void {
  describe(`store: ${name}`, () => {
    let subject: StoreSubject;
    let store: Store;

    beforeEach(async () => {
      subject = await create();
      store = subject.store;
    });

    afterEach(async () => {
      await subject.close();
    });

    const names = async (schema: TableSchema = products): Promise<string[]> =>
      (await subject.rows(schema)).map((row) => rowText(row, " ")).sort();

    describe("rows and places", () => {
      it("keeps rows and the place they belong to", async () => {
        await store.apply(
          unit(
            5,
            [step("a", 2)],
            batch("a", products, [1, 1, 0, "i", 1, "tea"], [2, 5, 0, "i", 2, "salt"]),
          ),
        );
        expect(await names()).toEqual(["1 tea", "2 salt"]);
        const again = subject.again();
        expect(await again.open()).toEqual([
          { channel: "a", place: { epoch: 1, serial: 2, log: 2, run: "r1" }, ready: true },
        ]);
        expect(await names()).toEqual(["1 tea", "2 salt"]);
      });

      it("is empty before the first unit", async () => {
        expect(await subject.again().open()).toEqual([]);
        expect(await subject.rows(products)).toEqual([]);
      });

      it("keeps the place of a channel without entries", async () => {
        await store.apply(unit(3, [step("a", 0, { ready: false })]));
        await store.apply(unit(9, [step("b", 0)]));
        const kept = await subject.again().open();
        expect(kept.map(({ channel, ready }) => [channel, ready])).toEqual([
          ["a", false],
          ["b", true],
        ]);
      });

      it("gives the same when a unit is applied twice", async () => {
        const twice = unit(
          9,
          [step("a", 4)],
          batch(
            "a",
            products,
            [1, 1, 0, "i", 1, "tea"],
            [2, 5, 0, "i", 2, "salt"],
            [3, 6, 0, "d", 1],
          ),
          batch("a", feed, [4, 7, 0, "i", 1, "x"]),
        );
        await store.apply(twice);
        const once = [await subject.rows(products), await subject.rows(feed)];
        await store.apply(twice);
        expect([await subject.rows(products), await subject.rows(feed)]).toEqual(once);
      });

      it("folds many entries of one row to the last, a delete and an insert in between included", async () => {
        await store.apply(
          unit(
            9,
            [step("a", 5)],
            batch(
              "a",
              products,
              [1, 1, 0, "i", 1, "tea"],
              [2, 2, 0, "u", 1, "green tea"],
              [3, 3, 0, "d", 1],
              [4, 4, 0, "i", 1, "black tea"],
              [5, 5, 0, "i", 2, "salt"],
            ),
          ),
        );
        expect(await names()).toEqual(["1 black tea", "2 salt"]);
        await store.apply(
          unit(
            11,
            [step("a", 7)],
            batch("a", products, [6, 10, 0, "u", 2, "sea salt"], [7, 11, 0, "d", 2]),
          ),
        );
        expect(await names()).toEqual(["1 black tea"]);
      });

      it("takes a removal of a row it does not hold for nothing", async () => {
        await store.apply(unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "d", 7])));
        expect(await names()).toEqual([]);
      });

      it("tells rows apart by all columns of a composite key, names being keywords or not", async () => {
        const big = "9007199254740993";
        await store.apply(
          unit(
            1,
            [step("a", 3)],
            batch(
              "a",
              orders,
              [1, 1, 0, "i", "x", 1, "first"],
              [2, 1, 1, "i", "y", 1, "second"],
              [3, 1, 2, "i", "x", big, "third"],
            ),
          ),
        );
        await store.apply(unit(2, [step("a", 4)], batch("a", orders, [4, 2, 0, "d", "x", big])));
        const rows = [...(await subject.rows(orders))];
        expect(rows.map((row) => [row["shop"], row["number"], row["select"]]).sort()).toEqual([
          ["x", 1, "first"],
          ["y", 1, "second"],
        ]);
      });

      it("keeps many rows of one unit", async () => {
        const entries = Array.from({ length: 3_333 }, (_, id): WireEntry => [
          id + 1,
          1,
          id,
          "i",
          id,
          `n${id}`,
        ]);
        await store.apply(unit(1, [step("a", 3_333)], batch("a", products, ...entries)));
        expect(await subject.rows(products)).toHaveLength(3_333);
        const drops = entries.map(([serial, , , , id]): WireEntry => [
          serial + 4_000,
          2,
          serial,
          "d",
          id,
        ]);
        await store.apply(unit(2, [step("a", 8_000)], batch("a", products, ...drops.slice(3))));
        expect(await names()).toEqual(["0 n0", "1 n1", "2 n2"]);
      });
    });

    describe("memberships", () => {
      const put = (at: number, channel: string, ...entries: WireEntry[]): Promise<StoreChanges> =>
        store.apply(unit(at, [step(channel, at)], batch(channel, products, ...entries)));

      it("keeps a row until its last channel lets it go", async () => {
        await put(1, "a", [1, 1, 0, "i", 1, "tea"]);
        await put(2, "b", [1, 1, 0, "i", 1, "tea"]);
        await put(3, "a", [2, 3, 0, "m", 1]);
        expect(await names()).toEqual(["1 tea"]);
        await put(4, "b", [2, 4, 0, "d", 1]);
        expect(await names()).toEqual([]);
      });

      it("lets an older entry change the membership only, never the content", async () => {
        await put(9, "a", [1, 9, 0, "i", 1, "new"]);
        await put(9, "b", [1, 4, 0, "i", 1, "old"]);
        expect(await names()).toEqual(["1 new"]);
        await put(10, "a", [2, 10, 0, "m", 1]);
        expect(await names()).toEqual(["1 new"]);
        await put(11, "b", [2, 11, 0, "u", 1, "newest"]);
        expect(await names()).toEqual(["1 newest"]);
      });

      it("orders entries of one unit by (log, index), whatever the order of the frames", async () => {
        await store.apply(
          unit(
            5,
            [step("b", 1), step("a", 3)],
            batch("b", products, [1, 2, 0, "i", 1, "in b"], [2, 3, 0, "m", 1]),
            batch(
              "a",
              products,
              [1, 1, 0, "i", 1, "in a"],
              [2, 2, 0, "m", 1],
              [3, 3, 1, "i", 1, "back in a"],
            ),
          ),
        );
        expect(await names()).toEqual(["1 back in a"]);
        await store.apply(
          unit(
            6,
            [step("a", 4), step("b", 3)],
            batch("a", products, [4, 6, 1, "m", 1]),
            batch("b", products, [3, 6, 0, "i", 1, "in b"]),
          ),
        );
        expect(await names()).toEqual(["1 in b"]);
      });

      it("does not show what a channel said and took back to the channels that still hold the row", async () => {
        await put(20, "a", [1, 20, 0, "i", 1, "new"]);
        await put(20, "b", [1, 15, 0, "i", 1, "old"], [2, 18, 0, "m", 1]);
        expect(await names()).toEqual(["1 new"]);
      });

      it("lets a channel with older rows of its own give way to another that is newer", async () => {
        await put(5, "a", [1, 5, 0, "i", 1, "five"], [2, 5, 1, "i", 2, "two"]);
        await put(7, "b", [1, 7, 0, "i", 1, "seven"]);
        expect(await names()).toEqual(["1 seven", "2 two"]);
        await put(8, "b", [2, 8, 0, "m", 1]);
        expect(await names()).toEqual(["1 seven", "2 two"]);
      });

      it("removes a detached channel's memberships and the rows that nobody else holds", async () => {
        await put(1, "a", [1, 1, 0, "i", 1, "both"], [2, 1, 1, "i", 2, "only a"]);
        await put(2, "b", [1, 1, 0, "i", 1, "both"], [2, 2, 0, "i", 3, "only b"]);
        const changes = await store.detach(["a"]);
        expect(await names()).toEqual(["1 both", "3 only b"]);
        expect(changes.get("products")?.deleted).toBe(1);
        await store.detach(["b", "never attached"]);
        expect(await names()).toEqual([]);
        expect(await subject.again().open()).toEqual([]);
      });

      it("removes the rows of the only channel there is", async () => {
        await put(1, "a", [1, 1, 0, "i", 1, "tea"]);
        await store.detach(["a"]);
        expect(await names()).toEqual([]);
        await put(1, "b", [1, 1, 0, "i", 2, "salt"]);
        expect(await names()).toEqual(["2 salt"]);
      });

      it("empties a table for one channel at a truncation, older rows only", async () => {
        await put(1, "a", [1, 1, 0, "i", 1, "both"], [2, 1, 1, "i", 2, "only a"]);
        await put(2, "b", [1, 1, 0, "i", 1, "both"]);
        await put(5, "a", [3, 4, 0, "i", 4, "before"], [4, 5, 0, "t"], [5, 5, 1, "i", 3, "after"]);
        expect(await names()).toEqual(["1 both", "3 after"]);
        await put(6, "b", [2, 6, 0, "t"]);
        expect(await names()).toEqual(["3 after"]);
      });

      it("empties a table that one channel alone feeds", async () => {
        await put(1, "a", [1, 1, 0, "i", 1, "tea"], [2, 1, 1, "i", 2, "salt"]);
        await put(2, "a", [3, 2, 0, "t"], [4, 2, 1, "i", 2, "sea salt"]);
        expect(await names()).toEqual(["2 sea salt"]);
      });
    });

    describe("snapshots of a channel that was ready", () => {
      it("replace what the channel held, and nothing of others", async () => {
        await store.apply(
          unit(
            1,
            [step("a", 3), step("b", 2)],
            batch(
              "a",
              products,
              [1, 1, 0, "i", 1, "stays"],
              [2, 1, 1, "i", 2, "goes"],
              [3, 1, 2, "i", 3, "both"],
            ),
            batch("b", products, [1, 1, 2, "i", 3, "both"], [2, 1, 3, "i", 4, "only b"]),
          ),
        );
        await store.apply(
          unit(
            9,
            [step("a", 9, { replace: "all" })],
            batch("a", products, [8, 8, 0, "u", 1, "stays"], [9, 9, 0, "i", 5, "comes"]),
          ),
        );
        expect(await names()).toEqual(["1 stays", "3 both", "4 only b", "5 comes"]);
        await store.apply(unit(10, [step("b", 3)], batch("b", products, [3, 10, 0, "d", 3])));
        expect(await names()).toEqual(["1 stays", "4 only b", "5 comes"]);
      });

      it("replace the rows of a channel that is alone, down to none", async () => {
        await store.apply(
          unit(
            1,
            [step("a", 2)],
            batch("a", products, [1, 1, 0, "i", 1, "x"], [2, 1, 1, "i", 2, "y"]),
          ),
        );
        await store.apply(
          unit(5, [step("a", 5, { replace: "all" })], batch("a", products, [5, 5, 0, "u", 2, "z"])),
        );
        expect(await names()).toEqual(["2 z"]);
        await store.apply(unit(6, [step("a", 6, { replace: "all" })]));
        expect(await names()).toEqual([]);
        await store.apply(
          unit(7, [step("a", 7)], batch("a", products, [7, 7, 0, "i", 1, "again"])),
        );
        expect(await names()).toEqual(["1 again"]);
      });

      it("of a restored journal, with lower log numbers, win over rows of the history that is no more", async () => {
        await store.apply(
          unit(
            150,
            [step("a", 150), step("b", 90)],
            batch("a", products, [1, 150, 0, "i", 1, "lost future"]),
            batch("b", products, [1, 90, 0, "i", 1, "past"]),
          ),
        );
        await store.apply(
          unit(
            101,
            [step("a", 101, { replace: "all" })],
            batch("a", products, [1, 90, 0, "u", 1, "past"]),
          ),
        );
        await store.apply(
          unit(102, [step("b", 91)], batch("b", products, [2, 102, 0, "u", 1, "new history"])),
        );
        expect(await names()).toEqual(["1 new history"]);
      });
    });

    describe("staged units", () => {
      it("are unseen until their unit, then whole", async () => {
        await store.apply(unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "i", 1, "old"])));
        await store.stage([
          batch("a", products, [2, 2, 0, "u", 1, "new"], [3, 2, 1, "i", 2, "two"]),
        ]);
        await store.stage([
          batch("a", products, [4, 3, 0, "d", 2]),
          batch("a", feed, [5, 3, 1, "i", 1, "x"]),
        ]);
        expect(await names()).toEqual(["1 old"]);
        await store.apply(
          unit(
            4,
            [step("a", 6, { staged: true })],
            batch("a", products, [6, 4, 0, "i", 3, "three"]),
          ),
        );
        expect(await names()).toEqual(["1 new", "3 three"]);
        expect(await subject.rows(feed)).toHaveLength(1);
      });

      it("are forgotten by `unstage` and by the next open", async () => {
        await store.stage([
          batch("a", products, [1, 1, 0, "i", 1, "x"]),
          batch("b", products, [1, 1, 0, "i", 2, "y"]),
        ]);
        await store.unstage(["a"]);
        await store.apply(
          unit(1, [step("a", 1, { staged: true }), step("b", 1, { staged: true })]),
        );
        expect(await names()).toEqual(["2 y"]);
        await store.stage([batch("a", products, [2, 2, 0, "i", 3, "z"])]);
        const again = subject.again();
        await again.open();
        await again.apply(unit(2, [step("a", 2, { staged: true })]));
        expect(await names()).toEqual(["2 y"]);
      });

      it("replace a ready channel, truncations and moves between channels included", async () => {
        await store.apply(
          unit(
            1,
            [step("a", 2), step("b", 1)],
            batch("a", products, [1, 1, 0, "i", 1, "a1"], [2, 1, 1, "i", 2, "a2"]),
          ),
        );
        await store.stage([
          batch(
            "a",
            products,
            [3, 2, 0, "i", 9, "gone"],
            [4, 3, 0, "t"],
            [5, 4, 0, "i", 1, "a1 again"],
          ),
          batch("b", products, [2, 5, 0, "i", 1, "b1"]),
        ]);
        await store.stage([batch("a", products, [6, 5, 0, "m", 1])]);
        await store.apply(
          unit(6, [step("a", 6, { replace: "all", staged: true }), step("b", 2, { staged: true })]),
        );
        expect(await names()).toEqual(["1 b1"]);
      });
    });

    describe("events tables", () => {
      const rowsOf = async (): Promise<unknown[]> =>
        (await subject.rows(feed))
          .map((row) => [row["channel"], row["serial"], row["changecast_op"], row["id"], row["op"]])
          .sort((a, b) => Number(a[1]) - Number(b[1]));

      it("append every entry with its channel, serial and op, gaps included", async () => {
        await store.apply(
          unit(
            3,
            [step("log", 4)],
            batch(
              "log",
              feed,
              [1, 1, 0, "i", 7, "x"],
              [2, 2, 0, "u", 7, "y"],
              [3, 3, 0, "d", 7],
              [4, 3, 1, "g"],
            ),
          ),
        );
        expect(await rowsOf()).toEqual([
          ["log", 1, "i", 7, "x"],
          ["log", 2, "u", 7, "y"],
          ["log", 3, "d", 7, null],
          ["log", 4, "g", null, null],
        ]);
      });

      it("lose the rows of a detached channel, and after a gap the ones of another history", async () => {
        await store.apply(
          unit(
            2,
            [step("log", 2), step("other", 1)],
            batch("log", feed, [1, 1, 0, "i", 1, "x"], [2, 2, 0, "i", 2, "y"]),
            batch("other", feed, [1, 1, 0, "i", 3, "z"]),
          ),
        );
        await store.apply(
          unit(
            3,
            [step("log", 2, { replace: "after", replaceAfter: 1 })],
            batch("log", feed, [2, 3, 0, "i", 4, "w"]),
          ),
        );
        expect(await rowsOf()).toEqual([
          ["log", 1, "i", 1, "x"],
          ["other", 1, "i", 3, "z"],
          ["log", 2, "i", 4, "w"],
        ]);
        await store.detach(["log"]);
        expect(await rowsOf()).toEqual([["other", 1, "i", 3, "z"]]);
      });
    });

    describe("values", () => {
      it("of floats are exact, down to the smallest and as near to whole numbers as there are", async () => {
        const floats = [
          ...[5e-324, -5e-324, 1e-300, 1e-20, -1e-17, 2 ** -52, 0.9999999999999999],
          ...[-0.9999999999999999, 1 + 2 ** -52, 0.1, -2.5, 3, 1e300, 2 ** 63],
        ];
        const schema: TableSchema = {
          table: "floats",
          version: 1,
          kind: "state",
          columns: [
            { name: "id", type: "int" },
            { name: "value", type: "float" },
          ],
          key: ["id"],
        };
        const entries = floats.map((value, at): WireEntry => [at + 1, 1, at, "i", at, value]);
        await store.apply(unit(1, [step("a", floats.length)], batch("a", schema, ...entries)));
        const rows = await subject.rows(schema);
        const found = new Map(rows.map(({ id, value }) => [Number(id), Number(value)]));
        expect(floats.map((_, at) => found.get(at))).toEqual(floats);
      });

      it("come back as they went in, whatever their type", async () => {
        const types = [
          "bool",
          "int",
          "int64",
          "float",
          "decimal",
          "text",
          "uuid",
          "bytes",
          "json",
          "date",
          "time",
          "timetz",
          "timestamp",
          "timestamptz",
          "interval",
          "other",
        ] as const;
        const schema: TableSchema = {
          table: "all types",
          version: 1,
          kind: "state",
          columns: [
            { name: "id", type: "int" },
            ...types.map((type) => ({ name: `a ${type}`, type })),
            { name: "an array", type: "array", of: "int64" },
          ],
          key: ["id"],
        };
        const one = [
          true,
          -5,
          "9223372036854775807",
          "NaN",
          "1.10",
          'it\'s "x"\n',
          "b9a1",
          "AP+AfQ==",
          '{"a": 1.0}',
          "2024-02-29",
          "12:00:00.000001",
          "12:00:00+02",
          "-0044-03-15T00:00:00",
          "infinity",
          "P1Y2M",
          "(1,2)",
          [
            ["1", 2],
            ["9007199254740993", null],
          ],
        ];
        const two = [
          false,
          0,
          "-9223372036854775808",
          1.5,
          "NaN",
          "",
          "",
          "",
          "null",
          "infinity",
          "00:00:00",
          "00:00:00Z",
          "2024-01-01T00:00:00.123456",
          "2024-01-01T00:00:00Z",
          "PT0S",
          "",
          { lower: [0], items: [1] },
        ];
        const none = new Array<null>(17).fill(null);
        const infinite = [null, 1, 7, "-Infinity", "Infinity", ...new Array<null>(12).fill(null)];
        await store.apply(
          unit(
            1,
            [step("a", 4)],
            batch(
              "a",
              schema,
              [1, 1, 0, "i", 1, ...one],
              [2, 1, 1, "i", 2, ...two],
              [3, 1, 2, "i", 3, ...none],
              [4, 1, 3, "i", 4, ...infinite],
            ),
          ),
        );
        const rows = [...(await subject.rows(schema))].sort(
          (a, b) => Number(a["id"]) - Number(b["id"]),
        );
        const natural = rows.map((row) => schema.columns.slice(1).map(({ name }) => row[name]));
        expect(natural[0]).toEqual([
          true,
          -5,
          9223372036854775807n,
          NaN,
          "1.10",
          'it\'s "x"\n',
          "b9a1",
          Uint8Array.of(0, 255, 128, 125),
          '{"a": 1.0}',
          "2024-02-29",
          "12:00:00.000001",
          "12:00:00+02",
          "-0044-03-15T00:00:00",
          "infinity",
          "P1Y2M",
          "(1,2)",
          [
            [1n, 2],
            [9007199254740993n, null],
          ],
        ]);
        expect(natural[1]).toEqual([
          false,
          0,
          -9223372036854775808n,
          1.5,
          "NaN",
          "",
          "",
          new Uint8Array(0),
          "null",
          "infinity",
          "00:00:00",
          "00:00:00Z",
          "2024-01-01T00:00:00.123456",
          "2024-01-01T00:00:00Z",
          "PT0S",
          "",
          { lower: [0], items: [1] },
        ]);
        expect(natural[2]).toEqual(none);
        expect(natural[3]?.slice(0, 5)).toEqual([null, 1, 7, -Infinity, "Infinity"]);
      });
    });

    describe("schema versions", () => {
      const wider: TableSchema = {
        ...products,
        version: 2,
        columns: [...products.columns, { name: "price", type: "decimal" }],
      };

      it("add columns in the unit that brings them", async () => {
        await store.apply(unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "i", 1, "tea"])));
        await store.apply(
          unit(2, [step("a", 2)], batch("a", wider, [2, 2, 0, "i", 2, "salt", "1.10"])),
        );
        const rows = [...(await subject.rows(wider))].sort(
          (a, b) => Number(a["id"]) - Number(b["id"]),
        );
        expect(rows).toEqual([
          { id: 1, name: "tea", price: null },
          { id: 2, name: "salt", price: "1.10" },
        ]);
      });

      it("take effect without entries, too", async () => {
        await store.apply(unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "i", 1, "tea"])));
        await store.apply({ ...unit(2, [step("a", 1)]), schemas: [wider] });
        expect(await subject.rows(wider)).toEqual([{ id: 1, name: "tea", price: null }]);
      });

      it("of older entries are understood after a newer one", async () => {
        await store.apply(
          unit(1, [step("a", 1)], batch("a", wider, [1, 1, 0, "i", 1, "tea", "2"])),
        );
        await store.apply(
          unit(
            2,
            [step("a", 3)],
            batch("a", products, [2, 2, 0, "i", 2, "salt"], [3, 2, 1, "d", 1]),
          ),
        );
        expect(await subject.rows(wider)).toEqual([{ id: 2, name: "salt", price: null }]);
      });

      it("drop columns and change types, keeping the rows, over a reopening", async () => {
        const other: TableSchema = {
          ...products,
          version: 3,
          columns: [
            { name: "id", type: "int" },
            { name: "price", type: "text" },
          ],
        };
        await store.apply(
          unit(
            1,
            [step("a", 1), step("b", 1)],
            batch("a", wider, [1, 1, 0, "i", 1, "tea", "2"]),
            batch("b", wider, [1, 1, 1, "i", 2, "salt", "3"]),
          ),
        );
        const again = subject.again();
        await again.open();
        await again.apply(unit(2, [step("a", 2)], batch("a", other, [2, 2, 0, "u", 1, "two"])));
        const rows = [...(await subject.rows(other))].sort(
          (a, b) => Number(a["id"]) - Number(b["id"]),
        );
        expect(rows).toEqual([
          { id: 1, price: "two" },
          { id: 2, price: "3" },
        ]);
        await again.detach(["a"]);
        expect(await subject.rows(other)).toEqual([{ id: 2, price: "3" }]);
      });

      it("with another key begin the table again, and old keys' deletes mean nothing", async () => {
        const rekeyed: TableSchema = { ...products, version: 2, key: ["name"] };
        await store.apply(
          unit(
            1,
            [step("a", 1), step("b", 1)],
            batch("a", products, [1, 1, 0, "i", 1, "tea"]),
            batch("b", products, [1, 1, 1, "i", 2, "salt"]),
          ),
        );
        await store.apply(
          unit(
            2,
            [step("a", 3)],
            batch("a", products, [2, 2, 0, "d", 1]),
            batch("a", rekeyed, [3, 2, 1, "i", 1, "tea"]),
          ),
        );
        expect(await names(rekeyed)).toEqual(["1 tea"]);
        await store.apply(
          unit(
            3,
            [step("b", 3)],
            batch("b", products, [2, 3, 0, "d", 2]),
            batch("b", rekeyed, [3, 3, 1, "i", 2, "salt"]),
          ),
        );
        await store.apply(unit(4, [step("a", 4)], batch("a", rekeyed, [4, 4, 0, "d", "tea"])));
        expect(await names(rekeyed)).toEqual(["2 salt"]);
      });
    });

    describe("telling what changed", () => {
      it("names tables, counts and keys after the transaction, to those who watch them", async () => {
        const all: StoreChanges[] = [];
        const some: StoreChanges[] = [];
        store.watch(undefined, (changes) => all.push(changes));
        const stop = store.watch("products", (changes) => some.push(changes));
        await store.apply(
          unit(
            1,
            [step("a", 3)],
            batch("a", products, [1, 1, 0, "i", 1, "tea"], [2, 1, 1, "u", 2, "salt"]),
            batch("a", orders, [3, 1, 2, "i", "x", 1, "y"]),
          ),
        );
        expect([...(all[0] ?? new Map<string, unknown>())].length).toBe(2);
        expect([...(some[0] ?? new Map<string, unknown>()).keys()]).toEqual(["products"]);
        expect(some[0]?.get("products")).toMatchObject({
          inserted: 1,
          updated: 1,
          deleted: 0,
          keys: [[1], [2]],
        });
        stop();
        await store.apply(unit(2, [step("a", 4)], batch("a", products, [4, 2, 0, "d", 1])));
        expect(all[1]?.get("products")).toMatchObject({ inserted: 0, updated: 0, deleted: 1 });
        expect(some).toHaveLength(1);
      });

      it("goes on when a listener throws", async () => {
        const seen: StoreChanges[] = [];
        store.watch(undefined, () => {
          throw new Error("the app's own");
        });
        store.watch(undefined, (changes) => seen.push(changes));
        await store.apply(unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "i", 1, "tea"])));
        expect(seen).toHaveLength(1);
        expect(await names()).toEqual(["1 tea"]);
      });

      it("is silent where nothing changed", async () => {
        const seen: StoreChanges[] = [];
        store.watch(undefined, (changes) => seen.push(changes));
        await store.apply(unit(1, [step("a", 1)], batch("a", products, [1, 1, 0, "d", 1])));
        expect(seen).toEqual([]);
      });
    });

    storeModelContract(create, seeds);
  });
}
