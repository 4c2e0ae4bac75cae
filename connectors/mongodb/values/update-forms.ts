/**
 * What an `updateDescription` says about the fields that rules name. A path with dots is the trouble: before
 * server 6.1 nothing tells whether `a.b` is the field b inside a or a field of that very name, nor whether `a.0`
 * is the first item or a field "0". Exact is what can be read in one way only; the rest is told to be untold.
 */
import { ABSENT } from "../../../src/model/change.js";
import type { FieldPatch } from "../../../src/model/change.js";
import { bsonType, int32At, textAt } from "./bson-layout.js";
import { elementsOf, type Element } from "./elements.js";
import type { UpdateForms, UpdateReading } from "./forms.js";
import { patchOf, PatchTree } from "./patch-tree.js";
import type { PathStep } from "./patch-tree.js";
import { formOf } from "./value-form.js";

interface Wanted {
  readonly places: ReadonlyMap<string, number>;
  readonly reading: UpdateReading;
}

interface Edit {
  readonly path: string;
  readonly how:
    | { readonly kind: "set"; readonly form: () => string }
    | { readonly kind: "remove" }
    | { readonly kind: "truncate"; readonly size: number };
}

export function formsOfUpdate(bytes: Buffer, at: number, wanted: Wanted): UpdateForms {
  const { edits, steps } = readDescription(bytes, at);
  const update = new UpdateInMaking(wanted, steps, doublesOf(edits));
  for (const edit of edits) update.add(edit);
  return update.finish();
}

/** In the order in which they have to be applied: truncations, then sets, then removals. */
interface Description {
  readonly edits: readonly Edit[];
  /** `disambiguatedPaths`. */
  readonly steps: ReadonlyMap<string, readonly PathStep[]>;
}

function readDescription(bytes: Buffer, start: number): Description {
  const sets: Edit[] = [];
  const removals: Edit[] = [];
  const truncations: Edit[] = [];
  const steps = new Map<string, readonly PathStep[]>();
  for (const { name, type, at } of elementsOf(bytes, start)) {
    if (type !== bsonType.document && type !== bsonType.array) continue;
    const inner = elementsOf(bytes, at);
    if (name === "updatedFields") sets.push(...inner.map((each) => setOf(bytes, each)));
    else if (name === "removedFields")
      removals.push(...inner.map((each) => removalOf(bytes, each)));
    else if (name === "truncatedArrays") {
      truncations.push(...inner.map((each) => truncationOf(bytes, each)));
    } else if (name === "disambiguatedPaths") {
      for (const each of inner) steps.set(each.name, stepsOf(bytes, each));
    }
  }
  return { edits: [...truncations, ...sets, ...removals], steps };
}

function setOf(bytes: Buffer, { name, type, at }: Element): Edit {
  return { path: name, how: { kind: "set", form: () => formOf(bytes, type, at) } };
}

function removalOf(bytes: Buffer, element: Element): Edit {
  return { path: textAt(bytes, element.at), how: { kind: "remove" } };
}

function truncationOf(bytes: Buffer, element: Element): Edit {
  let path = "";
  let size = 0;
  for (const inner of elementsOf(bytes, element.at)) {
    if (inner.name === "field") path = textAt(bytes, inner.at);
    else if (inner.name === "newSize") size = int32At(bytes, inner.at);
  }
  return { path, how: { kind: "truncate", size } };
}

/** Strings are names, integers are places in an array. */
function stepsOf(bytes: Buffer, element: Element): readonly PathStep[] {
  return elementsOf(bytes, element.at).map((each) =>
    each.type === bsonType.string
      ? { kind: "name", name: textAt(bytes, each.at) }
      : { kind: "index", name: String(int32At(bytes, each.at)) },
  );
}

/** Two fields can have one dotted path: "a.b", and b inside a. Then nothing tells them apart. */
function doublesOf(edits: readonly Edit[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const doubles = new Set<string>();
  for (const { path } of edits) {
    if (!path.includes(".")) continue;
    if (seen.has(path)) doubles.add(path);
    seen.add(path);
  }
  return doubles;
}

class UpdateInMaking {
  readonly #wanted: Wanted;
  readonly #steps: ReadonlyMap<string, readonly PathStep[]>;
  readonly #doubles: ReadonlySet<string>;
  readonly #values: (string | undefined)[];
  readonly #trees = new Map<number, PatchTree>();
  readonly #untold = new Set<number>();

  constructor(
    wanted: Wanted,
    steps: ReadonlyMap<string, readonly PathStep[]>,
    doubles: ReadonlySet<string>,
  ) {
    this.#wanted = wanted;
    this.#steps = steps;
    this.#doubles = doubles;
    this.#values = new Array<string | undefined>(wanted.places.size).fill(undefined);
  }

  add({ path, how }: Edit): void {
    const steps = this.#stepsTo(path);
    const [top] = steps ?? [];
    if (steps === undefined || top === undefined) {
      for (const name of namesIn(path)) this.#doubt(name);
      return;
    }
    const place = this.#wanted.places.get(top.name);
    if (place === undefined) return;
    if (steps.length > 1 || how.kind === "truncate") {
      const tree = this.#trees.get(place) ?? new PatchTree();
      this.#trees.set(place, tree);
      if (how.kind === "set") tree.set(steps.slice(1), how.form());
      else if (how.kind === "remove") tree.remove(steps.slice(1));
      else tree.truncate(steps.slice(1), how.size);
    } else this.#values[place] = how.kind === "set" ? how.form() : ABSENT;
  }

  finish(): UpdateForms {
    const patches = new Map<number, FieldPatch>();
    for (const [place, tree] of this.#trees) {
      if (!this.#untold.has(place)) patches.set(place, patchOf(tree));
    }
    for (const place of this.#untold) this.#values[place] = undefined;
    return { values: this.#values, patches, untold: [...this.#untold].sort((a, b) => a - b) };
  }

  #doubt(name: string): void {
    const place = this.#wanted.places.get(name);
    if (place !== undefined) this.#untold.add(place);
  }

  /** Undefined where it can be read in more than one way. */
  #stepsTo(path: string): readonly PathStep[] | undefined {
    if (!path.includes(".")) return [{ kind: "name", name: path }];
    if (this.#doubles.has(path)) return undefined;
    switch (this.#wanted.reading) {
      case "none":
        return undefined;
      case "nested": {
        const [top = "", ...longer] = namesIn(path);
        // A rule names a field with a dot in it, so there may be one.
        for (const name of longer) this.#doubt(name);
        return [{ kind: "name", name: top }, ...innerSteps(path, "either")];
      }
      case "expanded": {
        const told = this.#steps.get(path);
        if (told !== undefined) return told;
        // The server tells every path with a dotted name, or with a number that is one.
        const top = path.slice(0, path.indexOf("."));
        return [{ kind: "name", name: top }, ...innerSteps(path, "index")];
      }
    }
  }
}

function innerSteps(path: string, numbers: "either" | "index"): PathStep[] {
  return path
    .split(".")
    .slice(1)
    .map((name) => ({ kind: /^(0|[1-9]\d*)$/.test(name) ? numbers : "name", name }));
}

/** The fields at the top that a dotted path can mean: "a", "a.b", "a.b.c". */
function namesIn(path: string): string[] {
  const names: string[] = [];
  for (let dot = path.indexOf("."); dot >= 0; dot = path.indexOf(".", dot + 1)) {
    names.push(path.slice(0, dot));
  }
  return [...names, path];
}
