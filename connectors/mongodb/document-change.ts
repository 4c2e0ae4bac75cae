/**
 * A change that brings a whole document: it stays BSON, where it came, until somebody asks for its values, so that
 * documents that wait are no work for the collector.
 */
import type { Relation, RowChange, Values, WholeRow } from "../../src/model/change.js";
import type { WatchedCollection } from "./collections.js";
import { idOf } from "./values/identity.js";

export class DocumentChange implements RowChange {
  readonly op: "insert" | "update";
  readonly relation: Relation;
  readonly identity: string;
  readonly #collection: WatchedCollection;
  readonly #bytes: Buffer;
  readonly #at: number;

  constructor(
    op: "insert" | "update",
    collection: WatchedCollection,
    bytes: Buffer,
    /** Where the document begins. */
    at: number,
  ) {
    this.op = op;
    this.relation = collection.relation;
    this.identity = idOf(bytes, at).identity;
    this.#collection = collection;
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Made anew by each call. */
  get values(): Values {
    return this.#collection.forms.document(this.#bytes, this.#at);
  }

  /** Valid until that of the next change is asked for. */
  get whole(): WholeRow | undefined {
    return this.#collection.forms.whole(this.#bytes, this.#at);
  }
}
