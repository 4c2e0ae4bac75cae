/**
 * From the stream's batches to transactions as the pipeline takes them: groups of changes, and where one has
 * documents that must be read, all from it to the end of a window, which become visible together.
 */
import type { Change, SourceBatch, TransactionBatch } from "../../src/model/change.js";
import { markOfGroup, timeOfGroup, WINDOW_BYTES_MAX, WINDOW_COUNT_MAX } from "./change-groups.js";
import type { ChangeGroup, ChangeGroups, UntoldChange } from "./change-groups.js";
import { tokenOf } from "./raw-change.js";
import type { StreamBatch } from "./resuming-stream.js";
import type { UntoldDocument } from "./change-reader.js";
import { withoutUntold, type Settling } from "./settling.js";
import { positionOfChange, positionOfIdle, positionOfOpen } from "./stream-position.js";
import { secondsOf, timeOfToken, type ClusterTime } from "./stream-position.js";

/** Of one huge transaction; with more its collections are copied again. */
const UNTOLD_MAX = 100_000;

export interface TransactionMakerOptions {
  readonly groups: ChangeGroups;
  readonly settling: Settling;
  /** To be journaled first: collections that have to be copied again. */
  readonly renewed: readonly Change[];
  /** The journal's; "" where reading begins anew. */
  readonly position: string;
}

export class TransactionMaker {
  readonly #options: TransactionMakerOptions;
  #window: ChangeGroup[] = [];
  #bytes = 0;
  #count = 0;
  #renewed: readonly Change[];
  /** Those of the transaction that is out. */
  #told: readonly Change[] = [];
  #position: string;

  constructor(options: TransactionMakerOptions) {
    this.#options = options;
    this.#renewed = options.renewed;
    this.#position = options.position;
  }

  /** Relations with documents that run ahead of the stream, or to be copied again: what the pipeline has not taken yet. */
  get ahead(): readonly string[] {
    const renewed = [...this.#told, ...this.#renewed].map(({ relation }) => relation.name);
    return [...new Set([...this.#options.settling.relations, ...renewed])];
  }

  async *take(batch: StreamBatch): AsyncGenerator<SourceBatch> {
    for await (const made of this.#make(batch)) {
      yield made;
      // The next one is asked for: this one was taken. Of a transaction in parts that is so with the last.
      if (made.kind === "transaction" && made.last) this.#taken();
    }
  }

  #taken(): void {
    this.#told = [];
    this.#options.settling.taken();
  }

  async *#make(batch: StreamBatch): AsyncGenerator<SourceBatch> {
    const { groups } = this.#options;
    let yielded = 0;
    for (const grouped of groups.take(batch)) {
      if ("part" in grouped) {
        yield* this.#flush();
        yield this.#part(grouped.part);
      } else if (grouped.group.parts > 0) yield* this.#end(grouped.group);
      else {
        const { group } = grouped;
        if (group.isWhole || this.#isFull) yield* this.#flush();
        this.#gather(group);
        if (group.isWhole) yield* this.#flush();
      }
      yielded += 1;
    }
    yield* this.#flush();
    if (groups.isOpen || (yielded > 0 && batch.documents.length > 0)) return;
    yield* this.#idle(batch);
  }

  get #isFull(): boolean {
    return this.#bytes >= WINDOW_BYTES_MAX || this.#count >= WINDOW_COUNT_MAX;
  }

  #gather(group: ChangeGroup): void {
    this.#window.push(group);
    this.#bytes += group.bytes;
    this.#count += group.changes.length + group.untold.length;
  }

  async *#flush(): AsyncGenerator<SourceBatch> {
    const window = this.#window;
    this.#window = [];
    this.#bytes = 0;
    this.#count = 0;
    const last = window.at(-1);
    if (last === undefined) return;
    const due = this.#options.settling.due(timeOfGroup(last));
    const found = window.findIndex(({ untold }) => untold.length > 0);
    const unclear = found >= 0 ? found : due.length > 0 ? window.length - 1 : window.length;
    for (const group of window.slice(0, unclear)) yield this.#batch([group], group.changes);
    const rest = window.slice(unclear);
    if (rest.length > 0) yield await this.#settled(rest, due);
  }

  async #settled(
    window: readonly ChangeGroup[],
    due: readonly UntoldDocument[],
  ): Promise<SourceBatch> {
    const untold: UntoldChange[] = [];
    const told: Change[] = [];
    for (const group of window) {
      for (const { document, before } of group.untold) {
        untold.push({ document, before: told.length + before });
      }
      for (const change of group.changes) told.push(change);
    }
    const documents = [...untold.map(({ document }) => document), ...due];
    const read = await this.#options.settling.settle(documents, timeOfGroup(lastOf(window)));
    const changes = [...withoutUntold(told, untold), ...read];
    return this.#batch(window, changes);
  }

  #batch(groups: readonly ChangeGroup[], changes: readonly Change[]): TransactionBatch {
    const last = lastOf(groups);
    const position = positionOfChange(timeOfGroup(last), tokenOf(last.last), last.ordinal);
    let bytes = 0;
    for (const group of groups) bytes += group.bytes;
    return this.#made({
      kind: "transaction",
      transaction: groups[0]?.transaction ?? position,
      part: 0,
      last: true,
      position,
      mark: "",
      committedAt: last.last.committedAt,
      changes: this.#withRenewed(changes),
      bytes,
    });
  }

  /** A part of a transaction whose end has not come: where that is, is not known yet. */
  #part(group: ChangeGroup): TransactionBatch {
    const { transaction, first, last, changes, bytes, parts } = group;
    const time = timeOfGroup(group);
    const firstToken = tokenOf(first);
    if (group.untold.length > UNTOLD_MAX) this.#giveUp(group);
    return this.#made({
      ...{ kind: "transaction", transaction: transaction ?? firstToken, part: parts, last: false },
      position: positionOfOpen(time, firstToken),
      mark: markOfGroup(group),
      ...{ committedAt: last.committedAt, changes: this.#withRenewed(changes), bytes },
    });
  }

  async *#end(group: ChangeGroup): AsyncGenerator<SourceBatch> {
    const untold = group.untold.map(({ document }) => document);
    const read = await this.#options.settling.settle(untold, timeOfGroup(group));
    yield { ...this.#part({ ...group, changes: [...group.changes, ...read] }), last: true };
  }

  #giveUp(group: ChangeGroup): void {
    const relations = new Set(group.untold.map(({ document }) => document.collection.relation));
    group.untold = [];
    this.#renewed = [...this.#renewed, ...renewals(relations)];
  }

  async *#idle(batch: StreamBatch): AsyncGenerator<SourceBatch> {
    const { token, documents, endsTime, isCurrent } = batch;
    const own = positionOfIdle(token, endsTime);
    // Long tokens are told apart by an ordinal, which an idle place has not.
    const position = own < this.#position ? this.#position : own;
    const time = timeOfToken(token);
    const due = this.#options.settling.due(time);
    if (position > this.#position && due.length + this.#renewed.length > 0) {
      yield await this.#late(position, time, due);
    }
    this.#position = position;
    yield { kind: "idle", position, atHead: documents.length === 0 && isCurrent };
  }

  /** What has to be said although nothing was written. */
  async #late(
    position: string,
    time: ClusterTime,
    due: readonly UntoldDocument[],
  ): Promise<TransactionBatch> {
    const changes = await this.#options.settling.settle(due, time);
    return this.#made({
      ...{ kind: "transaction", transaction: position, part: 0, last: true, position, mark: "" },
      committedAt: secondsOf(time) * 1000,
      ...{ changes: this.#withRenewed(changes), bytes: 0 },
    });
  }

  #withRenewed(changes: readonly Change[]): readonly Change[] {
    if (this.#renewed.length === 0) return changes;
    const all = [...changes, ...this.#renewed];
    this.#told = [...this.#told, ...this.#renewed];
    this.#renewed = [];
    return all;
  }

  #made(batch: TransactionBatch): TransactionBatch {
    this.#position = batch.position;
    return batch;
  }
}

export function renewals(relations: Iterable<Change["relation"]>): readonly Change[] {
  return [...relations].map((relation) => ({ op: "renew", relation }));
}

function lastOf(groups: readonly ChangeGroup[]): ChangeGroup {
  const last = groups[groups.length - 1];
  if (last === undefined) throw new RangeError("a batch without a group");
  return last;
}
