/**
 * From an array's text to JSON: `{a,"b c",NULL}`, nested for more dimensions, `[2:3]={…}` where a lower
 * bound is not 1 (PostgreSQL, "Array Input and Output Syntax").
 */
import { AppError } from "../../src/base/errors.js";
import type { Form } from "./value-forms.js";

export function arrayForm(item: Form, delimiter: string): Form {
  return (text) => {
    const equals = text.startsWith("[") ? text.indexOf("=") : -1;
    const body = text.slice(equals + 1);
    const items = new ArrayReader(body, item, delimiter).read();
    if (equals < 0) return items;
    const lower = [...text.slice(0, equals).matchAll(/\[(-?\d+):/g)].map(([, bound]) => bound);
    return `{"lower":[${lower.join(",")}],"items":${items}}`;
  };
}

class ArrayReader {
  readonly #text: string;
  readonly #item: Form;
  readonly #delimiter: string;
  #at = 0;

  constructor(text: string, item: Form, delimiter: string) {
    this.#text = text;
    this.#item = item;
    this.#delimiter = delimiter;
  }

  read(): string {
    const json = this.#list();
    if (this.#at !== this.#text.length) throw this.#broken();
    return json;
  }

  #list(): string {
    if (this.#text[this.#at] !== "{") throw this.#broken();
    this.#at += 1;
    const items: string[] = [];
    if (this.#text[this.#at] === "}") {
      this.#at += 1;
      return "[]";
    }
    for (;;) {
      items.push(this.#next());
      const end = this.#text[this.#at];
      this.#at += 1;
      if (end === "}") return `[${items.join(",")}]`;
      if (end !== this.#delimiter) throw this.#broken();
    }
  }

  #next(): string {
    const first = this.#text[this.#at];
    if (first === "{") return this.#list();
    if (first === '"') return this.#item(this.#quoted());
    const plain = this.#plain();
    return plain === "NULL" ? "null" : this.#item(plain);
  }

  #plain(): string {
    let value = "";
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) throw this.#broken();
      if (char === this.#delimiter || char === "}") return value;
      if (char === "\\") this.#at += 1;
      value += this.#text[this.#at] ?? "";
      this.#at += 1;
    }
  }

  #quoted(): string {
    let value = "";
    this.#at += 1;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) throw this.#broken();
      this.#at += 1;
      if (char === '"') return value;
      if (char !== "\\") {
        value += char;
        continue;
      }
      value += this.#text[this.#at] ?? "";
      this.#at += 1;
    }
  }

  #broken(): AppError {
    const message = `reading an array: found something else at character ${this.#at}`;
    return new AppError("POSTGRES_SLOT_BROKEN", message);
  }
}
