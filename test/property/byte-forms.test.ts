/**
 * Goal: a row of Postgres has the same JSON forms whether it is read as texts or as bytes, whatever its cells
 * hold, and in whichever order the stream sends its columns.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Relation } from "../../src/model/change.js";
import { RowPlan } from "../../connectors/postgres/row-plan.js";
import { formOf } from "../../connectors/postgres/value-forms.js";
import type { TypeFacts } from "../../connectors/postgres/value-forms.js";

const numerals = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.integer().map(String),
);
const days = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) });
const stamps = fc.oneof(
  days.map((day) => `${day.toISOString().replace("T", " ").replace("Z", "")}+00`),
  fc.constantFrom(
    ...["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "10000-01-01 00:00:00+00"],
    ...["1900-01-01 00:00:00+05:30", "2024-02-29 23:59:59.999999+00", "2024-01-01 00:00:00-03"],
  ),
);

/** By type the texts that Postgres may print, and others where any text will do. */
const texts: Readonly<Record<string, fc.Arbitrary<string>>> = {
  bool: fc.constantFrom("t", "f"),
  int4: fc.integer().map(String),
  int8: numerals,
  float8: fc.constantFrom("1.5", "-0", "NaN", "Infinity", "1e+300", "-Infinity", "0"),
  numeric: fc.oneof(numerals, fc.constantFrom("NaN", "0.000", "Infinity")),
  text: fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), fc.string()),
  jsonb: fc.json(),
  bytea: fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString("hex")}`),
  timestamptz: stamps,
  uuid: fc.uuid(),
  time: fc.constantFrom("00:00:00", "24:00:00", "12:34:56.789"),
};

/** Postgres has no NUL in its texts. */
const cell = (type: string): fc.Arbitrary<string | null> => {
  const text = texts[type] ?? fc.string();
  return fc.option(text.map((value) => value.replaceAll("\0", "")));
};

const shape = fc
  .uniqueArray(fc.constantFrom(...Object.keys(texts)), { minLength: 1, maxLength: 8 })
  .chain((types) =>
    fc.record({
      types: fc.constant(types),
      order: fc.shuffledSubarray(types, { minLength: types.length }),
      rows: fc.array(fc.tuple(...types.map(cell)), { minLength: 1, maxLength: 4 }),
      columns: fc.shuffledSubarray(types.map((_, at) => at)),
    }),
  );

test("texts and bytes make the same forms", () => {
  fc.assert(
    fc.property(shape, ({ types, order, rows, columns }) => {
      const plan = planOf(types, order);
      const into = Buffer.alloc(1_000_000);
      for (const row of rows) {
        const cells = order.map((type) => row[types.indexOf(type)] ?? null);
        const message = insertOf(cells);
        // Among other bytes, as in the socket's memory.
        const bytes = Buffer.concat([Buffer.from("before"), message, Buffer.from("behind")]);
        const change = plan.change(bytes, 6, 6 + message.length);
        const { values, whole } = change;
        if (whole === undefined) throw new Error("a row that tells everything is whole");
        expect(values).toEqual(types.map((_, at) => whole.form(at)));
        const end = whole.writeForms(columns, into, 3);
        expect(into.toString("utf8", 3, end)).toBe(columns.map((at) => values[at]).join(","));
        expect(end - 3).toBeLessThanOrEqual(whole.bytesMax);
      }
    }),
    { numRuns: 500 },
  );
});

function planOf(types: readonly string[], order: readonly string[]): RowPlan {
  const columns = types.map((name) => ({ name, ...formOf(factsOf(name)) }));
  const relation: Relation = {
    ...{ name: "public.t", columns, identity: [], primaryKey: [], uniqueKeys: [] },
    fingerprint: "t",
  };
  const message = {
    ...{ oid: 1, schema: "public", table: "t", replicaIdentity: "d" },
    columns: order.map((name) => ({ name, isKey: false, typeOid: 0, typeModifier: -1 })),
  };
  return new RowPlan(message, { relation, leaf: undefined, columns });
}

function factsOf(name: string): TypeFacts {
  const category = name === "text" ? "S" : "U";
  return { name, kind: "b", category, item: undefined, delimiter: "," };
}

function insertOf(cells: readonly (string | null)[]): Buffer {
  const parts = [Buffer.from("I\0\0\0\x01N"), Buffer.from([0, cells.length])];
  for (const text of cells) {
    if (text === null) {
      parts.push(Buffer.from("n"));
      continue;
    }
    const bytes = Buffer.from(text, "utf8");
    const size = Buffer.alloc(4);
    size.writeUInt32BE(bytes.length);
    parts.push(Buffer.from("t"), size, bytes);
  }
  return Buffer.concat(parts);
}
