/**
 * What a document remembers besides its output, and how values come back: `hidden` holds the inputs that
 * the output does not hold verbatim, `pending` the values that wait for the copy.
 *
 * `hidden` is a list in brackets: the plan's stamp, the absent fields by their place among the needed ones, then
 * the hidden values. Both stand in the order of names, so that columns which the rule does not need may come
 * and go. Behind them, for each column that the body holds in another type's form, the value where that form
 * does not tell it, and nothing where it does. The stamp tells that body and hidden were made by a plan with the
 * same columns in the same places; under another one nothing is taken from them, and the copy that a changed
 * rule starts fills in.
 */
import { createHash } from "node:crypto";
import { ABSENT } from "../model/change.js";
import type { Relation, Values } from "../model/change.js";
import type { Cast } from "./any-casts.js";
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
  /** Columns of the body whose forms are casts of the value. */
  readonly #casts: readonly CastPlace[];
  readonly #stamp: string;
  /** The text of a document that hides nothing. */
  readonly nothing: string;

  constructor(relation: Relation, outputs: readonly OutputColumn[], inputs: readonly string[]) {
    this.#names = relation.columns.map((column) => column.name);
    this.#body = outputs.map(wholeSource);
    this.#casts = castPlaces(outputs);
    const shown = new Set(this.#body.filter((index) => index !== undefined));
    const read = new Set([
      ...inputs.map((name) => this.#names.indexOf(name)),
      ...outputs.flatMap((output) => (output.kind === "copied" ? [output.source] : [])),
    ]);
    const name = (index: number): string => this.#names[index] ?? "";
    const byName = (a: number, b: number): number => (name(a) < name(b) ? -1 : 1);
    this.#hidden = [...read].filter((index) => !shown.has(index)).sort(byName);
    this.needed = [...new Set([...shown, ...read])].sort(byName);
    this.#stamp = stampOf(relation, this.#body, {
      hidden: this.#hidden,
      casts: this.#casts.map(({ at, cast }) => [at, cast.declared]),
    });
    this.nothing = `["${this.#stamp}",[]${",".repeat(this.#casts.length)}]`;
  }

  /** Whether there are values that the output does not tell. */
  get hidesAny(): boolean {
    return this.#hidden.length > 0 || !this.#casts.every(({ cast }) => cast.isReversible);
  }

  isComplete(values: Values): boolean {
    for (const index of this.needed) if (values[index] === undefined) return false;
    return true;
  }

  /** The text for `KeptDocument.hidden`. */
  hide(values: Values, body: readonly string[]): string {
    let absent: number[] | undefined;
    for (let place = 0; place < this.needed.length; place += 1) {
      if (values[this.needed[place] ?? 0] === ABSENT) (absent ??= []).push(place);
    }
    if (absent === undefined && !this.hidesAny) return this.nothing;
    let text = `["${this.#stamp}",[${absent?.join(",") ?? ""}]`;
    for (const index of this.#hidden) text += `,${values[index] || "null"}`;
    for (const { at, source, cast } of this.#casts) {
      const form = values[source] ?? ABSENT;
      const isTold = form === ABSENT || cast.isReversible;
      text += isTold || cast.restore(body[at] ?? "null") === form ? "," : `,${form}`;
    }
    return `${text}]`;
  }

  fill(values: Values, kept: KeptValues): (string | undefined)[] {
    const filled = [...values];
    if (this.isComplete(values)) return filled;
    const [stamp, absent, ...hidden] = splitFragment(kept.hidden.slice(1, -1));
    if (stamp === undefined || absent === undefined || stamp !== `"${this.#stamp}"`) return filled;
    for (const [at, index] of this.#hidden.entries()) filled[index] ??= hidden[at];
    const shown = typeof kept.body === "string" ? kept.body : decoder.decode(kept.body);
    const body = splitFragment(shown);
    for (const [place, { at, source, cast }] of this.#casts.entries()) {
      const told = hidden[this.#hidden.length + place];
      if (filled[source] === undefined) filled[source] = told || cast.restore(body[at] ?? "null");
    }
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

interface CastPlace {
  /** Place in the body. */
  readonly at: number;
  /** Index in the relation. */
  readonly source: number;
  readonly cast: Cast;
}

/** The column whose whole value the output holds. */
function wholeSource(output: OutputColumn): number | undefined {
  return output.kind === "copied" && output.path === undefined ? output.source : undefined;
}

function castPlaces(outputs: readonly OutputColumn[]): CastPlace[] {
  return outputs.flatMap((output, at) => {
    const source = wholeSource(output);
    if (source === undefined || output.kind !== "copied" || output.cast === undefined) return [];
    return [{ at, source, cast: output.cast }];
  });
}

/** Short, since it stands in every document; a clash needs two plans of one rule in 2^48. */
function stampOf(
  relation: Relation,
  body: readonly (number | undefined)[],
  more: { readonly hidden: readonly number[]; readonly casts: readonly unknown[] },
): string {
  const describe = (index: number | undefined): unknown => {
    const column = index === undefined ? undefined : relation.columns[index];
    return column === undefined ? null : [column.name, column.type, column.of ?? ""];
  };
  const text = JSON.stringify([body.map(describe), more.hidden.map(describe), more.casts]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 8);
}
