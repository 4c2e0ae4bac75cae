/** How forms of type `any` (model/any-form.ts) appear in CEL; RULES.md has the table. */
import { itemsOf, membersOf, taggedForm, type TaggedForm } from "../model/any-form.js";

export function celOfAny(form: string): unknown {
  const first = form.charAt(0);
  if (first === '"') return JSON.parse(form);
  if (first === "{") {
    const tagged = taggedForm(form);
    return tagged === undefined ? mapOf(form) : celOfTagged(tagged);
  }
  if (first === "[") return itemsOf(form)?.map(celOfAny);
  if (form === "null") return null;
  if (form === "true" || form === "false") return form === "true";
  return numberOf(form);
}

/** As it is spelled: with a point or an exponent a double, but for the `e0` of a 64-bit integer. */
function numberOf(form: string): bigint | number {
  const integer = form.endsWith("e0") ? form.slice(0, -2) : form;
  return /^-?\d+$/.test(integer) ? BigInt(integer) : Number(form);
}

function mapOf(form: string): Record<string, unknown> {
  const members = membersOf(form) ?? [];
  return Object.fromEntries(members.map(({ key, form: member }) => [key, celOfAny(member)]));
}

/** What CEL has no type for is a map with the tag as its key. */
function celOfTagged({ tag, content }: TaggedForm): unknown {
  const isText = content.startsWith('"');
  switch (isText ? tag : "") {
    case "$oid":
    case "$uuid":
    case "$date":
    case "$symbol":
      return JSON.parse(content);
    case "$numberLong":
      return BigInt(JSON.parse(content) as string);
    case "$numberDouble":
    case "$numberDecimal":
      return content.startsWith('"0x') ? NaN : Number(JSON.parse(content));
    default:
      return tag === "$binary" ? bytesOf(content) : { [tag]: celOfAny(content) };
  }
}

function bytesOf(content: string): Uint8Array {
  const { base64 } = JSON.parse(content) as { base64: string };
  return new Uint8Array(Buffer.from(base64, "base64"));
}
