/** One connection to a scripted source: reads its log behind a place, and copies its tables. */
import { channelMatches } from "../../src/model/channel.js";
import type { Change, Relation, SourceBatch, TransactionBatch } from "../../src/model/change.js";
import type { Problem } from "../../src/model/problem.js";
import type {
  ChunkRequest,
  CopyChunk,
  CopyPower,
  OpenContext,
  SourceLag,
  SourceSession,
} from "../../src/connector/connector.js";
import type { LoggedTransaction, ScriptedSource } from "./scripted-source.js";

export class ScriptedSession implements SourceSession {
  readonly generation: number;
  readonly lost: Problem | undefined;
  readonly relations: readonly Relation[];
  readonly copy: CopyPower;
  readonly #source: ScriptedSource;
  readonly #name: string;
  readonly #patterns: readonly string[];
  readonly #connection: number;
  /** That of the connection: the source may have lost it since. */
  readonly #history: string;
  #position: string;

  constructor(source: ScriptedSource, context: OpenContext<unknown>) {
    const { resume } = context;
    // The history stands in the memo, so that it is known before the first transaction too. What was
    // acknowledged is kept no longer: an older place (of a restored journal) has lost what came after it.
    const isOurs =
      resume === undefined || (resume.memo === source.history && resume.position >= source.slot);
    this.generation = (resume?.generation ?? 1) + (isOurs ? 0 : 1);
    this.lost = isOurs ? undefined : historyLost(context.source);
    this.#source = source;
    this.#name = context.source;
    this.#patterns = context.relations;
    this.#connection = source.connect();
    this.#history = source.history;
    this.#position = isOurs && resume !== undefined ? resume.position : source.slot;
    this.relations = source.relations.filter(({ name }) => this.#isWanted(name));
    this.copy = {
      chunk: (request) => this.#chunk(request),
      estimate: async ({ name }) => source.table(name)?.rows().length,
    };
  }

  async *read(signal: AbortSignal): AsyncGenerator<SourceBatch> {
    let shown = "";
    for (;;) {
      if (signal.aborted) return;
      this.#source.assertConnected(this.#connection, this.#name);
      const next = this.#source.after(this.#position);
      if (next !== undefined) {
        this.#position = next.position;
        yield* this.#parts(next);
        continue;
      }
      const { head } = this.#source;
      if (head > shown) {
        shown = head;
        this.#position = head;
        yield { kind: "idle", position: head, atHead: true };
        continue;
      }
      if (await this.#source.play()) continue;
      // What happened while the script was asked woke nobody.
      this.#source.assertConnected(this.#connection, this.#name);
      if (this.#source.head > shown) continue;
      await this.#source.moved.wait(signal);
    }
  }

  acknowledge(position: string): void {
    // In another history the position means something else.
    if (this.#history !== this.#source.history) return;
    if (position > this.#source.slot) this.#source.release(position);
  }

  memo(): string {
    return this.#history;
  }

  async lag(position: string): Promise<SourceLag> {
    this.#source.assertConnected(this.#connection, this.#name);
    return { bytes: Math.max(0, Number(this.#source.head) - Number(position)) };
  }

  async close(): Promise<void> {
    // Nothing is held: the source outlives its connections.
  }

  *#parts({ changes, ...logged }: LoggedTransaction): Generator<SourceBatch> {
    const wanted = changes.filter((change) => this.#isWanted(change.relation.name));
    const { position, transaction, committedAt } = logged;
    if (wanted.length === 0) return;
    const size = this.#source.partCount;
    for (let at = 0; at < wanted.length; at += size) {
      const part = wanted.slice(at, at + size);
      const batch: TransactionBatch = {
        ...{ kind: "transaction", transaction, part: at / size, last: at + size >= wanted.length },
        ...{ position, mark: transaction, committedAt, changes: part, bytes: sizeOf(part) },
      };
      yield batch;
    }
  }

  async #chunk({ relation, after, rowsMax, bytesMax }: ChunkRequest): Promise<CopyChunk> {
    const source = this.#source;
    source.assertConnected(this.#connection, this.#name);
    const table = source.table(relation.name);
    const page = table?.page(after, rowsMax) ?? [];
    const hi = source.head;
    await source.chunkGate?.(relation.name);
    source.assertConnected(this.#connection, this.#name);
    let bytes = 0;
    const rows: CopyChunk["rows"][number][] = [];
    for (const { identity, values, leaf } of page) {
      for (const value of values) bytes += value.length;
      if (bytes > bytesMax && rows.length > 0) break;
      const row = { relation: table?.relation ?? relation, identity, values };
      rows.push(leaf === undefined ? row : { ...row, leaf });
    }
    const isWhole = rows.length === page.length && page.length < rowsMax;
    return { rows, hi, next: isWhole ? undefined : rows.at(-1)?.identity };
  }

  #isWanted(relation: string): boolean {
    return this.#patterns.some((pattern) => channelMatches(pattern, relation));
  }
}

function historyLost(source: string): Problem {
  return {
    code: "PIPELINE_SOURCE_RESYNC",
    level: "warning",
    message: `the history of ${source} is not the one that was read before`,
    cure: "Nothing: its tables are copied again.",
  };
}

function sizeOf(changes: readonly Change[]): number {
  let bytes = 0;
  for (const change of changes) {
    bytes += 100;
    if (change.op === "truncate" || change.op === "renew") continue;
    for (const value of change.values) bytes += value?.length ?? 0;
  }
  return bytes;
}
