/**
 * Reads an array as Postgres prints it: nested braces, quoted items, NULL, lower bounds before an equals
 * sign (only where one of them is not 1), and the item type's own delimiter (a semicolon for box).
 */

/** Null stands for NULL. */
export type ArrayItem = string | null | readonly ArrayItem[];

export interface ArrayText {
  /** Undefined where every lower bound is 1. */
  readonly lower: readonly number[] | undefined;
  readonly items: readonly ArrayItem[];
}

export function readArray(text: string, delimiter: string): ArrayText {
  const equals = text.startsWith("[") ? text.indexOf("=") : -1;
  if (equals < 0) return { lower: undefined, items: new ItemReader(text, 0, delimiter).read() };
  const bounds = text.slice(0, equals).matchAll(/\[(-?\d+):-?\d+\]/g);
  const lower = [...bounds].map(([, from]) => Number(from));
  return { lower, items: new ItemReader(text, equals + 1, delimiter).read() };
}

const OPEN = "{";
const CLOSE = "}";
const QUOTE = '"';
const ESCAPE = "\\";

class ItemReader {
  readonly #text: string;
  readonly #delimiter: string;
  #at: number;

  constructor(text: string, at: number, delimiter: string) {
    this.#text = text;
    this.#at = at;
    this.#delimiter = delimiter;
  }

  /** The items between one pair of braces. */
  read(): ArrayItem[] {
    this.#take(OPEN);
    const items: ArrayItem[] = [];
    if (this.#text[this.#at] === CLOSE) {
      this.#at += 1;
      return items;
    }
    for (;;) {
      items.push(this.#item());
      if (this.#text[this.#at] === CLOSE) {
        this.#at += 1;
        return items;
      }
      this.#take(this.#delimiter);
    }
  }

  #item(): ArrayItem {
    const first = this.#text[this.#at];
    if (first === OPEN) return this.read();
    if (first === QUOTE) return this.#quoted();
    const from = this.#at;
    for (;;) {
      const letter = this.#text[this.#at];
      if (letter === undefined) throw unreadable(this.#text, this.#at);
      if (letter === this.#delimiter || letter === CLOSE) break;
      this.#at += 1;
    }
    // Without quotes only NULL itself is NULL; the text NULL is printed in quotes.
    const plain = this.#text.slice(from, this.#at);
    return plain === "NULL" ? null : plain;
  }

  #quoted(): string {
    this.#at += 1;
    let item = "";
    let from = this.#at;
    for (;;) {
      const letter = this.#text[this.#at];
      if (letter === undefined) throw unreadable(this.#text, this.#at);
      if (letter === QUOTE) break;
      if (letter === ESCAPE) {
        item += this.#text.slice(from, this.#at);
        from = this.#at + 1;
        this.#at += 1;
      }
      this.#at += 1;
    }
    item += this.#text.slice(from, this.#at);
    this.#at += 1;
    return item;
  }

  #take(letter: string): void {
    if (this.#text[this.#at] !== letter) throw unreadable(this.#text, this.#at);
    this.#at += 1;
  }
}

/** Says where, not what: values are nobody's to log. */
function unreadable(text: string, at: number): Error {
  return new RangeError(`not an array's text: at ${String(at)} of ${String(text.length)}`);
}
