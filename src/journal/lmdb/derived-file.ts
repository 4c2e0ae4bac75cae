/** The derived file: its tables by name, and typed reads of single rows. Write-back and retention write it. */
import { turnOfLoop } from "../../base/turn.js";
import type { KeptDocument } from "../../model/document.js";
import { readDocument } from "../document-codec.js";
import type { ShownDocument } from "../document-codec.js";
import { docPrefix } from "../document-key.js";
import type { DocId } from "../document-key.js";
import { docRowKey } from "../document-order.js";
import type { LogNumber } from "../journal.js";
import { idOfRowKey } from "../row-key.js";
import type { RowKey } from "../row-key.js";
import { SLICE_ROWS } from "../turn.js";
import type { EnvironmentOptions, Row, RowRange, Snapshot, Table } from "./environment.js";
import { JournalFile } from "./journal-file.js";
import { endOf, feedChannel, keyAfter, readNumber, textKey } from "./row-keys.js";
import { decodeHead } from "./row-values.js";
import type { HeadRow } from "./row-values.js";

/** Keys of the table `meta`. */
export const MetaKey = {
  /** W: everything up to this log number is in the derived tables. */
  watermark: Buffer.from("watermark"),
  parked: Buffer.from("parked"),
  /** The commit of the huge unit that is being merged. */
  merging: Buffer.from("merging"),
  /** Rows of units above W and up to this log number may be in the derived tables: of one batch, to be written again. */
  writing: Buffer.from("writing"),
} as const;

export class DerivedFile extends JournalFile {
  readonly meta: Table;
  readonly documents: Table;
  readonly index: Table;
  readonly rows: Table;
  readonly heads: Table;
  readonly feeds: Table;
  readonly parked: Table;
  readonly tombstones: Table;
  readonly times: Table;

  constructor(options: EnvironmentOptions) {
    super(options);
    this.meta = this.environment.table("meta");
    this.documents = this.environment.table("documents");
    this.index = this.environment.table("index");
    this.rows = this.environment.table("rows");
    this.heads = this.environment.table("heads");
    this.feeds = this.environment.table("feeds");
    this.parked = this.environment.table("parked");
    this.tombstones = this.environment.table("tombstones");
    this.times = this.environment.table("times");
  }

  number(key: Buffer, snapshot?: Snapshot): number {
    const value = this.meta.get(key, snapshot);
    return value === undefined ? 0 : readNumber(value);
  }

  watermark(snapshot?: Snapshot): LogNumber {
    return this.number(MetaKey.watermark, snapshot);
  }

  head(channel: string, snapshot?: Snapshot): HeadRow | undefined {
    const value = this.heads.get(textKey(channel), snapshot);
    return value === undefined
      ? undefined
      : this.reading(`the head of ${channel}`, () => decodeHead(value));
  }

  document(id: DocId, snapshot?: Snapshot): KeptDocument | undefined {
    const value = this.documents.get(docRowKey(id), snapshot);
    return value === undefined ? undefined : this.decoded(id, value);
  }

  documentAt(key: RowKey, snapshot?: Snapshot): KeptDocument | undefined {
    const value = this.documents.get(key.view(), snapshot);
    if (value === undefined) return undefined;
    return this.reading(
      () => `document ${JSON.stringify(key.id())}`,
      () => readDocument(value),
    );
  }

  /** Reads what a lap sends of the document, with its key where that is wanted; false where it is not there. */
  showsAt(key: RowKey, into: ShownDocument, wantsKey: boolean, snapshot?: Snapshot): boolean {
    const value = this.documents.peek(key.view(), snapshot);
    if (value === undefined) return false;
    try {
      into.read(value, wantsKey);
    } catch (error) {
      throw this.readFailure(`document ${JSON.stringify(key.id())}`, error);
    }
    return true;
  }

  decoded(id: DocId, value: Buffer): KeptDocument {
    return this.reading(
      () => `document ${JSON.stringify(id)}`,
      () => readDocument(value),
    );
  }

  /** The document of a row of `documents`, under its whole id. */
  documentRow({ key, value }: Row): { readonly id: DocId; readonly document: KeptDocument } {
    return this.reading("a row of documents", () => {
      const document = readDocument(value);
      return { id: idOfRowKey(key, document.identity), document };
    });
  }

  /** Channels that a rule, or one relation under it, feeds. */
  async fedChannels(rule: string, relation: string | undefined): Promise<Set<string>> {
    const channels = new Set<string>();
    await this.eachUnder(this.feeds, textKey(docPrefix(rule, relation)), (row) => {
      channels.add(feedChannel(row.key));
    });
    return channels;
  }

  /**
   * Calls `see` for every row whose key begins with `prefix` (empty: for every row), in slices, with `between` after each: rows may
   * change there.
   */
  async eachUnder(
    table: Table,
    prefix: Buffer,
    see: (row: Row) => void,
    between: () => Promise<void> = turnOfLoop,
  ): Promise<void> {
    const under = prefix.length === 0 ? {} : { start: prefix, end: endOf(prefix) };
    let range: RowRange = { ...under, limit: SLICE_ROWS };
    for (;;) {
      let count = 0;
      let last: Buffer | undefined;
      for (const row of table.range(range)) {
        count += 1;
        last = row.key;
        see(row);
      }
      await between();
      if (last === undefined || count < SLICE_ROWS) return;
      range = { ...range, start: keyAfter(last) };
    }
  }
}
