/**
 * From the stream's batches to transactions as the pipeline takes them. Changes that were written alone and
 * came in one answer are handed on together: the journal would fuse them anyway, and each hand-over has a price.
 */
import type { Change, SourceBatch, TransactionBatch } from "../../src/model/change.js";
import { markOf, type ChangeGroup, type ChangeGroups } from "./change-groups.js";
import type { UntoldDocument } from "./change-reader.js";
import type { StreamBatch } from "./resuming-stream.js";
import { withoutUntold, type Settling } from "./settling.js";
import { positionOfChange, positionOfIdle, positionOfOpen } from "./stream-position.js";
import { secondsOf, timeOfToken, type ClusterTime } from "./stream-position.js";

/** What is handed on, and becomes visible, together; below the pipeline's bound for huge transactions. */
const WINDOW_BYTES_MAX = 256 * 1024;
const WINDOW_COUNT_MAX = 1_000;

/** Of one huge transaction; with more its collections are copied again. */
const UNTOLD_MAX = 100_000;

export interface TransactionMakerOptions {
  readonly groups: ChangeGroups;
  readonly settling: Settling;
  /** An empty answer proves that nothing of its time can follow: not so where several shards are merged. */
  readonly endsTimes: boolean;
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
  #position: string;

  constructor(options: TransactionMakerOptions) {
    this.#options = options;
    this.#renewed = options.renewed;
    this.#position = options.position;
  }

  async *take(batch: StreamBatch): AsyncGenerator<SourceBatch> {
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
    const due = this.#options.settling.due(last.time);
    const found = window.findIndex(({ untold }) => untold.length > 0);
    const unclear = found >= 0 ? found : due.length > 0 ? window.length - 1 : window.length;
    yield* this.#clear(window.slice(0, unclear));
    const rest = window.slice(unclear);
    if (rest.length > 0) yield await this.#settled(rest, due);
  }

  /** Everything is told: transactions each on its own, the others together. */
  *#clear(window: readonly ChangeGroup[]): Generator<SourceBatch> {
    let alone: ChangeGroup[] = [];
    for (const group of window) {
      if (group.transaction === undefined) {
        alone.push(group);
        continue;
      }
      if (alone.length > 0) yield this.#batch(alone, changesOf(alone));
      alone = [];
      yield this.#batch([group], group.changes);
    }
    if (alone.length > 0) yield this.#batch(alone, changesOf(alone));
  }

  async #settled(
    window: readonly ChangeGroup[],
    due: readonly UntoldDocument[],
  ): Promise<SourceBatch> {
    const untold: { document: UntoldDocument; before: number }[] = [];
    let count = 0;
    for (const group of window) {
      for (const each of group.untold) untold.push({ document: each, before: count + each.before });
      count += group.changes.length;
    }
    const documents = [...untold.map(({ document }) => document), ...due];
    const read = await this.#options.settling.settle(documents, timeOfLast(window));
    const changes = [...withoutUntold(changesOf(window), untold), ...read];
    return this.#batch(window, changes);
  }

  #batch(groups: readonly ChangeGroup[], changes: readonly Change[]): TransactionBatch {
    const [first] = groups;
    const last = groups[groups.length - 1];
    if (first === undefined || last === undefined) throw new RangeError("a batch without a group");
    const position = positionOfChange(last.time, last.token, last.ordinal);
    let bytes = 0;
    for (const group of groups) bytes += group.bytes;
    return this.#made({
      kind: "transaction",
      transaction: first.transaction ?? position,
      part: 0,
      last: true,
      position,
      mark: "",
      committedAt: last.committedAt,
      changes: this.#withRenewed(changes),
      bytes,
    });
  }

  /** A part of a transaction whose end has not come: where that is, is not known yet. */
  #part(group: ChangeGroup): TransactionBatch {
    const { transaction, time, firstToken, committedAt, changes, bytes, parts } = group;
    if (group.untold.length > UNTOLD_MAX) this.#giveUp(group);
    return this.#made({
      ...{ kind: "transaction", transaction: transaction ?? firstToken, part: parts, last: false },
      position: positionOfOpen(time, firstToken),
      mark: markOf(time, transaction),
      ...{ committedAt, changes: this.#withRenewed(changes), bytes },
    });
  }

  async *#end(group: ChangeGroup): AsyncGenerator<SourceBatch> {
    const read = await this.#options.settling.settle(group.untold, group.time);
    yield { ...this.#part({ ...group, changes: [...group.changes, ...read] }), last: true };
  }

  #giveUp(group: ChangeGroup): void {
    const relations = new Set(group.untold.map(({ collection }) => collection.relation));
    group.untold = [];
    this.#renewed = [...this.#renewed, ...renewals(relations)];
  }

  async *#idle(batch: StreamBatch): AsyncGenerator<SourceBatch> {
    const { token, documents, isBeginning, isCurrent } = batch;
    const isHead = documents.length === 0;
    const own = positionOfIdle(token, isHead && !isBeginning && this.#options.endsTimes);
    // Long tokens are told apart by an ordinal, which an idle place has not.
    const position = own < this.#position ? this.#position : own;
    const time = timeOfToken(token);
    const due = this.#options.settling.due(time);
    if (position > this.#position && due.length + this.#renewed.length > 0) {
      yield await this.#late(position, time, due);
    }
    this.#position = position;
    yield { kind: "idle", position, atHead: isHead && isCurrent };
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

function changesOf(groups: readonly ChangeGroup[]): readonly Change[] {
  const [only] = groups;
  if (groups.length === 1 && only !== undefined) return only.changes;
  const changes: Change[] = [];
  for (const group of groups) for (const change of group.changes) changes.push(change);
  return changes;
}

function timeOfLast(groups: readonly ChangeGroup[]): ClusterTime {
  return groups[groups.length - 1]?.time ?? "";
}
