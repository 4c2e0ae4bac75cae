/** Turns a draft into the bytes that are made durable and the unit that readers and write-back see. */
import { assert } from "../base/assert.js";
import type { SourcePosition } from "../model/position.js";
import type { TableSchema } from "../model/table.js";
import { BlockEncoder } from "./block-encoder.js";
import { feedTable } from "./document-key.js";
import { DocumentPlaces } from "./document-places.js";
import type { Draft } from "./draft.js";
import type { DraftBase } from "./draft-base.js";
import type { DraftHead } from "./draft-head.js";
import { epochOf } from "./head-state.js";
import type { HeadState } from "./head-state.js";
import type { LogNumber } from "./journal.js";
import { LazyContents } from "./lazy-contents.js";
import { NO_CONTENTS } from "./unit.js";
import type { Unit, UnitChannel } from "./unit.js";

export interface UnitFacts {
  readonly log: LogNumber;
  readonly at: number;
  /** Parked documents before the unit. */
  readonly parkedBefore: number;
  readonly hiding: ReadonlyMap<string, number>;
  readonly schemas: readonly TableSchema[];
  readonly positions: ReadonlyMap<string, SourcePosition>;
}

export interface FinishedUnit {
  readonly unit: Unit;
  /** The heads that the unit leaves behind. */
  readonly heads: ReadonlyMap<string, HeadState>;
}

export function finishBlock(draft: Draft, facts: UnitFacts): FinishedUnit {
  const channels = new Map<string, UnitChannel>();
  const heads = new Map<string, HeadState>();
  const parked = facts.parkedBefore + draft.parkedDelta;
  const contents = new LazyContents();
  const { block, documents } = draft.take((encoder) => {
    for (const head of draft.heads.values()) {
      if (!head.isTouched) continue;
      const { name, kind, epoch, from, serial: to } = head;
      const counts = head.counts();
      const after = head.after(to, epoch, counts);
      const { written } = after;
      heads.set(name, after);
      channels.set(name, {
        ...{ kind, epoch, from, to, written, counts },
        contents: contentsOf(contents, name),
      });
      if (counts.size > 0 || kind === "events") encoder.counts(head, written, counts);
    }
    writeFacts(encoder, facts, parked);
    return encoder.finish(facts.log, facts.at);
  });
  contents.block = block;
  const { log, at, hiding } = facts;
  const { truncated } = draft;
  return { unit: { log, at, channels, documents, truncated, parked, hiding, block }, heads };
}

/** The commit of a huge unit: its channels get their serials and epochs here. */
export function finishParts(
  draft: Draft,
  base: DraftBase,
  facts: UnitFacts,
  parts: { readonly id: string; readonly count: number },
): FinishedUnit {
  const channels = new Map<string, UnitChannel>();
  const heads = new Map<string, HeadState>();
  const parked = facts.parkedBefore + draft.parkedDelta;
  const encoder = new BlockEncoder("commit");
  encoder.unit(parts.id, parts.count);
  for (const head of draft.heads.values()) {
    if (!head.isTouched) continue;
    const before = base.head(head.name);
    head.rebase(before);
    checkCleared(head, before);
    const { name, kind } = head;
    const epoch = epochOf(before, facts.log);
    const from = before?.serial ?? 0;
    const to = from + head.serial;
    const counts = head.counts();
    const after = head.after(to, epoch, counts);
    const { written } = after;
    heads.set(name, after);
    channels.set(name, {
      ...{ kind, epoch, from, to, written, counts },
      contents: () => NO_CONTENTS,
    });
    encoder.unitChannel({ name, kind, epoch, from, to, written, counts });
  }
  writeFacts(encoder, facts, parked);
  const { log, at, hiding } = facts;
  const block = encoder.finish(log, at);
  const nothing = { documents: new DocumentPlaces(), truncated: new Set<string>() };
  return { unit: { log, at, channels, ...nothing, parked, hiding, block }, heads };
}

/** Outside of `finishBlock`, so that it holds no draft: a unit lives far longer. */
function contentsOf(contents: LazyContents, channel: string): UnitChannel["contents"] {
  return () => contents.of(channel);
}

/** Between a truncation in a part and the commit, other sources go on: none may have begun to feed the table. */
function checkCleared(head: DraftHead, before: HeadState | undefined): void {
  const cleared = head.cleared();
  for (const feed of cleared) {
    for (const other of before?.feeds.keys() ?? []) {
      const isAnother = !cleared.includes(other) && feedTable(other) === feedTable(feed);
      assert(!isAnother, () => `${feed} was truncated in ${head.name}, which ${other} feeds now`);
    }
  }
}

function writeFacts(encoder: BlockEncoder, facts: UnitFacts, parked: number): void {
  for (const [rule, version] of facts.hiding) encoder.hiding(rule, version);
  for (const schema of facts.schemas) encoder.schema(schema);
  for (const [source, position] of facts.positions) encoder.position(source, position);
  encoder.parked(parked);
}
