/**
 * The form of a value whose source has no types of columns (`any` in table.ts): one JSON text, without white
 * space between its parts, that holds the source's own type and is never parsed as a whole on its way.
 *
 * - A number's spelling tells its type: `5` a 32-bit integer, or a 64-bit one where 32 bits do not hold it; `5e0`
 *   a 64-bit integer that 32 bits would hold; `5.0`, `0.5`, `1e+21` a double.
 * - An object whose only key begins with one `$` is a tagged value: `{"$oid":"…"}`. A document with such a key has
 *   one `$` more there: `{"$$oid":"…"}`.
 * - Members stand in the order of the source, whatever their names; a name may stand twice.
 *
 * The tags are those of MongoDB's Extended JSON where it has one; connectors/mongodb/VALUES.md lists them.
 */
import { closingQuote, splitFragment } from "./fragments.js";

export interface Member {
  /** As the source has it. */
  readonly key: string;
  readonly form: string;
}

export interface TaggedForm {
  /** With its `$`. */
  readonly tag: string;
  /** JSON text. */
  readonly content: string;
}

const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

/** The members of a document; undefined where the form is of anything else. */
export function membersOf(form: string): Member[] | undefined {
  const members = rawMembers(form);
  if (members === undefined) return undefined;
  const [only] = members;
  if (members.length !== 1 || only === undefined || !only.key.startsWith("$")) return members;
  return only.key.startsWith("$$") ? [{ key: only.key.slice(1), form: only.form }] : undefined;
}

export function documentForm(members: readonly Member[]): string {
  const [only] = members;
  const isEscaped = members.length === 1 && only?.key.startsWith("$") === true;
  const parts = members.map(
    ({ key, form }) => `${JSON.stringify(isEscaped ? `$${key}` : key)}:${form}`,
  );
  return `{${parts.join(",")}}`;
}

/** The items of an array; undefined where the form is of anything else. */
export function itemsOf(form: string): string[] | undefined {
  return form.charCodeAt(0) === OPEN_BRACKET ? splitFragment(form.slice(1, -1)) : undefined;
}

export function arrayForm(items: readonly string[]): string {
  return `[${items.join(",")}]`;
}

/** The form of what lies at the end of a path of names, "" (ABSENT) where nothing does. */
export function formAt(form: string, path: readonly string[]): string {
  let found = form;
  for (const name of path) {
    if (found === "") return found;
    found = membersOf(found)?.find(({ key }) => key === name)?.form ?? "";
  }
  return found;
}

/** What a tagged value holds; undefined where the form is of anything else. */
export function taggedForm(form: string): TaggedForm | undefined {
  if (!form.startsWith('{"$') || form.startsWith('{"$$')) return undefined;
  const [only, another] = rawMembers(form) ?? [];
  if (only === undefined || another !== undefined) return undefined;
  return { tag: only.key, content: only.form };
}

/** A form as a JSON text, as JSON.stringify writes it. A plain text or number, which most values are, needs no look at each character. */
export function quotedForm(form: string): string {
  switch (form[0]) {
    case "{":
    case "[":
      return JSON.stringify(form);
    case '"':
      return form.includes("\\") ? JSON.stringify(form) : `"\\${form.slice(0, -1)}\\""`;
    default:
      return `"${form}"`;
  }
}

/** The form that `quotedForm` made the text of. */
export function unquotedForm(written: string): string {
  const first = written.indexOf("\\");
  if (first < 0) return written.slice(1, -1);
  const isText = first === 1 && written.endsWith('\\""');
  const isPlain = isText && written.indexOf("\\", 2) === written.length - 3;
  return isPlain ? `${written.slice(2, -3)}"` : (JSON.parse(written) as string);
}

function rawMembers(form: string): Member[] | undefined {
  if (form.charCodeAt(0) !== OPEN_BRACE) return undefined;
  return splitFragment(form.slice(1, -1)).map((part) => {
    const end = closingQuote(part, 0) + 1;
    return { key: JSON.parse(part.slice(0, end)) as string, form: part.slice(end + 1) };
  });
}
