/** The elements of a document where speed does not matter: a list, with names as text. */
import { documentEnd, nameEnd, valueEnd } from "./bson-layout.js";

export interface Element {
  readonly name: string;
  readonly type: number;
  /** Where its value begins. */
  readonly at: number;
}

export function elementsOf(bytes: Buffer, start: number): Element[] {
  const limit = documentEnd(bytes, start) - 1;
  const elements: Element[] = [];
  for (let from = start + 4; from < limit;) {
    const type = bytes[from] ?? 0;
    const end = nameEnd(bytes, from + 1);
    elements.push({ name: bytes.toString("utf8", from + 1, end), type, at: end + 1 });
    from = valueEnd(bytes, type, end + 1, limit);
  }
  return elements;
}
