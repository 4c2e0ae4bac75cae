/**
 * What a document remembers besides its output, and how values come back: `hidden` holds the inputs that
 * the output does not hold verbatim, `pending` the values that wait for the copy.
 *
 * `hidden` is a JSON array: the plan's stamp, the absent fields by their place among the needed ones, then
 * the hidden values. Both stand in the order of names, so that columns which the rule does not need may come
 * and go. The stamp tells that body and hidden were made by a plan with the same columns in the same places;
 * under another one nothing is taken from them, and the copy that a changed rule starts fills in.
 */
import { createHash } from "node:crypto";
import { ABSENT } from "../model/change.js";
import type { Relation, Values } from "../model/change.js";
import type { OutputColumn } from "./column-plan.js";
import { splitFragment } from "../model/fragments.js";
import type { KeptValues } from "./rule.js";

const decoder = new TextDecoder();

export class ValueMemory {
  /** Indexes of the relation's columns that the rule needs, in the order of their names. */
  readonly needed: readonly number[];
  readonly #names: readonly string[];
  /** Place in the body → index in the relation; undefined for computed columns. */
  readonly #body: readonly (number | undefined)[];
  readonly #hidden: readonly number[];
  readonly #stamp: string;
  readonly #nothing: string;

  constructor(relation: Relation, outputs: readonly OutputColumn[], inputs: readonly string[]) {
    this.#names = relation.columns.map((column) => column.name);
    this.#body = outputs.map((output) => (output.kind === "copied" ? output.source : undefined));
    const shown = new Set(this.#body.filter((index) => index !== undefined));
    const read = new Set(inputs.map((name) => this.#names.indexOf(name)));
    const name = (index: number): string => this.#names[index] ?? "";
    const byName = (a: number, b: number): number => (name(a) < name(b) ? -1 : 1);
    this.#hidden = [...read].filter((index) => !shown.has(index)).sort(byName);
    this.needed = [...new Set([...shown, ...read])].sort(byName);
    this.#stamp = stampOf(relation, this.#body, this.#hidden);
    this.#nothing = `["${this.#stamp}",[]]`;
  }

  isComplete(values: Values): boolean {
    for (const index of this.needed) if (values[index] === undefined) return false;
    return true;
  }

  /** The text for `KeptDocument.hidden`. */
  hide(values: Values): string {
    let absent: number[] | undefined;
    for (let place = 0; place < this.needed.length; place += 1) {
      if (values[this.needed[place] ?? 0] === ABSENT) (absent ??= []).push(place);
    }
    if (absent === undefined && this.#hidden.length === 0) return this.#nothing;
    let text = `["${this.#stamp}",[${absent?.join(",") ?? ""}]`;
    for (const index of this.#hidden) text += `,${values[index] || "null"}`;
    return `${text}]`;
  }

  fill(values: Values, kept: KeptValues): (string | undefined)[] {
    const filled = [...values];
    if (this.isComplete(values)) return filled;
    const [stamp, absent, ...hidden] = splitFragment(kept.hidden.slice(1, -1));
    if (stamp === undefined || absent === undefined || stamp !== `"${this.#stamp}"`) return filled;
    for (const [at, index] of this.#hidden.entries()) filled[index] ??= hidden[at];
    const body = splitFragment(decoder.decode(kept.body));
    for (const [at, index] of this.#body.entries()) {
      if (index !== undefined) filled[index] ??= body[at];
    }
    // Body and hidden show null for an absent field.
    for (const place of JSON.parse(absent) as number[]) {
      const index = this.needed[place];
      if (index !== undefined && values[index] === undefined) filled[index] = ABSENT;
    }
    return filled;
  }

  packPending(values: Values): string {
    const known: [string, string][] = [];
    for (const index of this.needed) {
      const form = values[index];
      const name = this.#names[index];
      if (form !== undefined && name !== undefined) known.push([name, form]);
    }
    return JSON.stringify(known);
  }

  unpackPending(pending: string): (string | undefined)[] {
    const known = new Map(pending === "" ? [] : (JSON.parse(pending) as [string, string][]));
    return this.#names.map((name) => known.get(name));
  }
}

/** Short, since it stands in every document; a clash needs two plans of one rule in 2^48. */
function stampOf(
  relation: Relation,
  body: readonly (number | undefined)[],
  hidden: readonly number[],
): string {
  const describe = (index: number | undefined): unknown => {
    const column = index === undefined ? undefined : relation.columns[index];
    return column === undefined ? null : [column.name, column.type, column.of ?? ""];
  };
  const text = JSON.stringify([body.map(describe), hidden.map(describe)]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 8);
}
