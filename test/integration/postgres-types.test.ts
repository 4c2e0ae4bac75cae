/**
 * Every type of Postgres, on real servers: the JSON form of src/model/table.ts, the same through the stream
 * and through the copy, whatever the database's own settings are (P-21, P-22; I10).
 */
import { afterEach, describe, expect, it } from "vitest";
import { freshDatabase } from "../support/postgres-server.js";
import type { PostgresDatabase, PostgresVersion } from "../support/postgres-server.js";
import { copyAll, PostgresWorld, relationOf } from "../support/postgres-world.js";
import type { RowChange } from "../../src/model/change.js";

const versions: readonly PostgresVersion[] = [18, 15];

const worlds: PostgresWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

/** Type, literal, our name of the type, its JSON form. */
type Case = readonly [native: string, literal: string, type: string, form: unknown];

const numbers: readonly Case[] = [
  ["boolean", "true", "bool", true],
  ["boolean", "false", "bool", false],
  ["smallint", "-32768", "int", -32768],
  ["integer", "2147483647", "int", 2147483647],
  ["oid", "4294967295", "int", 4294967295],
  ["bigint", "9007199254740991", "int64", 9007199254740991],
  ["bigint", "9007199254740992", "int64", "9007199254740992"],
  ["bigint", "-9223372036854775808", "int64", "-9223372036854775808"],
  ["real", "0.1", "float", 0.1],
  ["real", "'1e-30'", "float", 1e-30],
  ["double precision", "0.30000000000000004", "float", 0.30000000000000004],
  ["double precision", "1e300", "float", 1e300],
  ["double precision", "'NaN'", "float", "NaN"],
  ["double precision", "'-Infinity'", "float", "-Infinity"],
  ["double precision", "'-0'", "float", "-0"],
  ["numeric", "1.10", "decimal", "1.10"],
  [
    "numeric",
    "12345678901234567890.123456789012345678",
    "decimal",
    "12345678901234567890.123456789012345678",
  ],
  ["numeric", "'NaN'", "decimal", "NaN"],
  ["numeric", "'-Infinity'", "decimal", "-Infinity"],
  ["numeric(10,2)", "7", "decimal", "7.00"],
  ["money", "'-1234.5'", "other", "-$1,234.50"],
];

const texts: readonly Case[] = [
  ["text", `E'a"b\\\\c\\n\\u2028 é 😀'`, "text", 'a"b\\c\n\u2028 é 😀'],
  ["text", "''", "text", ""],
  ["text", "'null'", "text", "null"],
  ["character varying(5)", "'abc'", "text", "abc"],
  ["character(4)", "'ab'", "text", "ab  "],
  ["name", "'x'", "text", "x"],
  ['"char"', "'x'", "other", "x"],
  [
    "uuid",
    "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
    "uuid",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
  ],
  ["bytea", "'\\x00ff5c27'", "bytes", "AP9cJw=="],
  ["bytea", "''", "bytes", ""],
  [
    "json",
    `' {"a": 1.0, "a":2, "n":12345678901234567890} '`,
    "json",
    ' {"a": 1.0, "a":2, "n":12345678901234567890} ',
  ],
  ["jsonb", `'{"b": 1.10, "a":null}'`, "json", '{"a": null, "b": 1.10}'],
  ["jsonb", "'null'", "json", "null"],
  ["xml", "'<a>1</a>'", "other", "<a>1</a>"],
  ["bit(3)", "B'101'", "other", "101"],
  ["bit varying", "B'1'", "other", "1"],
  ["inet", "'10.0.0.1/8'", "other", "10.0.0.1/8"],
  ["cidr", "'10.0.0.0/8'", "other", "10.0.0.0/8"],
  ["macaddr", "'08:00:2b:01:02:03'", "other", "08:00:2b:01:02:03"],
  ["tsvector", "'a b'", "other", "'a' 'b'"],
  ["tsquery", "'a & b'", "other", "'a' & 'b'"],
  ["point", "'(1,2.5)'", "other", "(1,2.5)"],
  ["box", "'(2,2),(1,1)'", "other", "(2,2),(1,1)"],
  ["jsonpath", "'$.a'", "other", '$."a"'],
  ["pg_lsn", "'16/B374D848'", "other", "16/B374D848"],
  ["regtype", "'integer'", "other", "integer"],
  ["int4range", "'[1,5]'", "other", "[1,6)"],
  ["numrange", "'empty'", "other", "empty"],
  ["int4multirange", "'{[1,2),[5,7)}'", "other", "{[1,2),[5,7)}"],
  ["int2vector", "'1 2'", "other", "1 2"],
];

const times: readonly Case[] = [
  ["date", "'2024-03-04'", "date", "2024-03-04"],
  ["date", "'0044-03-15 BC'", "date", "-0043-03-15"],
  ["date", "'0001-12-31 BC'", "date", "0000-12-31"],
  ["date", "'infinity'", "date", "infinity"],
  ["time", "'04:05:06.789012'", "time", "04:05:06.789012"],
  ["time", "'24:00:00'", "time", "24:00:00"],
  ["time with time zone", "'04:05:06-05'", "timetz", "04:05:06-05:00"],
  ["time with time zone", "'04:05:06.5+05:30'", "timetz", "04:05:06.5+05:30"],
  ["timestamp", "'2024-03-04 05:06:07.123456'", "timestamp", "2024-03-04T05:06:07.123456"],
  ["timestamp", "'2024-03-04'", "timestamp", "2024-03-04T00:00:00"],
  ["timestamp", "'-infinity'", "timestamp", "-infinity"],
  ["timestamp", "'0044-03-15 12:00:00.5 BC'", "timestamp", "-0043-03-15T12:00:00.5"],
  ["timestamptz", "'2024-03-04 05:06:07.000001+02'", "timestamptz", "2024-03-04T03:06:07.000001Z"],
  ["timestamptz", "'infinity'", "timestamptz", "infinity"],
  ["timestamptz", "'0044-03-15 12:00:00+00 BC'", "timestamptz", "-0043-03-15T12:00:00Z"],
  ["interval", "'1 year 2 mons -3 days 04:05:06.789'", "interval", "P1Y2M-3DT4H5M6.789S"],
  ["interval", "'-00:00:01.5'", "interval", "PT-1.5S"],
  ["interval", "'0'", "interval", "PT0S"],
];

const composed: readonly Case[] = [
  ["integer[]", "'{1,NULL,3}'", "array of int", [1, null, 3]],
  ["integer[]", "'{}'", "array of int", []],
  [
    "integer[]",
    "'{{1,2},{3,4}}'",
    "array of int",
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ["integer[]", "'[0:1]={7,8}'", "array of int", { lower: [0], items: [7, 8] }],
  ["integer[]", "'[-1:0][2:2]={{7},{8}}'", "array of int", { lower: [-1, 2], items: [[7], [8]] }],
  ["bigint[]", "'{1,9007199254740993}'", "array of int64", [1, "9007199254740993"]],
  ["numeric[]", "'{1.10,NaN}'", "array of decimal", ["1.10", "NaN"]],
  ["boolean[]", "'{t,f}'", "array of bool", [true, false]],
  [
    "text[]",
    `array['a,b', '"q"', 'NULL', '', E'\\\\', '{x}', null, ' ']`,
    "array of text",
    ["a,b", '"q"', "NULL", "", "\\", "{x}", null, " "],
  ],
  [
    "box[]",
    "array['(2,2),(1,1)','(4,4),(3,3)']::box[]",
    "array of other",
    ["(2,2),(1,1)", "(4,4),(3,3)"],
  ],
  ["timestamptz[]", "'{2024-03-04 05:06:07+00}'", "array of timestamptz", ["2024-03-04T05:06:07Z"]],
  ["interval[]", "'{1 day}'", "array of interval", ["P1D"]],
  ["bytea[]", `array['\\x01'::bytea]`, "array of bytes", ["AQ=="]],
  ["jsonb[]", `array['{"a": [1]}'::jsonb, null]`, "array of json", ['{"a": [1]}', null]],
  ["public.mood", "'so so'", "text", "so so"],
  ["public.mood[]", "'{sad,\"so so\"}'", "array of text", ["sad", "so so"]],
  ["public.positive", "7", "int", 7],
  ["public.smaller", "3", "int", 3],
  ["public.positive[]", "'{1,2}'", "array of int", [1, 2]],
  ["public.numbers", "'{1,2}'", "array of int64", [1, 2]],
  ["public.pair", "row(1, 'a \"b\"')", "other", '(1,"a ""b""")'],
  ["public.pair[]", "array[row(1,'x')::public.pair]", "array of other", ["(1,x)"]],
  ["public.spans", "'[1.5,2)'", "other", "[1.5,2)"],
];

const cases = [...numbers, ...texts, ...times, ...composed];

const ownTypes = `
  create type mood as enum ('sad', 'so so');
  create domain positive as int check (value > 0);
  create domain smaller as positive check (value < 10);
  create domain numbers as bigint[];
  create type pair as (n int, t text);
  create type spans as range (subtype = numeric);`;

/** What would change the text of values, if the sessions did not say otherwise. */
async function perturb(database: PostgresDatabase): Promise<void> {
  const settings = [
    ["datestyle", "'SQL, DMY'"],
    ["intervalstyle", "'sql_standard'"],
    ["bytea_output", "'escape'"],
    ["extra_float_digits", "-3"],
    ["timezone", "'America/New_York'"],
    ["search_path", "nowhere"],
  ];
  for (const [name = "", value = ""] of settings) {
    await database.exec(`alter database "${database.database}" set ${name} = ${value}`);
  }
}

describe.each(versions)("values of Postgres %i", (version) => {
  it("have their JSON form, the same from the stream and from the copy (P-21, P-22)", async () => {
    const database = await freshDatabase(version);
    const columns = cases.map(([native], at) => `c${String(at)} ${native}`).join(", ");
    const literals = cases.map(([native, text]) => `(${text})::${native}`).join(", ");
    await database.exec(`${ownTypes} create table kinds (id int primary key, ${columns});
      insert into kinds values (1, ${literals})`);
    await perturb(database);
    const names = cases.map((_, at) => `c${String(at)}`).join(", ");
    const world = new PostgresWorld(database);
    worlds.push(world);
    const reading = await world.open();
    await database.exec(
      `set search_path = public; insert into kinds select 2, ${names} from kinds where id = 1`,
    );
    await reading.until(() => reading.changes.length === 1);
    const { rows } = await copyAll(reading, "public.kinds");
    const [change] = reading.changes as RowChange[];
    const relation = relationOf(reading, "public.kinds");
    const shown = relation.columns
      .slice(1)
      .map(({ type, of }, at) => [
        cases[at]?.[0],
        of === undefined ? type : `${type} of ${of}`,
        JSON.parse(change?.values[at + 1] ?? '"not told"') as unknown,
      ]);
    expect(shown).toEqual(cases.map(([native, , type, form]) => [native, type, form]));
    expect(rows.map(({ identity }) => identity)).toEqual(["[1]", "[2]"]);
    for (const row of rows) {
      expect(row.values.slice(1)).toEqual(change?.values.slice(1));
      expect(row.relation.fingerprint).toBe(change?.relation.fingerprint);
    }
    expect(change?.relation.fingerprint).toBe(relation.fingerprint);
  });

  it("are null where they are NULL, of every type", async () => {
    const database = await freshDatabase(version);
    const columns = cases.map(([native], at) => `c${String(at)} ${native}`).join(", ");
    await database.exec(`${ownTypes} create table kinds (id int primary key, ${columns});
      insert into kinds (id) values (1)`);
    const world = new PostgresWorld(database);
    worlds.push(world);
    const reading = await world.open();
    await database.exec("insert into kinds (id) values (2)");
    await reading.until(() => reading.changes.length === 1);
    const { rows } = await copyAll(reading, "public.kinds");
    const [change] = reading.changes as RowChange[];
    expect(new Set(change?.values.slice(1))).toEqual(new Set(["null"]));
    expect(new Set(rows[0]?.values.slice(1))).toEqual(new Set(["null"]));
  });

  it("keep the names that Postgres gives their types, for people", async () => {
    const database = await freshDatabase(version);
    await database.exec(`${ownTypes} create table kinds (id int primary key,
      amount numeric(10,2), word varchar(5), mood mood, moods mood[], small smaller)`);
    const world = new PostgresWorld(database);
    worlds.push(world);
    const reading = await world.open();
    const natives = relationOf(reading, "public.kinds").columns.map(({ native }) => native);
    expect(natives).toEqual([
      ...["integer", "numeric(10,2)", "character varying(5)"],
      ...["public.mood", "public.mood[]", "public.smaller"],
    ]);
  });

  it("of types from extensions and unknown ones stay the text that Postgres prints", async () => {
    const database = await freshDatabase(version);
    await database.exec(`create extension citext; create extension hstore;
      create table kinds (id int primary key, word citext, bag hstore, words citext[]);
      insert into kinds values (1, 'Ab', 'a=>1', '{Ab,NULL}')`);
    const world = new PostgresWorld(database);
    worlds.push(world);
    const reading = await world.open();
    const { rows } = await copyAll(reading, "public.kinds");
    expect(rows[0]?.values).toEqual(["1", '"Ab"', String.raw`"\"a\"=>\"1\""`, '["Ab",null]']);
  });
});
