/** The values of a row after a change, as far as the change and the kept document tell them. */
import type { RowChange, Values } from "../model/change.js";
import type { KeptDocument } from "../model/document.js";
import type { BoundRule } from "../rules/rule.js";
import type { Before } from "./state-entries.js";

/**
 * The change's values; what it leaves out comes from what was kept of the row in this copy. What an
 * earlier copy kept says nothing: the stream may have missed changes since.
 */
export function knownValues(
  change: RowChange,
  { own, previous }: Before,
  { bound, copy }: { readonly bound: BoundRule | undefined; readonly copy: number },
): Values {
  const { op, values, patches } = change;
  if (bound === undefined || op === "insert" || bound.isComplete(values)) return values;
  const before = change.previous === undefined ? own : previous;
  if (before?.copy !== copy) return values;
  const known =
    before.pending === "" ? bound.fill(values, before) : pendingOf(bound, before, values);
  for (const [at, patch] of patches ?? []) {
    const form = known[at];
    if (form !== undefined) known[at] = patch(form);
  }
  return known;
}

function pendingOf(bound: BoundRule, before: KeptDocument, values: Values): (string | undefined)[] {
  const pending = bound.unpackPending(before.pending);
  return values.map((value, at) => value ?? pending[at]);
}
