/** From a raw change to what it says about a relation: rows, emptied or replaced collections. */
import { ABSENT } from "../../src/model/change.js";
import type { Change, RowChange, Values } from "../../src/model/change.js";
import type { Collections, WatchedCollection } from "./collections.js";
import { unreadableChange, type Namespace, type RawChange } from "./raw-change.js";
import { identityOf } from "./values/identity.js";

export interface ReadChange {
  /** In their order; none where the change says nothing to us. */
  readonly changes: readonly Change[];
  /** The document has to be read: the change does not tell what became of the fields that rules name. */
  readonly untold: UntoldDocument | undefined;
  /** Something happened to a whole collection. */
  readonly isWhole: boolean;
}

export interface UntoldDocument {
  readonly collection: WatchedCollection;
  readonly identity: string;
  /** `documentKey`. */
  readonly key: Uint8Array;
}

const NOTHING: ReadChange = { changes: [], untold: undefined, isWhole: false };

export class ChangeReader {
  readonly #collections: Collections;

  constructor(collections: Collections) {
    this.#collections = collections;
  }

  read(raw: RawChange): ReadChange {
    const collection = this.#find(raw.namespace);
    switch (raw.kind) {
      case "insert":
        return collection === undefined ? NOTHING : whole(raw, collection, "insert");
      case "replace":
        return collection === undefined ? NOTHING : whole(raw, collection, "update");
      case "update":
        return collection === undefined ? NOTHING : updated(raw, collection);
      case "delete":
        return collection === undefined ? NOTHING : row(deletion(collection, keyOf(raw)));
      case "drop":
        return emptied(collection);
      case "rename":
        return this.#renamed(collection, raw);
      default:
        // Others, and those that newer servers bring, touch no document (M-14).
        return NOTHING;
    }
  }

  #find(namespace: Namespace | undefined): WatchedCollection | undefined {
    if (namespace?.collection === undefined) return undefined;
    return this.#collections.find(namespace.db, namespace.collection);
  }

  /** The old name is empty; under the new one stands what the stream did not show under it (`$out` too). */
  #renamed(from: WatchedCollection | undefined, { target }: RawChange): ReadChange {
    const to = this.#find(target);
    const renewed: Change[] = to === undefined ? [] : [{ op: "renew", relation: to.relation }];
    return { ...emptied(from), changes: [...emptied(from).changes, ...renewed], isWhole: true };
  }
}

/** What a read of the document made of it: all of it, or that it is gone. */
export function settled(
  { collection, identity, key }: UntoldDocument,
  document: Uint8Array | undefined,
): RowChange {
  if (document === undefined) return deletion(collection, key);
  const { relation, forms } = collection;
  return { op: "update", relation, identity, values: forms.document(document) };
}

function whole(raw: RawChange, collection: WatchedCollection, op: "insert" | "update"): ReadChange {
  if (raw.document === undefined) throw unreadableChange("fullDocument");
  const { relation, forms } = collection;
  const identity = identityOf(raw.document);
  return row({ op, relation, identity, values: forms.document(raw.document) });
}

function updated(raw: RawChange, collection: WatchedCollection): ReadChange {
  // A post-image: the document as it was then.
  if (raw.document !== undefined) return whole(raw, collection, "update");
  if (raw.update === undefined) throw unreadableChange("updateDescription");
  const { relation, forms, reading } = collection;
  const key = keyOf(raw);
  const identity = identityOf(key);
  const { values, patches, untold } = forms.update(raw.update, reading);
  if (untold.length > 0) {
    return { changes: [], untold: { collection, identity, key }, isWhole: false };
  }
  const told = withId(values, forms.document(key));
  const change: RowChange = { op: "update", relation, identity, values: told };
  return row(patches.size === 0 ? change : { ...change, patches });
}

function deletion({ relation, forms }: WatchedCollection, key: Uint8Array): RowChange {
  const id = forms.document(key);
  const values = relation.columns.map(() => undefined);
  return { op: "delete", relation, identity: identityOf(key), values: withId(values, id) };
}

/** The `_id` is the first column, and never changes. A key may hold a shard key beside it. */
function withId(values: Values, [id = ABSENT]: readonly string[]): Values {
  const told = [...values];
  told[0] = id;
  return told;
}

function emptied(collection: WatchedCollection | undefined): ReadChange {
  if (collection === undefined) return { ...NOTHING, isWhole: true };
  const { relation } = collection;
  return { changes: [{ op: "truncate", relation }], untold: undefined, isWhole: true };
}

function row(change: RowChange): ReadChange {
  return { changes: [change], untold: undefined, isWhole: false };
}

function keyOf({ key }: RawChange): Uint8Array {
  if (key === undefined) throw unreadableChange("documentKey");
  return key;
}
