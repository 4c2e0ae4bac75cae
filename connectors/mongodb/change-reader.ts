/** From a raw change to what it says about a relation: a row, or an emptied or replaced collection. */
import type { Change, RowChange } from "../../src/model/change.js";
import type { Collections, WatchedCollection } from "./collections.js";
import { DocumentChange } from "./document-change.js";
import { NOWHERE, readNamespace, unreadableChange, type RawChange } from "./raw-change.js";
import { isNamed } from "./values/bson-layout.js";
import { idOf } from "./values/identity.js";

/** Undefined where the change says nothing to us. */
export type ReadChange = RowChange | UntoldDocument | WholeChange | undefined;

/** The document has to be read: the change does not tell what became of the fields that rules name. */
export interface UntoldDocument {
  readonly op: "untold";
  readonly collection: WatchedCollection;
  readonly identity: string;
  /** `documentKey`. */
  readonly key: Uint8Array;
}

/** Something happened to a whole collection, or to several. */
export interface WholeChange {
  readonly op: "whole";
  /** In their order; none where they are not ours. */
  readonly changes: readonly Change[];
}

export class ChangeReader {
  readonly #collections: Collections;
  /** Of the change before: most are of the same collection. */
  #namespace: Uint8Array = new Uint8Array(0);
  #found: WatchedCollection | undefined;

  constructor(collections: Collections) {
    this.#collections = collections;
  }

  read(raw: RawChange): ReadChange {
    const { kind, namespaceAt, targetAt } = raw;
    const collection = this.#find(raw, namespaceAt);
    switch (kind) {
      case "insert":
        return collection && whole(raw, collection, "insert");
      case "replace":
        return collection && whole(raw, collection, "update");
      case "update":
        return collection && updated(raw, collection);
      case "delete":
        return collection && deletion(collection, raw.bytes, keyAt(raw));
      case "drop":
        return { op: "whole", changes: emptied(collection) };
      case "rename": {
        // Under the new name stands what the stream did not show under it (`$out` too).
        const to = this.#find(raw, targetAt);
        const renewed: Change[] = to === undefined ? [] : [{ op: "renew", relation: to.relation }];
        return { op: "whole", changes: [...emptied(collection), ...renewed] };
      }
      default:
        // Others, and those that newer servers bring, touch no document (M-14).
        return undefined;
    }
  }

  #find({ bytes }: RawChange, at: number): WatchedCollection | undefined {
    if (at === NOWHERE) return undefined;
    const end = at + this.#namespace.length;
    if (this.#namespace.length > 0 && isNamed(this.#namespace, bytes, at, end)) return this.#found;
    const { db, collection } = readNamespace(bytes, at);
    this.#found = collection === undefined ? undefined : this.#collections.find(db, collection);
    this.#namespace = Uint8Array.from(bytes.subarray(at, at + bytes.readInt32LE(at)));
    return this.#found;
  }
}

/** What a read of the document made of it: all of it, or that it is gone. */
export function settled(
  { collection, identity, key }: UntoldDocument,
  document: Uint8Array | undefined,
): RowChange {
  if (document === undefined) return deletion(collection, key, 0);
  const { relation, forms } = collection;
  return { op: "update", relation, identity, values: forms.document(document) };
}

function whole(
  { bytes, documentAt }: RawChange,
  collection: WatchedCollection,
  op: "insert" | "update",
): RowChange {
  if (documentAt === NOWHERE) throw unreadableChange("fullDocument");
  return new DocumentChange(op, collection, bytes, documentAt);
}

function updated(raw: RawChange, collection: WatchedCollection): ReadChange {
  // A post-image: the document as it was then.
  if (raw.documentAt !== NOWHERE) return whole(raw, collection, "update");
  if (raw.updateAt === NOWHERE) throw unreadableChange("updateDescription");
  const { bytes } = raw;
  const { relation, forms, reading } = collection;
  const { identity, form } = idOf(bytes, keyAt(raw));
  const { values, patches, untold } = forms.update(bytes, reading, raw.updateAt);
  if (untold.length > 0) return { op: "untold", collection, identity, key: keyOf(raw) };
  // The `_id` is the first column, and never changes.
  values[0] = form;
  if (patches.size === 0) return { op: "update", relation, identity, values };
  return { op: "update", relation, identity, values, patches };
}

/** A key may hold a shard key beside the `_id`. */
function deletion({ relation }: WatchedCollection, bytes: Uint8Array, at: number): RowChange {
  const { identity, form } = idOf(bytes, at);
  const values = new Array<string | undefined>(relation.columns.length).fill(undefined);
  values[0] = form;
  return { op: "delete", relation, identity, values };
}

function emptied(collection: WatchedCollection | undefined): readonly Change[] {
  return collection === undefined ? [] : [{ op: "truncate", relation: collection.relation }];
}

function keyAt(raw: RawChange): number {
  if (raw.keyAt === NOWHERE) throw unreadableChange("documentKey");
  return raw.keyAt;
}

/** A copy: it is kept longer than the batch. */
function keyOf(raw: RawChange): Uint8Array {
  const at = keyAt(raw);
  return Uint8Array.from(raw.bytes.subarray(at, at + raw.bytes.readInt32LE(at)));
}
