/**
 * What an update did inside one field: its edits as a tree by their paths, so that every level of the kept
 * form is split once however many edits there are. A form that does not have what an edit needs was not the one
 * that the server changed: then nothing can be told.
 */
import type { FieldPatch } from "../../../src/model/change.js";
import { ABSENT } from "../../../src/model/change.js";
import { arrayForm, documentForm, itemsOf, membersOf } from "../../../src/model/any-form.js";
import type { Member } from "../../../src/model/any-form.js";

/** An item set past the end of an array comes with nulls before it; the server refuses to add more of them. */
const PADDED_MAX = 1_500_000;

/** `either`: a number that is a place in an array, and a name anywhere else. */
export interface PathStep {
  readonly kind: "name" | "index" | "either";
  readonly name: string;
}

export class PatchTree {
  #form: string | undefined;
  #isRemoved = false;
  #size: number | undefined;
  readonly #inner = new Map<string, { readonly step: PathStep; readonly tree: PatchTree }>();

  set(path: readonly PathStep[], form: string): void {
    this.#at(path).#form = form;
  }

  remove(path: readonly PathStep[]): void {
    this.#at(path).#isRemoved = true;
  }

  truncate(path: readonly PathStep[], size: number): void {
    this.#at(path).#size = size;
  }

  /** The form after the edits; undefined where they do not fit it. `before` may be ABSENT. */
  apply(before: string): string | undefined {
    if (this.#form !== undefined) return this.#form;
    if (this.#isRemoved) return before === ABSENT ? undefined : ABSENT;
    const items = itemsOf(before);
    if (items !== undefined) return this.#applyToItems(items);
    const members = this.#size === undefined ? membersOf(before) : undefined;
    return members === undefined ? undefined : this.#applyToMembers(members);
  }

  #at(path: readonly PathStep[]): PatchTree {
    const [step, ...rest] = path;
    if (step === undefined) return this;
    let inner = this.#inner.get(step.name);
    if (inner === undefined) this.#inner.set(step.name, (inner = { step, tree: new PatchTree() }));
    return inner.tree.#at(rest);
  }

  #applyToItems(before: readonly string[]): string | undefined {
    const size = this.#size ?? before.length;
    if (size > before.length) return undefined;
    const items = before.slice(0, size);
    for (const { step, tree } of this.#inner.values()) {
      const index = Number(step.name);
      if (step.kind === "name" || index - items.length > PADDED_MAX) return undefined;
      const form = tree.apply(items[index] ?? ABSENT);
      // An item is never removed by itself: the server sends the array, or cuts its end.
      if (form === undefined || form === ABSENT) return undefined;
      while (items.length < index) items.push("null");
      items[index] = form;
    }
    return arrayForm(items);
  }

  #applyToMembers(before: readonly Member[]): string | undefined {
    const members = new MemberList(before);
    for (const { step, tree } of this.#inner.values()) {
      if (step.kind === "index") return undefined;
      const form = tree.apply(members.formOf(step.name));
      if (form === undefined) return undefined;
      members.put(step.name, form);
    }
    return documentForm(members.all());
  }
}

export function patchOf(tree: PatchTree): FieldPatch {
  return (before) => tree.apply(before);
}

class MemberList {
  readonly #members: (Member | undefined)[];
  readonly #places = new Map<string, number>();

  constructor(members: readonly Member[]) {
    this.#members = [...members];
    for (const [place, { key }] of members.entries()) {
      // Of a name that stands twice the server, too, finds the first.
      if (!this.#places.has(key)) this.#places.set(key, place);
    }
  }

  formOf(key: string): string {
    const place = this.#places.get(key);
    return place === undefined ? ABSENT : (this.#members[place]?.form ?? ABSENT);
  }

  /** In its place, or behind all others; ABSENT takes it away. */
  put(key: string, form: string): void {
    const place = this.#places.get(key) ?? this.#members.length;
    this.#members[place] = form === ABSENT ? undefined : { key, form };
    this.#places.set(key, place);
  }

  all(): Member[] {
    return this.#members.filter((member) => member !== undefined);
  }
}
