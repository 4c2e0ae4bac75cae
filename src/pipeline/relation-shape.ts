/**
 * What the documents of a (rule, relation) pair were made from, as a durable text: it tells whether they
 * still stand after the relation or the rule became another.
 */
import type { Column, ChannelKind } from "../model/table.js";
import type { BoundRule } from "../rules/rule.js";

export interface PairShape {
  /** Of the relation, in its order. */
  readonly columns: readonly string[];
  readonly identity: readonly string[];
  /** Of the client's table. */
  readonly output: readonly string[];
  readonly table: string;
  readonly key: readonly string[];
  readonly kind: ChannelKind;
  readonly keyHoldsIdentity: boolean;
}

export function shapeOf(bound: BoundRule): PairShape {
  const { relation, table, key, keyHoldsIdentity, rule } = bound;
  return {
    // Fields that other rules name are no part of an open relation's shape; its own are in the rule's version.
    columns: relation.isOpen === true ? [] : relation.columns.map(columnText),
    identity: relation.identity,
    output: bound.columns.map(columnText),
    ...{ table, key, kind: rule.kind, keyHoldsIdentity },
  };
}

/** Columns were only added behind the others, and the rule puts none of them out: its documents stand as they are. */
export function stands(before: PairShape, after: PairShape): boolean {
  const told = ({ identity, output, table, key, kind, keyHoldsIdentity }: PairShape): string =>
    JSON.stringify([identity, output, table, key, kind, keyHoldsIdentity]);
  const kept = after.columns.slice(0, before.columns.length);
  return told(before) === told(after) && JSON.stringify(kept) === JSON.stringify(before.columns);
}

/**
 * Documents are rewritten one after the other. Where a new row's key can be that of another document's old
 * row, the old row's deletion would take the new one along: then the old ones have to go first, together.
 */
export function collides(before: PairShape, after: PairShape): boolean {
  if (before.kind !== after.kind) return true;
  if (after.kind === "events" || before.table !== after.table) return false;
  const isSameKey = JSON.stringify(before.key) === JSON.stringify(after.key);
  return !isSameKey || !before.keyHoldsIdentity || !after.keyHoldsIdentity;
}

function columnText({ name, type, of, native }: Column): string {
  return JSON.stringify([name, type, of ?? "", native ?? ""]);
}
