/**
 * What a connector is: a plug-in that knows one kind of source. It reads, and it tells; it does not retry
 * for ever, log at error level, read the environment or exit: it throws AppErrors and its caller decides.
 * connectors/README.md teaches how to write one; test/contract/connector.contract.ts proves one.
 */
import type { Clock, Random } from "../base/clock.js";
import type { Log } from "../base/log.js";
import type { Relation, RowChange, SourceBatch } from "../model/change.js";
import type { SourcePosition } from "../model/position.js";
import type { Problem } from "../model/problem.js";

export interface Connector<Options = unknown> {
  /** The word after `connector:` in the YAML. */
  readonly name: string;
  /** Its sources keep no lists of columns (`Relation.isOpen`). */
  readonly isOpen?: true;
  /** JSON schema of the options, for the published schema of the YAML. */
  readonly optionsSchema: Readonly<Record<string, unknown>>;
  /** The options of one source, or everything that is wrong with them, paths relative to the source. */
  parseOptions(
    raw: unknown,
  ): { readonly options: Options } | { readonly problems: readonly Problem[] };
  /** Does the I/O: connects, creates what it may, and says what the source holds. */
  open(context: OpenContext<Options>): Promise<SourceSession>;
  /** Asks the source whether `open` and the rules can work. Changes nothing. Problems have no path. */
  check(context: OpenContext<Options>): Promise<CheckReport>;
  /** A position as people or apps write it, in the form of `SourceBatch.position`; undefined if it is none. */
  parsePosition(text: string): string | undefined;
}

/** What `check` found. */
export interface CheckReport {
  readonly problems: readonly Problem[];
  /** What the patterns match now, as `SourceSession.relations`; empty where the source could not be asked. */
  readonly relations: readonly Relation[];
  /** What rules can expect of the source: sentences for people, no problems. */
  readonly notes?: readonly string[];
}

export interface OpenContext<Options> {
  readonly source: string;
  readonly options: Options;
  /** Relation names or patterns (`*` for any run of characters) that rules read from; never empty. */
  readonly relations: readonly string[];
  /** Fields of a relation that rules name, each once: what a source without lists of columns has to tell. */
  readonly fields: (relation: string) => readonly string[];
  /** What the journal holds; undefined before the first start. */
  readonly resume: SourcePosition | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** One connection attempt. After any rejection only `memo` and `close` may be called. */
export interface SourceSession {
  /** `resume.generation`; one more when the source's history is not the one the journal knows; 1 at first. */
  readonly generation: number;
  /** Why the generation is a new one. */
  readonly lost: Problem | undefined;
  /** What the patterns match now. Relations that appear later come with their first change. */
  readonly relations: readonly Relation[];
  /** By relation: where its rows come from now. A session that sees it change ends. */
  readonly origins?: ReadonlyMap<string, Origin>;
  /** Batches after the journal's position, in commit order, until the signal (it may end or throw the reason) or a failure. Called once. Asking for the next batch is the flow control. Begins with an idle batch where nothing is waiting. */
  read(signal: AbortSignal): AsyncIterable<SourceBatch>;
  /** Everything up to `position` is durable with us (I1). Never waits, never throws; may be called with older positions. */
  acknowledge(position: string): void;
  /** What to keep beside a position: from memory, once per journal commit. It may know of batches yielded after that position, never of fewer. At most 256 KiB. */
  memo(): string;
  /** How far the source is ahead of `position`; undefined where it can't tell. */
  lag?(position: string): Promise<SourceLag | undefined>;
  /** The power to read existing rows; absent where there are none (an outbox). */
  readonly copy?: CopyPower;
  /** Ends the connection. May be called twice. */
  close(): Promise<void>;
}

/** Rows can come and go with a table or a partition, unseen by the stream: whoever keeps documents compares. */
export interface Origin {
  /** Another one whenever the relation was made anew, or changes may have been missed meanwhile. */
  readonly id: string;
  /** All of them; undefined where they are not told. */
  readonly partitions?: readonly Partition[];
}

export interface Partition {
  /** Another one whenever the partition was attached anew. */
  readonly id: string;
  /** As `RowChange.leaf`. */
  readonly leaf: string;
  /** False: it held no rows when it became a partition, so that every one has come, or will come, by the stream. */
  mayHaveBegunWithRows(): Promise<boolean>;
}

export interface SourceLag {
  readonly bytes?: number;
  readonly ms?: number;
}

/** Reads existing rows, chunk by chunk, beside the stream. */
export interface CopyPower {
  chunk(request: ChunkRequest, signal: AbortSignal): Promise<CopyChunk>;
  /** About how many rows; undefined where it is not known. */
  estimate(relation: Relation): Promise<number | undefined>;
}

export interface ChunkRequest {
  readonly relation: Relation;
  /** `CopyChunk.next` of the chunk before; undefined for the first. */
  readonly after: string | undefined;
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/**
 * Rows as of a moment that includes every transaction yielded by `read` before the request. When the stream has
 * passed `hi`, it has shown every change that the rows may already include or lack.
 */
export interface CopyChunk {
  /** In the order of the key; each with all values known. */
  readonly rows: readonly CopyRow[];
  readonly hi: string;
  /** Where the next chunk starts; undefined after the last one. Opaque, at most 256 KiB. */
  readonly next: string | undefined;
}

export type CopyRow = Required<Pick<RowChange, "values">> &
  Pick<RowChange, "leaf"> & { readonly relation: Relation; readonly identity: string };
