/**
 * BSON values at the edges, by what they try: the areas are those of the public BSON corpus (and what one learns
 * of MongoDB beside it), the values our own. Each with its form where the page VALUES.md promises one.
 */
import { raw } from "./bson-bytes.js";
import type { RawValue } from "./bson-bytes.js";

export interface EdgeValue {
  readonly name: string;
  readonly value: RawValue;
  /** What it must become; left out where only the way there and back counts. */
  readonly form?: string;
}

const OID = "65a1b2c3d4e5f60718293a4b";

function edge(name: string, value: RawValue, form?: string): EdgeValue {
  return form === undefined ? { name, value } : { name, value, form };
}

const numbers: readonly EdgeValue[] = [
  edge("int32 0", raw.int32(0), "0"),
  edge("int32 -1", raw.int32(-1), "-1"),
  edge("int32 least", raw.int32(-2147483648), "-2147483648"),
  edge("int32 greatest", raw.int32(2147483647), "2147483647"),
  edge("int64 0", raw.int64(0n), "0e0"),
  edge("int64 5", raw.int64(5n), "5e0"),
  edge("int64 -1", raw.int64(-1n), "-1e0"),
  edge("int64 at the end of int32", raw.int64(2147483647n), "2147483647e0"),
  edge("int64 past the end of int32", raw.int64(2147483648n), "2147483648"),
  edge("int64 before the start of int32", raw.int64(-2147483649n), "-2147483649"),
  edge("int64 2^53 − 1", raw.int64(2n ** 53n - 1n), "9007199254740991"),
  edge("int64 2^53 + 1", raw.int64(2n ** 53n + 1n), '{"$numberLong":"9007199254740993"}'),
  edge("int64 greatest", raw.int64(2n ** 63n - 1n), '{"$numberLong":"9223372036854775807"}'),
  edge("int64 least", raw.int64(-(2n ** 63n)), '{"$numberLong":"-9223372036854775808"}'),
  edge("double 1", raw.double(1), "1.0"),
  edge("double -1", raw.double(-1), "-1.0"),
  edge("double 0", raw.double(0), "0.0"),
  edge("double -0", raw.double(-0), "-0.0"),
  edge("double 0.1", raw.double(0.1), "0.1"),
  edge("double with 14 digits", raw.double(1.0001220703125), "1.0001220703125"),
  edge("double 1e18", raw.double(1.2345678921232e18), "1234567892123200000.0"),
  edge("double 1e21", raw.double(1e21), "1e+21"),
  edge("double greatest", raw.double(Number.MAX_VALUE), "1.7976931348623157e+308"),
  edge("double least", raw.double(Number.MIN_VALUE), "5e-324"),
  edge("double NaN", raw.double(NaN), '{"$numberDouble":"NaN"}'),
  edge("double ∞", raw.double(Infinity), '{"$numberDouble":"Infinity"}'),
  edge("double −∞", raw.double(-Infinity), '{"$numberDouble":"-Infinity"}'),
  edge("double NaN with a payload", {
    type: 0x01,
    bytes: Buffer.from("120000000000f87f", "hex"),
  }),
];

/** Bits as IEEE 754-2008 lays them out, from the examples of BSON's page on decimal128. */
const decimals: readonly EdgeValue[] = [
  edge("decimal 0", raw.decimal128("30400000000000000000000000000000"), '{"$numberDecimal":"0"}'),
  edge("decimal -0", raw.decimal128("b0400000000000000000000000000000"), '{"$numberDecimal":"-0"}'),
  edge("decimal 1", raw.decimal128("30400000000000000000000000000001"), '{"$numberDecimal":"1"}'),
  edge(
    "decimal 0.1",
    raw.decimal128("303e0000000000000000000000000001"),
    '{"$numberDecimal":"0.1"}',
  ),
  edge(
    "decimal 1.00",
    raw.decimal128("303c0000000000000000000000000064"),
    '{"$numberDecimal":"1.00"}',
  ),
  edge(
    "decimal 1E+3",
    raw.decimal128("30460000000000000000000000000001"),
    '{"$numberDecimal":"1E+3"}',
  ),
  edge(
    "decimal 1E-7",
    raw.decimal128("30320000000000000000000000000001"),
    '{"$numberDecimal":"1E-7"}',
  ),
  edge(
    "decimal 0.000001",
    raw.decimal128("30340000000000000000000000000001"),
    '{"$numberDecimal":"0.000001"}',
  ),
  edge("decimal 0E+3", raw.decimal128("30460000000000000000000000000000")),
  edge(
    "decimal of 34 nines",
    raw.decimal128("3041ed09bead87c0378d8e63ffffffff"),
    '{"$numberDecimal":"9999999999999999999999999999999999"}',
  ),
  edge(
    "decimal greatest",
    raw.decimal128("5fffed09bead87c0378d8e63ffffffff"),
    '{"$numberDecimal":"9.999999999999999999999999999999999E+6144"}',
  ),
  edge(
    "decimal least",
    raw.decimal128("00000000000000000000000000000001"),
    '{"$numberDecimal":"1E-6176"}',
  ),
  edge(
    "decimal NaN",
    raw.decimal128("7c000000000000000000000000000000"),
    '{"$numberDecimal":"NaN"}',
  ),
  edge(
    "decimal ∞",
    raw.decimal128("78000000000000000000000000000000"),
    '{"$numberDecimal":"Infinity"}',
  ),
  edge("decimal −∞", raw.decimal128("f8000000000000000000000000000000")),
  edge("decimal NaN with a sign", raw.decimal128("fc000000000000000000000000000000")),
  edge("decimal NaN with a payload", raw.decimal128("7e000000000000000000000000000012")),
  edge("decimal beyond 34 digits", raw.decimal128("3041ed09bead87c0378d8e6400000000")),
  edge("decimal in the second form", raw.decimal128("6c100000000000000000000000000000")),
];

const texts: readonly EdgeValue[] = [
  edge("empty text", raw.text(""), '""'),
  edge("text", raw.text("tea"), '"tea"'),
  edge("text of two bytes a letter", raw.text("éé"), '"éé"'),
  edge("text beyond the first plane", raw.text("a😀b")),
  edge("text with zeros", raw.text("a\0b\0"), '"a\\u0000b\\u0000"'),
  edge("text with escapes", raw.text('a"b\\c/d\b\f\n\r\t\u001f\u007f\u2028')),
  edge("text that is no UTF-8", raw.text(Buffer.of(0x61, 0xff, 0xfe))),
  edge("text with half a surrogate", raw.text(Buffer.of(0xed, 0xa0, 0x80))),
  edge("text of the replacement character", raw.text("\ufffd"), '"\ufffd"'),
  edge("text that looks like a date", raw.text("2024-01-01T00:00:00.000Z")),
  edge("text that looks like an ObjectId", raw.text(OID), `"${OID}"`),
  edge("text that looks like JSON", raw.text('{"$oid":"1"}')),
  edge("symbol", raw.symbol("tea"), '{"$symbol":"tea"}'),
  edge("code", raw.code("() => 1"), '{"$code":"() => 1"}'),
  edge(
    "code with scope",
    raw.codeWithScope("() => a", [["a", raw.int32(1)]]),
    '{"$code":{"code":"() => a","scope":{"a":1}}}',
  ),
  edge("code with a scope like a tag", raw.codeWithScope("a", [["$oid", raw.int32(1)]])),
  edge(
    "regex",
    raw.regex("^a/b\\d", "imx"),
    '{"$regularExpression":{"pattern":"^a/b\\\\d","options":"imx"}}',
  ),
  edge("empty regex", raw.regex("", "")),
  edge("regex with flags that JavaScript lacks", raw.regex("a", "xsilu")),
];

const times: readonly EdgeValue[] = [
  edge("date 0", raw.date(0n), '{"$date":"1970-01-01T00:00:00.000Z"}'),
  edge("date", raw.date(1356351330501n), '{"$date":"2012-12-24T12:15:30.501Z"}'),
  edge("date before 1970", raw.date(-284643869501n), '{"$date":"1960-12-24T12:15:30.499Z"}'),
  edge("date of year 0", raw.date(-62167219200000n), '{"$date":"0000-01-01T00:00:00.000Z"}'),
  edge("date before year 0", raw.date(-62167219200001n)),
  edge("date of year 9999", raw.date(253402300799999n)),
  edge(
    "date of year 10000",
    raw.date(253402300800000n),
    '{"$date":{"$numberLong":"253402300800000"}}',
  ),
  edge("date greatest", raw.date(2n ** 63n - 1n)),
  edge("date least", raw.date(-(2n ** 63n))),
  edge("timestamp", raw.timestamp(123456789, 42), '{"$timestamp":{"t":123456789,"i":42}}'),
  edge("timestamp with high bits", raw.timestamp(4294967295, 4294967295)),
];

const others: readonly EdgeValue[] = [
  edge("null", raw.null, "null"),
  edge("true", raw.bool(true), "true"),
  edge("false", raw.bool(false), "false"),
  edge("undefined", raw.undefined, '{"$undefined":true}'),
  edge("ObjectId", raw.objectId(OID), `{"$oid":"${OID}"}`),
  edge("ObjectId of zeros", raw.objectId("0".repeat(24))),
  edge("MinKey", raw.minKey, '{"$minKey":1}'),
  edge("MaxKey", raw.maxKey, '{"$maxKey":1}'),
  edge("DBPointer", raw.dbPointer("shop.products", OID)),
  edge(
    "UUID",
    raw.binary(Buffer.from("73ffd26444b34c6990e8e7d1dfc035d4", "hex"), 4),
    '{"$uuid":"73ffd264-44b3-4c69-90e8-e7d1dfc035d4"}',
  ),
  edge("UUID of 15 bytes", raw.binary(Buffer.alloc(15, 7), 4)),
  edge("no bytes", raw.binary(Buffer.alloc(0), 0), '{"$binary":{"base64":"","subType":"00"}}'),
  edge("bytes", raw.binary(Buffer.of(255, 0, 1), 0)),
  ...[1, 2, 3, 5, 6, 7, 8, 9, 0x80, 0xff].map((subType) =>
    edge(
      `bytes of subtype ${String(subType)}`,
      raw.binary(Buffer.of(4, 0, 0, 0, 9, 8, 7, 6), subType),
    ),
  ),
];

const documents: readonly EdgeValue[] = [
  edge("empty document", raw.document([]), "{}"),
  edge("document", raw.document([["a", raw.int32(1)]]), '{"a":1}'),
  edge("empty name", raw.document([["", raw.text("x")]]), '{"":"x"}'),
  edge("dotted name", raw.document([["a.b", raw.int32(1)]]), '{"a.b":1}'),
  edge("__proto__", raw.document([["__proto__", raw.int32(1)]]), '{"__proto__":1}'),
  edge("constructor", raw.document([["constructor", raw.null]]), '{"constructor":null}'),
  edge(
    "numbers as names, in an order of their own",
    raw.document([
      ["b", raw.int32(1)],
      ["2", raw.int32(2)],
      ["a", raw.int32(3)],
      ["1", raw.int32(4)],
    ]),
    '{"b":1,"2":2,"a":3,"1":4}',
  ),
  edge(
    "a name that stands twice",
    raw.document([
      ["a", raw.int32(1)],
      ["a", raw.int32(2)],
    ]),
    '{"a":1,"a":2}',
  ),
  edge("like a tag", raw.document([["$oid", raw.text(OID)]]), `{"$$oid":"${OID}"}`),
  edge("like an escaped tag", raw.document([["$$oid", raw.int32(1)]]), '{"$$$oid":1}'),
  edge("a name of one dollar", raw.document([["$", raw.int32(1)]]), '{"$$":1}'),
  edge("like no tag of ours", raw.document([["$set", raw.document([])]]), '{"$$set":{}}'),
  edge(
    "DBRef",
    raw.document([
      ["$ref", raw.text("products")],
      ["$id", raw.objectId(OID)],
    ]),
    `{"$ref":"products","$id":{"$oid":"${OID}"}}`,
  ),
  edge("a name with a dollar behind", raw.document([["a", raw.document([["$a", raw.null]])]])),
  edge("a name with quotes", raw.document([['a"\\\n', raw.int32(1)]]), '{"a\\"\\\\\\n":1}'),
  edge("a name that is no UTF-8", raw.document([[Buffer.of(0xff), raw.int32(1)]])),
  edge("empty array", raw.array([]), "[]"),
  edge("array", raw.array([raw.int32(1), raw.text("b"), raw.null]), '[1,"b",null]'),
  edge("arrays in arrays", raw.array([raw.array([raw.array([])]), raw.document([])]), "[[[]],{}]"),
];

export const edgeValues: readonly EdgeValue[] = [
  ...[...numbers, ...decimals, ...texts, ...times, ...others],
  ...documents,
];
