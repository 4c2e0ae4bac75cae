/**
 * Bodies that are made as bytes, out of a source's row or out of the kept body and what a change tells: only what
 * expressions and the key read becomes text. For rules whose output tells every value that they need: each
 * column as it is or, of an open relation, its form as a JSON text.
 */
import { bufferOf } from "../base/bytes.js";
import { quotedForm, unquotedForm } from "../model/any-form.js";
import type { Relation, Values, WholeRow } from "../model/change.js";
import { findFragments } from "../model/fragments.js";
import type { OutputColumn } from "./column-plan.js";
import type { ValueMemory } from "./kept-values.js";
import type { KeptBytes } from "./rule.js";

export interface ByteBody {
  /** Those that expressions and the key read. */
  readonly values: Values;
  /** Valid until the next one is made. */
  readonly body: Uint8Array;
}

export interface ByteBodiesOptions {
  readonly outputs: readonly OutputColumn[];
  /** Names of the columns that expressions read. */
  readonly inputs: readonly string[];
  /** Places of the key columns among the outputs. */
  readonly keyPlaces: readonly number[];
  readonly memory: ValueMemory;
}

export class ByteBodies {
  /** Columns of the relation that make up the key. */
  readonly keySources: readonly number[];
  readonly #columns: number;
  /** Column of the relation by place in the body. */
  readonly #sources: readonly number[];
  readonly #isQuoted: boolean;
  /** What becomes text: its column, and a place in the body that holds it. */
  readonly #read: readonly { readonly column: number; readonly place: number }[];
  readonly #memory: ValueMemory;
  readonly #begins: Uint32Array;

  private constructor(
    relation: Relation,
    { inputs, keyPlaces, memory }: ByteBodiesOptions,
    sources: readonly number[],
  ) {
    this.#columns = relation.columns.length;
    this.#sources = sources;
    this.#isQuoted = relation.isOpen === true;
    this.keySources = keyPlaces.map((place) => sources[place] ?? -1);
    const read = new Set([
      ...inputs.map((name) => relation.columns.findIndex((column) => column.name === name)),
      ...this.keySources,
    ]);
    this.#read = [...read]
      .filter((column) => column >= 0)
      .map((column) => ({ column, place: sources.indexOf(column) }));
    this.#memory = memory;
    this.#begins = new Uint32Array(sources.length + 1);
  }

  /** Undefined where the output does not tell every value. */
  static of(relation: Relation, options: ByteBodiesOptions): ByteBodies | undefined {
    const sources = options.outputs.map(sourceOf);
    const areTold = sources.every((source) => source !== undefined);
    if (!areTold || options.memory.hidesAny) return undefined;
    return new ByteBodies(relation, options, sources);
  }

  /** Undefined where the row cannot write what the rule puts out. */
  whole(row: WholeRow): ByteBody | undefined {
    if (this.#isQuoted && row.writeQuoted === undefined) return undefined;
    const values = new Array<string | undefined>(this.#columns);
    for (const { column } of this.#read) values[column] = row.form(column);
    const into = roomFor(row.bytesMax);
    const sources = this.#sources;
    const size = this.#isQuoted
      ? (row.writeQuoted?.(sources, into, 0) ?? 0)
      : row.writeForms(sources, into, 0);
    return { values, body: into.subarray(0, size) };
  }

  /** Undefined where the kept document does not tell what `told` leaves out. */
  update(told: Values, kept: KeptBytes): ByteBody | undefined {
    if (kept.hidden !== this.#memory.nothing) return undefined;
    const before = bufferOf(kept.body);
    const sources = this.#sources;
    const begins = this.#begins;
    if (!findFragments(before, sources.length, begins)) return undefined;
    const values = new Array<string | undefined>(this.#columns);
    for (const { column, place } of this.#read) {
      const from = begins[place] ?? 0;
      const to = (begins[place + 1] ?? 0) - 1;
      values[column] = told[column] ?? this.#formOf(before.toString("utf8", from, to));
    }
    let into = roomFor(before.length);
    let size = 0;
    let copied = 0;
    for (let place = 0; place < sources.length; place += 1) {
      const form = told[sources[place] ?? -1];
      if (form === undefined) continue;
      const text = this.written(form);
      const from = begins[place] ?? 0;
      // The rest of the old body fits, too.
      into = roomFor(size + 3 * text.length + before.length, size);
      size += before.copy(into, size, copied, from);
      size += into.write(text, size);
      copied = (begins[place + 1] ?? 0) - 1;
    }
    size += before.copy(into, size, copied);
    return { values, body: into.subarray(0, size) };
  }

  /** A form as it stands in bodies and keys. */
  written(form: string): string {
    return this.#isQuoted ? quotedForm(form) : form;
  }

  #formOf(written: string): string {
    return this.#isQuoted ? unquotedForm(written) : written;
  }
}

function sourceOf(output: OutputColumn): number | undefined {
  return output.kind === "copied" && output.path === undefined ? output.source : undefined;
}

/** One body at a time. */
let memory = Buffer.allocUnsafeSlow(64 * 1024);

/** Keeps the first `used` bytes. */
function roomFor(bytes: number, used = 0): Buffer {
  if (memory.length >= bytes) return memory;
  const grown = Buffer.allocUnsafeSlow(bytes);
  memory.copy(grown, 0, 0, used);
  return (memory = grown);
}
