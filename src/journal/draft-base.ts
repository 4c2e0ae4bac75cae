/** What drafts stand on. */
import type { KeptDocument } from "../model/document.js";
import type { HeadState } from "./head-state.js";
import type { RowKey } from "./row-key.js";

/** What a draft sees of everything that was appended before it. */
export interface DraftBase {
  head(channel: string): HeadState | undefined;
  document(key: RowKey): KeptDocument | undefined;
  /** Below this rule version a document of the rule is hidden; 0 where none is. */
  hidingBelow(rule: string): number;
  /** Every channel that the relations of a rule feed; maybe such too as they feed no more since it was asked. */
  fedChannels(rule: string, relation: string | undefined): Promise<readonly string[]>;
  /** How many documents of the relation that the prefix names are parked. */
  parkedUnder(prefix: string): Promise<number>;
  /** The newest version of a table's schema. */
  schemaOf(table: string): number;
}
