/**
 * Random documents and random updates of them, for MongoDB: all of the classic operators, array filters, pipelines
 * and replacements, over fields whose kinds are known, so that most of them change something.
 */
import { Decimal128, Int32, Long, ObjectId } from "mongodb";
import type { Document } from "mongodb";
import type { SeededRandom } from "./seeded-random.js";

/** Top-level fields: plain ones, documents, and arrays of values and of documents. */
export const documentFields = [
  "_id",
  "n",
  "s",
  "size",
  "map",
  "tags",
  "lines",
  "deep",
  "p",
] as const;

export interface RandomUpdate {
  readonly name: string;
  readonly update: Document | Document[];
  readonly arrayFilters?: Document[];
  /** It may move fields inside of documents, which the stream does not tell. */
  readonly moves?: true;
}

export function randomDocument(random: SeededRandom): Document {
  const document: Document = {
    n: number(random),
    s: text(random),
    size: { h: number(random), w: number(random), unit: text(random) },
    map: names(random),
    tags: list(random, () => text(random)),
    lines: list(random, (id) => ({ id, qty: number(random), note: text(random) })),
    deep: { rows: list(random, () => ({ cells: list(random, () => number(random)) })), x: {} },
    p: scalar(random),
  };
  for (const name of Object.keys(document))
    if (random.below(8) === 0) Reflect.deleteProperty(document, name);
  return document;
}

export function randomUpdate(random: SeededRandom): RandomUpdate {
  const make = random.pick(makers);
  if (make === undefined) throw new Error("there are no updates");
  return make(random);
}

const makers: readonly ((random: SeededRandom) => RandomUpdate)[] = [
  (r) => ({ name: "$set", update: { $set: { n: number(r), p: scalar(r) } } }),
  (r) => ({ name: "$set inside", update: { $set: { "size.h": number(r), "map.z": scalar(r) } } }),
  (r) => ({
    name: "$set new inside",
    update: { $set: { [`map.${key(r)}`]: { v: scalar(r), w: [] } } },
  }),
  (r) => ({ name: "$set an item", update: { $set: { [`tags.${index(r)}`]: text(r) } } }),
  (r) => ({ name: "$set in an item", update: { $set: { [`lines.${index(r)}.qty`]: number(r) } } }),
  (r) => ({
    name: "$set whole",
    update: { $set: { size: { h: number(r) }, tags: [], lines: [{ id: 1, qty: number(r) }] } },
  }),
  (r) => ({ name: "$unset", update: { $unset: { [r.pick(["n", "s", "p", "map"]) ?? "n"]: 1 } } }),
  (r) => ({ name: "$unset inside", update: { $unset: { [`map.${key(r)}`]: 1, "size.unit": 1 } } }),
  (r) => ({ name: "$unset an item", update: { $unset: { [`tags.${index(r)}`]: 1 } } }),
  (r) => ({ name: "$inc", update: { $inc: { n: increment(r), "size.w": increment(r) } } }),
  (r) => ({ name: "$mul", update: { $mul: { n: increment(r) } } }),
  (r) => ({
    name: "$min and $max",
    update: { $min: { n: number(r) }, $max: { "size.h": number(r) } },
  }),
  (r) => ({
    name: "$push",
    update: { $push: { tags: text(r), lines: { id: 9, qty: number(r) } } },
  }),
  (r) => ({
    name: "$push each",
    update: { $push: { tags: { $each: [text(r), text(r)], $position: 1, $slice: 6 } } },
  }),
  (r) => ({ name: "$push deep", update: { $push: { "deep.rows": { cells: [number(r)] } } } }),
  (r) => ({ name: "$addToSet", update: { $addToSet: { tags: text(r) } } }),
  (r) => ({
    name: "$pull",
    update: { $pull: { tags: { $lt: text(r) }, lines: { id: r.below(4) } } },
  }),
  (r) => ({ name: "$pop", update: { $pop: { tags: r.below(2) === 0 ? 1 : -1 } } }),
  () => ({ name: "$rename", update: { $rename: { s: "p", "map.a": "map.b" } } }),
  (r) => ({ name: "$currentDate", update: { $currentDate: { p: true }, $set: { s: text(r) } } }),
  (r) => ({
    name: "array filter",
    update: { $set: { "lines.$[e].qty": number(r) } },
    arrayFilters: [{ "e.id": { $gt: r.below(3) } }],
  }),
  (r) => ({
    name: "all items",
    update: { $set: { "lines.$[].note": text(r) }, $unset: { "deep.rows.$[].cells.0": 1 } },
  }),
  (r) => ({
    name: "pipeline $set",
    update: [{ $set: { n: number(r), size: { h: "$n" }, copied: "$s" } }],
    moves: true,
  }),
  (r) => ({
    name: "pipeline inside",
    update: [{ $set: { "size.w": number(r), "map.q": { $literal: scalar(r) } } }],
    moves: true,
  }),
  (r) => ({
    name: "pipeline cut",
    update: [{ $set: { tags: cut("$tags", r), lines: cut("$lines", r) } }],
    moves: true,
  }),
  () => ({
    name: "pipeline $unset",
    update: [{ $unset: ["map.a", "s", "size.unit"] }],
    moves: true,
  }),
  (r) => ({
    name: "pipeline map",
    update: [{ $set: { lines: mapped("$lines", r) } }],
    moves: true,
  }),
];

/** The first items of an array; of anything else what it is. */
function cut(field: string, random: SeededRandom): Document {
  return { $cond: [{ $isArray: field }, { $slice: [field, 1 + random.below(3)] }, field] };
}

function mapped(field: string, random: SeededRandom): Document {
  const item = { $mergeObjects: ["$$line", { qty: number(random) }] };
  const map = { $map: { input: field, as: "line", in: item } };
  return { $cond: [{ $isArray: field }, map, field] };
}

function number(random: SeededRandom): unknown {
  const value = random.below(1_000);
  const kinds = [
    new Int32(value),
    Long.fromNumber(value),
    value / 8,
    Decimal128.fromString(`${String(value)}.50`),
  ];
  return random.pick(kinds);
}

/** Decimals and doubles mixed by the server lose digits in their own ways: fewer kinds suffice. */
function increment(random: SeededRandom): unknown {
  return random.pick([new Int32(1), Long.fromNumber(3), 0.5]);
}

function scalar(random: SeededRandom): unknown {
  return random.pick([
    ...[null, true, new Date(random.below(2 ** 31)), new ObjectId(), text(random)],
    ...[number(random), Buffer.from(text(random)), { $$odd: 1 }, [], {}],
  ]);
}

function text(random: SeededRandom): string {
  return random.pick(["", "tea", 'q"uote', "ünïcode", "\u0000", "z".repeat(200), "0", "a"]) ?? "";
}

function names(random: SeededRandom): Document {
  return Object.fromEntries(list(random, () => [key(random), scalar(random)]));
}

function list<Item>(random: SeededRandom, make: (at: number) => Item): Item[] {
  return Array.from({ length: random.below(6) }, (_, at) => make(at));
}

function key(random: SeededRandom): string {
  return random.pick(["a", "b", "c", "q", "z", "ä"]) ?? "a";
}

function index(random: SeededRandom): string {
  return String(random.below(4));
}
