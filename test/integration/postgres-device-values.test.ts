/**
 * Goal: no value loses anything on its way to a device (I10). Method: every type of Postgres with its edges,
 * copied and streamed through the whole service into a file of SQLite; what is read back there, given to
 * Postgres again as a literal of the type, prints the same text as the value that it came from.
 */
import { afterEach, describe, expect, it } from "vitest";
import { FollowedDevice } from "../support/followed-device.js";
import { freshDatabase } from "../support/postgres-server.js";
import type { PostgresDatabase, PostgresVersion } from "../support/postgres-server.js";

const versions: readonly PostgresVersion[] = [18, 15];

/** How SQLite keeps it. */
type Kept = "integer" | "real" | "text" | "blob";

/** Type, how it is kept, literals. */
type Line = readonly [native: string, kept: Kept, ...literals: string[]];

const DIGITS = 1_000;
const long = "9".repeat(DIGITS);
const LARGE = 100_000;

const numbers: readonly Line[] = [
  ["boolean", "integer", "true", "false"],
  ["smallint", "integer", "'-32768'", "32767", "0"],
  ["integer", "integer", "'-2147483648'", "2147483647"],
  ["oid", "integer", "'4294967295'"],
  ["bigint", "integer", "'-9223372036854775808'", "9223372036854775807", "9007199254740993", "-1"],
  ["real", "real", "0.1", "'1e-45'", "'3.4028235e38'", "'-1.17549435e-38'"],
  ["double precision", "real", "0.1", "'5e-324'", "'1.7976931348623157e308'", "-2.5"],
  ["double precision", "real", "'-5e-324'", "1e-20", "-0.9999999999999999", "0.9999999999999999"],
  ["real", "text", "'NaN'", "'Infinity'", "'-Infinity'"],
  ["double precision", "text", "'NaN'", "'Infinity'", "'-Infinity'"],
  ["numeric", "text", long, `-0.${long}`, `${long}.${long}`, "1.10", "0", "1e-20", "1e30"],
  ["numeric", "text", "'NaN'", "'Infinity'", "'-Infinity'"],
  ["numeric(1000,500)", "text", "1", "-0.5"],
  ["money", "text", "'-92233720368547758.08'", "'0.01'"],
];

const texts: readonly Line[] = [
  ["text", "text", "''", "'null'", "'NULL'", `E'a"b\\\\c\\n\\t\\u2028 é 😀'`, "''';--'"],
  ["text", "text", `repeat('long 😀', ${LARGE})`],
  ["character varying(5)", "text", "'abc'"],
  ["character(4)", "text", "'ab'", "''"],
  ["name", "text", "'x'"],
  ['"char"', "text", "'x'"],
  ["public.citext", "text", "'MiXeD'"],
  ["public.hstore", "text", "'a=>1, b=>NULL'"],
  ["uuid", "text", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"],
  ["bytea", "blob", "'\\x00ff5c27'", "''", `decode(repeat('00ff', ${LARGE}), 'hex')`],
  ["json", "text", `' {"a": 1.0, "a":2, "n":12345678901234567890} '`, "'null'"],
  ["jsonb", "text", `'{"b": 1.10, "a": null}'`, "'null'", "'[]'", `'"text"'`, `'${long}'`],
  ["jsonb", "text", `'{"n": 123456789012345678901234567890.1234567890, "e": 1e400}'`],
  ["xml", "text", "'<a>1</a>'"],
  ["bit(3)", "text", "B'101'"],
  ["bit varying", "text", "B'1'", "B''"],
  ["inet", "text", "'10.0.0.1/8'", "'2001:db8::1'"],
  ["cidr", "text", "'10.0.0.0/8'"],
  ["macaddr", "text", "'08:00:2b:01:02:03'"],
  ["macaddr8", "text", "'08:00:2b:01:02:03:04:05'"],
  ["tsvector", "text", "'a b'"],
  ["tsquery", "text", "'a & b'"],
  ["point", "text", "'(1,2.5)'"],
  ["line", "text", "'{1,2,3}'"],
  ["lseg", "text", "'[(1,2),(3,4)]'"],
  ["box", "text", "'(2,2),(1,1)'"],
  ["path", "text", "'((1,2),(3,4))'", "'[(1,2),(3,4)]'"],
  ["polygon", "text", "'((1,2),(3,4))'"],
  ["circle", "text", "'<(1,2),3>'"],
  ["jsonpath", "text", "'$.a'"],
  ["pg_lsn", "text", "'FFFFFFFF/FFFFFFFF'"],
  ["int4range", "text", "'[1,5]'", "'(,)'", "'empty'"],
  ["tstzrange", "text", "'[2024-01-01 00:00:00+00,infinity)'"],
  ["numrange", "text", "'[1.10,)'"],
  ["int4multirange", "text", "'{[1,2),[5,7)}'", "'{}'"],
];

const times: readonly Line[] = [
  ["date", "text", "'2024-02-29'", "'4713-01-01 BC'", "'0001-12-31 BC'", "'5874897-12-31'"],
  ["date", "text", "'infinity'", "'-infinity'"],
  ["time", "text", "'00:00:00'", "'24:00:00'", "'04:05:06.000001'"],
  ["time with time zone", "text", "'04:05:06-05'", "'23:59:59.999999+15:59'", "'00:00-15:59:59'"],
  ["timestamp", "text", "'2024-03-04 05:06:07.123456'", "'4713-01-01 00:00:00 BC'"],
  ["timestamp", "text", "'294276-12-31 23:59:59.999999'", "'infinity'", "'-infinity'"],
  ["timestamptz", "text", "'2024-03-04 05:06:07.000001+02'", "'4713-01-01 00:00:00+00 BC'"],
  ["timestamptz", "text", "'294276-12-31 23:59:59.999999+00'", "'infinity'", "'-infinity'"],
  ["interval", "text", "'1 year 2 mons -3 days 04:05:06.789'", "'-00:00:00.000001'", "'0'"],
  ["interval", "text", "'178000000 years'", "'-178000000 years'", "'1 mon -1 day'"],
];

const composed: readonly Line[] = [
  ["integer[]", "text", "'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'{{{1},{2}},{{3},{4}}}'"],
  ["integer[]", "text", "'[0:1]={7,8}'", "'[-1:0][2:2]={{7},{8}}'"],
  ["bigint[]", "text", "'{-9223372036854775808,9223372036854775807,9007199254740993}'"],
  ["numeric[]", "text", `'{1.10,NaN,Infinity,${long}}'`],
  ["double precision[]", "text", "'{NaN,-Infinity,0.1,5e-324,-0}'"],
  ["boolean[]", "text", "'{t,f,NULL}'"],
  ["text[]", "text", `array['a,b', '"q"', 'NULL', '', E'\\\\', '{x}', null, ' ', E'\\n']`],
  ["timestamptz[]", "text", "'{2024-03-04 05:06:07.5+00,infinity,0044-03-15 12:00:00+00 BC}'"],
  ["date[]", "text", "'{0044-03-15 BC}'"],
  ["interval[]", "text", "'{1 day,-1 mons}'"],
  ["bytea[]", "text", `array['\\x01ff'::bytea, ''::bytea, null]`],
  ["jsonb[]", "text", `array['{"a": [1]}'::jsonb, 'null'::jsonb, null]`],
  ["uuid[]", "text", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'"],
  ["public.mood", "text", "'so so'"],
  ["public.mood[]", "text", `'{sad,"so so"}'`],
  ["public.positive", "integer", "7"],
  ["public.pair", "text", `row(1, 'a "b", (c)')`, "row(null, null)"],
  ["public.pair[]", "text", "array[row(1,'x')::public.pair]"],
  ["public.nested", "text", "row(row(1,'x')::public.pair, array[1,2])"],
  ["public.spans", "text", "'[1.5,2)'"],
];

interface Case {
  readonly column: string;
  readonly native: string;
  readonly kept: Kept;
  readonly literal: string;
}

const cases: readonly Case[] = [...numbers, ...texts, ...times, ...composed].flatMap(
  ([native, kept, ...literals], line) =>
    literals.map((literal, at) => ({ column: `c${line}_${at}`, native, kept, literal })),
);

const ownTypes = `
  create extension citext; create extension hstore;
  create type mood as enum ('sad', 'so so');
  create domain positive as int check (value > 0);
  create type pair as (n int, t text);
  create type nested as (p pair, ns int[]);
  create type spans as range (subtype = numeric);`;

const names = cases.map(({ column }) => column);
const columns = cases.map(({ column, native }) => `${column} ${native}`).join(", ");
const values = cases.map(({ literal, native }) => `(${literal})::${native}`);

let database: PostgresDatabase;
let device: FollowedDevice | undefined;

afterEach(async () => {
  await device?.close();
  device = undefined;
});

/** A device that follows a table of every type with one row, which is copied. */
async function follow(version: PostgresVersion): Promise<FollowedDevice> {
  database = await freshDatabase(version);
  await database.exec(`${ownTypes} create table kinds (id int primary key, ${columns});
    insert into kinds values (1, ${values.join(", ")})`);
  device = new FollowedDevice(database);
  await device.start();
  return device;
}

describe.each(versions)("values of Postgres %i on a device", (version) => {
  it("say the same text to Postgres again, copied, inserted, updated and left unchanged", async () => {
    const { all, until } = handlesOf(await follow(version));
    await database.exec(`insert into kinds select 2, ${names.join(", ")} from kinds where id = 1;
      insert into kinds (id) values (3), (4)`);
    const sets = names.map((name, at) => `${name} = ${values[at] ?? ""}`).join(", ");
    await database.exec(`update kinds set ${sets} where id = 3`);
    // Long values are not told again by this one.
    await database.exec("update kinds set id = 20 where id = 2");
    await until("all rows are there", () => {
      const found = all("select id, c0_0 from kinds order by id");
      return found.map(({ id }) => Number(id)).join() === "1,3,4,20" && found[1]?.["c0_0"] !== null;
    });
    const [source = {}] = await database.query(
      `select ${names.map((name) => `${name}::text`).join(", ")} from kinds where id = 1`,
    );
    const rows = all("select * from kinds order by id");
    for (const row of [rows[0], rows[1], rows[3]]) {
      const literals = cases.map(({ column, native }) => literalOf(row?.[column], native));
      const found = await printed(literals);
      for (const [at, { native, literal, column }] of cases.entries()) {
        expect(found[at], `${native} ${literal.slice(0, 60)}`).toBe(source[column]);
      }
    }
    expect(new Set(names.map((name) => rows[2]?.[name]))).toEqual(new Set([null]));
  });

  it("are kept as what they are", async () => {
    const { all, until } = handlesOf(await follow(version));
    await until("the row is there", () => all("select id from kinds").length === 1);
    const types = names.map((name) => `typeof(${name}) ${name}`).join(", ");
    const [row = {}] = all(`select ${types} from kinds`);
    expect(cases.map(({ column, native }) => [native, row[column]])).toEqual(
      cases.map(({ native, kept }) => [native, kept]),
    );
  });

  it("of numbers are exact in SQL on the device", async () => {
    database = await freshDatabase(version);
    await database.exec(`create table kinds (id int primary key, n bigint, f double precision);
      insert into kinds values (1, 9223372036854775807, '-0'), (2, '-9223372036854775808', 0.1)`);
    device = new FollowedDevice(database);
    await device.start();
    const { all, until } = handlesOf(device);
    await until("the rows are there", () => all("select id from kinds").length === 2);
    const [found] = all("select sum(n) sum, max(f) high, min(n) low from kinds");
    expect(found).toEqual({ sum: -1n, high: 0.1, low: -9223372036854775808n });
    // The one thing that SQLite cannot keep: a negative zero.
    expect(all("select 1 from kinds where f = 0")).toHaveLength(1);
  });
});

function handlesOf(on: FollowedDevice): Pick<FollowedDevice, "all" | "until"> {
  return { all: (sql) => on.all(sql), until: (what, test) => on.until(what, test) };
}

/** What Postgres prints for the literals, one per case. */
async function printed(literals: readonly string[]): Promise<unknown[]> {
  const casts = cases.map(
    ({ native, column }, at) => `$${at + 1}::text::${native}::text ${column}`,
  );
  const [row = {}] = await database.query(`select ${casts.join(", ")}`, literals);
  return names.map((name) => row[name]);
}

/** A value of SQLite as a literal of the Postgres type that it came from. */
function literalOf(value: unknown, native: string): string {
  if (typeof value === "bigint" || typeof value === "number") return String(value);
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`;
  if (typeof value !== "string") throw new Error(`SQLite gave a ${typeof value}`);
  if (native.endsWith("[]")) return arrayLiteral(JSON.parse(value), native.slice(0, -2));
  return scalarLiteral(value, native);
}

/** ISO 8601 has a year 0 and years before it; Postgres writes BC. */
function scalarLiteral(text: string, native: string): string {
  if (!/^(date|timestamp)/.test(native)) return text;
  const [, sign = "", year = "", rest = ""] = /^(-?)(\d+)(-.*)$/.exec(text) ?? [];
  if (year === "" || (sign === "" && Number(year) > 0)) return text;
  return `${String(Number(year) + 1).padStart(4, "0")}${rest} BC`;
}

function arrayLiteral(form: unknown, native: string): string {
  if (typeof form === "object" && form !== null && "lower" in form) {
    const { lower, items } = form as { lower: number[]; items: unknown };
    const sizes: number[] = [];
    for (let part = items; Array.isArray(part); part = part[0] as unknown) sizes.push(part.length);
    const bounds = lower.map((low, at) => `[${low}:${low + (sizes[at] ?? 0) - 1}]`);
    return `${bounds.join("")}=${arrayLiteral(items, native)}`;
  }
  if (Array.isArray(form)) return `{${form.map((item) => arrayLiteral(item, native)).join(",")}}`;
  if (form === null) return "NULL";
  const text = typeof form === "string" ? form : JSON.stringify(form);
  const bytes = native === "bytea" ? `\\x${Buffer.from(text, "base64").toString("hex")}` : text;
  return `"${scalarLiteral(bytes, native).replace(/["\\]/g, "\\$&")}"`;
}
