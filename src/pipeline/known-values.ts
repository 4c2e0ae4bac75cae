/** The values of a row after a change, as far as the change and the kept document tell them. */
import type { RowChange, Values } from "../model/change.js";
import type { KeptDocument } from "../model/document.js";
import type { BoundRule } from "../rules/rule.js";
import type { Before } from "./state-entries.js";

export interface Known {
  readonly values: Values;
  /** A patch did not fit a value that was known, which is unknown since. */
  readonly isMisfit: boolean;
}

/**
 * The change's values; what it leaves out comes from what was kept of the row in this copy. What an
 * earlier copy kept says nothing: the stream may have missed changes since.
 */
export function knownValues(
  change: RowChange,
  { own, previous }: Before,
  { bound, copy }: { readonly bound: BoundRule | undefined; readonly copy: number },
): Known {
  const { op, values, patches } = change;
  if (bound === undefined || op === "insert" || bound.isComplete(values)) return asTold(values);
  const before = change.previous === undefined ? own : previous;
  if (before?.copy !== copy) return asTold(values);
  const known =
    before.pending === "" ? bound.fill(values, before) : pendingOf(bound, before, values);
  let isMisfit = false;
  for (const [at, patch] of patches ?? []) {
    const form = known[at];
    if (form === undefined) continue;
    known[at] = patch(form);
    isMisfit ||= known[at] === undefined;
  }
  return { values: known, isMisfit };
}

function asTold(values: Values): Known {
  return { values, isMisfit: false };
}

function pendingOf(bound: BoundRule, before: KeptDocument, values: Values): (string | undefined)[] {
  const pending = bound.unpackPending(before.pending);
  return values.map((value, at) => value ?? pending[at]);
}
