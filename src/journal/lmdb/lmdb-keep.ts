/** Keeps a journal in two LMDB files: what is true in the blocks file, what can be made from it in the derived one. */
import { turnOfLoop } from "../../base/turn.js";
import type { KeptDocument } from "../../model/document.js";
import { docPrefix } from "../document-key.js";
import type { TakenBlock } from "../draft.js";
import type { SpilledDocuments } from "../spilled-documents.js";
import type { HeadState } from "../head-state.js";
import type { JournalSettings } from "../journal-settings.js";
import type { Carried, JournalKeep } from "../journal-desk.js";
import type { ScannedDocument, ScanRequest } from "../journal.js";
import type { Overlay } from "../overlay.js";
import type { RowKey } from "../row-key.js";
import type { ReleasedState } from "../released-state.js";
import type { BlockAppends } from "./block-appends.js";
import type { BlocksFile } from "./blocks-file.js";
import type { DerivedFile } from "./derived-file.js";
import type { DerivedQueue } from "./derived-queue.js";
import { documentPage, parkedUnder } from "./document-pages.js";
import type { LmdbReader } from "./lmdb-reader.js";

export interface LmdbKeepParts {
  readonly blocks: BlocksFile;
  readonly appends: BlockAppends;
  readonly file: DerivedFile;
  readonly overlay: Overlay;
  readonly queue: DerivedQueue;
  readonly released: ReleasedState;
  readonly reader: LmdbReader;
  readonly settings: JournalSettings;
  /** Told of each block that is durable. */
  readonly onBlock: (log: number, bytes: number) => void;
  /** Ends what else runs, before the files are closed. */
  readonly onClose: () => Promise<void>;
}

export class LmdbKeep implements JournalKeep {
  readonly reader: LmdbReader;
  readonly #parts: LmdbKeepParts;

  constructor(parts: LmdbKeepParts) {
    this.#parts = parts;
    this.reader = parts.reader;
  }

  // ------------------------------------------------------------ what drafts see

  head(channel: string): HeadState | undefined {
    return this.#parts.overlay.head(channel) ?? this.#parts.file.head(channel);
  }

  document(key: RowKey): KeptDocument | undefined {
    const own = this.#parts.overlay.documentAt(key, Infinity);
    if (own === null) return undefined;
    return own ?? this.#parts.file.documentAt(key);
  }

  async fedChannels(rule: string, relation: string | undefined): Promise<readonly string[]> {
    const { file, overlay } = this.#parts;
    const prefix = docPrefix(rule, relation);
    // First: while the file is read, page by page, a head may go from the overlay into a page that was read already.
    const channels = new Set<string>();
    for (const [channel, { head }] of overlay.heads()) {
      if (isFed(head, prefix)) channels.add(channel);
    }
    for (const channel of await file.fedChannels(rule, relation)) channels.add(channel);
    for (const [channel, { head }] of overlay.heads()) {
      if (isFed(head, prefix)) channels.add(channel);
      else channels.delete(channel);
    }
    return [...channels];
  }

  parkedUnder(prefix: string): Promise<number> {
    return parkedUnder(this.#parts.file, this.#parts.overlay, prefix);
  }

  // ------------------------------------------------------------ appends

  install({ finished }: Carried): void {
    if (finished !== undefined) this.#parts.overlay.install(finished.unit, finished.heads);
  }

  async persist(carried: Carried): Promise<void> {
    await this.#parts.appends.append(carried);
    const { finished } = carried;
    if (finished !== undefined) this.#parts.onBlock(finished.unit.log, finished.unit.block.length);
  }

  async release({ finished, parts, after, schemas }: Carried): Promise<void> {
    const { blocks, overlay, queue, released } = this.#parts;
    const unit = finished?.unit;
    if (unit !== undefined && parts !== undefined) {
      await queue.merge(unit);
      await blocks.discardUnit(parts.id);
    } else if (unit !== undefined) {
      overlay.release(unit);
      queue.add(unit);
    }
    released.release({ unit, schemas }, after, parts !== undefined);
  }

  // ------------------------------------------------------------ parts of huge units

  spilled(unit: string): SpilledDocuments {
    return this.#parts.blocks.spilled(unit);
  }

  writePart(unit: string, part: number, taken: TakenBlock): Promise<void> {
    return this.#parts.blocks.writePart(unit, part, taken);
  }

  discardParts(unit: string): Promise<void> {
    return this.#parts.blocks.discardUnit(unit);
  }

  // ------------------------------------------------------------ the rest

  async scan({ rule, relation, after, limit }: ScanRequest): Promise<readonly ScannedDocument[]> {
    const { file, overlay, queue } = this.#parts;
    // Everything that is to be seen has a derived row then: its pages are read from these alone.
    if (after === undefined) await queue.flush();
    // Sessions, sources and the write-back have their turn between pages: there can be millions of documents.
    else await turnOfLoop();
    return documentPage(file, overlay, { prefix: docPrefix(rule, relation), after, limit });
  }

  async ready(): Promise<void> {
    const { queue, settings } = this.#parts;
    queue.assertSound();
    while (queue.bytes > settings.behindBytesMax) {
      await queue.progress();
      queue.assertSound();
    }
  }

  async close(): Promise<void> {
    const { appends, blocks, file, queue, reader, onClose } = this.#parts;
    reader.close();
    try {
      await queue.end().finally(() => appends.close());
    } finally {
      await onClose();
      await file.environment.close();
      await blocks.environment.close();
    }
  }
}

function isFed({ feeds }: HeadState, prefix: string): boolean {
  for (const feed of feeds.keys()) if (feed.startsWith(prefix)) return true;
  return false;
}
