/** What a huge unit remembers of the parts that it has written. */
import type { KeptDocument } from "../model/document.js";
import type { RowKey } from "./row-key.js";

/** Where a huge unit keeps what it changed and flushed. */
export interface SpilledDocuments {
  /** Null: gone. Undefined: the unit did not change it. */
  get(key: RowKey): KeptDocument | null | undefined;
  forget(prefix: string): Promise<void>;
}
