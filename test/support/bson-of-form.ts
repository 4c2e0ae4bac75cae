/**
 * From the form of a MongoDB value (connectors/mongodb/VALUES.md) back to its BSON, written from the page and
 * without the code that makes forms: the proof that a form has lost nothing.
 */
import { Decimal128 } from "mongodb";
import { int32Bytes, raw, rawDocument } from "./bson-bytes.js";
import type { RawField, RawValue } from "./bson-bytes.js";

const INT32_MAX = 2n ** 31n - 1n;
const INT32_MIN = -(2n ** 31n);

export function bsonOfForm(form: string): RawValue {
  const reader = new FormReader(form);
  const value = reader.value();
  reader.assertDone();
  return value;
}

/** The document of top-level fields; those that are absent (empty) are left out. */
export function documentOfForms(fields: readonly string[], forms: readonly string[]): Buffer {
  return rawDocument(
    fields.flatMap((name, place): RawField[] => {
      const form = forms[place] ?? "";
      return form === "" ? [] : [[name, bsonOfForm(form)]];
    }),
  );
}

type Parsed =
  | { readonly kind: "scalar"; readonly value: RawValue; readonly text: string }
  | { readonly kind: "array"; readonly items: readonly Parsed[] }
  | { readonly kind: "object"; readonly members: readonly (readonly [string, Parsed])[] };

/** A JSON reader that keeps numbers as they are written, names in their order, and doubles of names. */
class FormReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): RawValue {
    return valueOf(this.#parse());
  }

  assertDone(): void {
    if (this.#at !== this.#text.length) throw new Error(`more than one value: ${this.#text}`);
  }

  #parse(): Parsed {
    switch (this.#text[this.#at]) {
      case "{":
        return { kind: "object", members: this.#list("}", () => this.#member()) };
      case "[":
        return { kind: "array", items: this.#list("]", () => this.#parse()) };
      case '"': {
        const text = this.#match(/"(?:[^"\\]|\\.)*"/y);
        const value = JSON.parse(text) as string;
        return { kind: "scalar", value: raw.text(value), text: value };
      }
      default:
        return scalarOf(this.#match(/[-+.\w]+/y));
    }
  }

  #member(): readonly [string, Parsed] {
    const name = JSON.parse(this.#match(/"(?:[^"\\]|\\.)*"/y)) as string;
    this.#match(/:/y);
    return [name, this.#parse()];
  }

  #list<Item>(close: string, next: () => Item): Item[] {
    const items: Item[] = [];
    this.#at += 1;
    while (this.#text[this.#at] !== close) {
      if (items.length > 0) this.#match(/,/y);
      items.push(next());
    }
    this.#at += 1;
    return items;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw new Error(`no form at ${String(this.#at)}: ${this.#text}`);
    this.#at += found.length;
    return found;
  }
}

function scalarOf(text: string): Parsed {
  return { kind: "scalar", text, value: plainValue(text) };
}

function plainValue(text: string): RawValue {
  if (text === "null") return raw.null;
  if (text === "true" || text === "false") return raw.bool(text === "true");
  if (text.endsWith("e0")) return raw.int64(BigInt(text.slice(0, -2)));
  if (/[.e]/.test(text)) return raw.double(Number(text));
  const integer = BigInt(text);
  return integer <= INT32_MAX && integer >= INT32_MIN
    ? raw.int32(Number(integer))
    : raw.int64(integer);
}

function valueOf(parsed: Parsed): RawValue {
  if (parsed.kind === "scalar") return parsed.value;
  if (parsed.kind === "array") return raw.array(parsed.items.map(valueOf));
  const [only] = parsed.members;
  if (parsed.members.length !== 1 || only?.[0].startsWith("$") !== true) {
    return raw.document(parsed.members.map(([name, member]) => [name, valueOf(member)]));
  }
  const [tag, content] = only;
  if (tag.startsWith("$$")) return raw.document([[tag.slice(1), valueOf(content)]]);
  const read = tags[tag];
  if (read === undefined) throw new Error(`no such tag: ${tag}`);
  return read(content);
}

const tags: Readonly<Record<string, (content: Parsed) => RawValue>> = {
  $oid: (content) => raw.objectId(textOf(content)),
  $date: (content) =>
    raw.date(
      content.kind === "scalar"
        ? BigInt(Date.parse(content.text))
        : BigInt(textOf(memberOf(content, "$numberLong"))),
    ),
  $numberLong: (content) => raw.int64(BigInt(textOf(content))),
  $numberDouble: (content) => {
    const text = textOf(content);
    if (!text.startsWith("0x")) return raw.double(Number(text));
    return { type: 0x01, bytes: Buffer.from(text.slice(2), "hex").reverse() };
  },
  $numberDecimal: (content) => {
    const text = textOf(content);
    if (text.startsWith("0x")) return raw.decimal128(text.slice(2));
    return { type: 0x13, bytes: Buffer.from(Decimal128.fromString(text).bytes) };
  },
  $uuid: (content) => raw.binary(Buffer.from(textOf(content).replaceAll("-", ""), "hex"), 4),
  $binary: (content) =>
    raw.binary(
      Buffer.from(textOf(memberOf(content, "base64")), "base64"),
      Number.parseInt(textOf(memberOf(content, "subType")), 16),
    ),
  $timestamp: (content) =>
    raw.timestamp(Number(textOf(memberOf(content, "t"))), Number(textOf(memberOf(content, "i")))),
  $regularExpression: (content) =>
    raw.regex(textOf(memberOf(content, "pattern")), textOf(memberOf(content, "options"))),
  $minKey: () => raw.minKey,
  $maxKey: () => raw.maxKey,
  $undefined: () => raw.undefined,
  $symbol: (content) => raw.symbol(textOf(content)),
  $code: (content) => {
    if (content.kind === "scalar") return raw.code(content.text);
    const scope = memberOf(content, "scope");
    const code = raw.code(textOf(memberOf(content, "code"))).bytes;
    const body = Buffer.concat([code, valueOf(scope).bytes]);
    return { type: 0x0f, bytes: Buffer.concat([int32Bytes(body.length + 4), body]) };
  },
  $dbPointer: (content) =>
    raw.dbPointer(
      textOf(memberOf(content, "$ref")),
      textOf(memberOf(memberOf(content, "$id"), "$oid")),
    ),
  $utf8: (content) => raw.text(Buffer.from(textOf(content), "base64")),
  $bson: (content) => ({ type: 0x03, bytes: Buffer.from(textOf(content), "base64") }),
};

function textOf(parsed: Parsed): string {
  if (parsed.kind !== "scalar") throw new Error("a text was expected");
  return parsed.text;
}

function memberOf(parsed: Parsed, name: string): Parsed {
  const found = parsed.kind === "object" ? parsed.members.find(([key]) => key === name) : undefined;
  if (found === undefined) throw new Error(`a member ${name} was expected`);
  return found[1];
}
