/**
 * What one changed row makes of one document under one rule: pure, and the only place where channels are
 * entered and left. The kept document answers what the change leaves open, so nothing is guessed (I8).
 *
 * What cannot be mapped is parked with its reason (I11): its known values wait in `pending`, and the next
 * change of the row, or the next copy, tries again.
 */
import { must } from "../base/assert.js";
import { AppError } from "../base/errors.js";
import { ABSENT } from "../model/change.js";
import type { RowChange, Values, WholeRow } from "../model/change.js";
import type { KeptDocument, Parked } from "../model/document.js";
import type { ChannelKind } from "../model/table.js";
import type { DocumentChange, DocumentState, DraftEntry } from "../journal/journal.js";
import type { BoundRule, Rule, RuleOutput } from "../rules/rule.js";
import { knownValues } from "./known-values.js";
import { removalEntries, stateEntries } from "./state-entries.js";

/** A rule over a relation, as far as one change needs it. */
export interface RouteContext {
  readonly rule: Rule;
  readonly relation: string;
  /** Undefined: the rule does not fit the relation as it is now. */
  readonly bound: BoundRule | undefined;
  readonly schema: number;
  readonly copy: number;
  readonly ruleVersion: number;
  /** Existing rows can be read, so what nobody knows will come. */
  readonly canCopy: boolean;
  /** Source position of the change. */
  readonly position: string;
  readonly at: number;
  readonly kindOf: (channel: string) => ChannelKind | undefined;
}

export interface KeptPair {
  /** The document of the change's identity. */
  readonly own: KeptDocument | undefined;
  /** That of the identity before. */
  readonly previous: KeptDocument | undefined;
}

export interface Routed {
  /** In the order in which they stand in the unit. */
  readonly changes: readonly DocumentChange[];
  /** Why it was parked. */
  readonly parked: string | undefined;
  /** A value is unknown: the relation has to be copied. */
  readonly waits: boolean;
  /** What the change did inside a value does not fit the one that was known. */
  readonly isMisfit?: true;
}

const NOTHING: Routed = { changes: [], parked: undefined, waits: false };
const EMPTY = new Uint8Array(0);

function routed(changes: readonly DocumentChange[]): Routed {
  return { changes, parked: undefined, waits: false };
}

/** A change of the stream. */
export function routeRow(change: RowChange, kept: KeptPair, context: RouteContext): Routed {
  if (change.identity === null) return routeUnkept(change, context);
  if (change.op === "delete") return routeDelete(change.identity, kept.own, context);
  const { identity, whole } = change;
  const updated = whole === undefined ? updatedOutput(change, kept, context) : undefined;
  if (updated !== undefined) {
    return show(
      { change, identity, values: undefined, whole, kept, copied: false },
      updated,
      context,
    );
  }
  const known = whole === undefined ? knownValues(change, kept, context) : undefined;
  const values = known?.values;
  const routed = routeValues({ change, identity, values, whole, kept, copied: false }, context);
  return known?.isMisfit === true ? { ...routed, isMisfit: true } : routed;
}

export interface CopiedRow {
  readonly identity: string;
  readonly leaf?: string;
  readonly values: Values;
}

/** A row of an initial copy. `events` get no entry from it, unless a change waited for its values. */
export function routeCopied(
  row: CopiedRow,
  own: KeptDocument | undefined,
  context: RouteContext,
): Routed {
  const kept = { own, previous: undefined };
  const change = { op: own === undefined ? "insert" : "update", leaf: row.leaf } as const;
  const copied = own === undefined || !isWaiting(own);
  const { identity, values } = row;
  return routeValues({ change, identity, values, whole: undefined, kept, copied }, context);
}

/** Values of the stream are still missing (a parked document knows all of its own). */
export function isWaiting(document: KeptDocument): boolean {
  return document.pending !== "" && document.parked === undefined;
}

/** The document is gone from everywhere. `silent`: `events` channels are not told. */
export function routeDelete(
  identity: string,
  own: KeptDocument | undefined,
  context: Pick<RouteContext, "rule" | "relation">,
  silent = false,
): Routed {
  if (own === undefined) return NOTHING;
  const { rule, relation } = context;
  const isState = rule.kind === "state";
  const told = !silent || isState;
  const entries = told ? removalEntries(own, { kind: rule.kind, op: "d" }) : [];
  const document = { rule: rule.name, relation, identity };
  return routed([{ document, state: null, entries }]);
}

interface Row {
  readonly change: { readonly op: RowChange["op"]; readonly leaf?: string | undefined } & Pick<
    Partial<RowChange>,
    "previous" | "values"
  >;
  readonly identity: string;
  /** Undefined: those of the change, which is whole. */
  readonly values: Values | undefined;
  readonly whole: WholeRow | undefined;
  readonly kept: KeptPair;
  /** It says nothing new to `events`. */
  readonly copied: boolean;
}

function routeValues(row: Row, context: RouteContext): Routed {
  const { bound } = context;
  if (bound === undefined) {
    const message = `rule ${context.rule.name} does not fit ${context.relation} as it is now`;
    return park(row, new AppError("PIPELINE_RULE_UNBOUND", message), context);
  }
  if (row.whole === undefined && !bound.isComplete(valuesOf(row))) {
    if (context.canCopy) return wait(row, bound, context);
    const message = `rule ${context.rule.name}: a row of ${context.relation} lacks a value`;
    return park(row, new AppError("PIPELINE_VALUE_UNKNOWN", message), context);
  }
  let output: RuleOutput;
  try {
    output = evaluated(row, bound);
    assertKinds(output.channels, context);
  } catch (error) {
    if (error instanceof AppError) return park(row, error, context);
    throw error;
  }
  return show(row, output, context);
}

function valuesOf({ values, change }: Row): Values {
  return must(values ?? change.values, "the values of a row");
}

function evaluated(row: Row, bound: BoundRule): RuleOutput {
  const { evaluateWhole } = bound;
  const made = row.whole === undefined ? undefined : evaluateWhole?.(row.whole);
  return made ?? bound.evaluate(valuesOf(row));
}

/**
 * Of most updates: what is told, put into the kept body. Undefined for all others, those that fail among them,
 * which are evaluated from their values.
 */
function updatedOutput(
  { op, values, patches, previous }: RowChange,
  { own }: KeptPair,
  context: RouteContext,
): RuleOutput | undefined {
  const { bound, copy } = context;
  if (op !== "update" || patches !== undefined || previous !== undefined) return undefined;
  if (bound?.evaluateUpdate === undefined || own?.copy !== copy || own.pending !== "") {
    return undefined;
  }
  if (values.includes(ABSENT)) return undefined;
  try {
    const output = bound.evaluateUpdate(values, own);
    if (output !== undefined) assertKinds(output.channels, context);
    return output;
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

function show(row: Row, output: RuleOutput, context: RouteContext): Routed {
  const { channels, body, key, hidden } = output;
  const { table } = must(context.bound, "a bound rule");
  const { schema, ruleVersion, copy } = context;
  const leaf = row.change.leaf ?? "";
  // Spelled out: per row, and V8 copies objects with `...` several times slower.
  const state: DocumentState = {
    body,
    key,
    hidden,
    channels,
    table,
    schema,
    ruleVersion,
    copy,
    leaf,
    pending: "",
    parked: undefined,
  };
  if (context.rule.kind === "state") return asState(row, state, context);
  const { previous } = row.kept;
  // A row under another key is another row to whoever reads the history.
  const left =
    previous === undefined || previous.key === key
      ? []
      : removalEntries(previous, { kind: "events", op: "d" });
  const op = row.change.op === "insert" || left.length > 0 ? "i" : "u";
  const entries = row.copied ? [] : channels.map((channel) => rowEntry(channel, op, state));
  return routed(documentChanges(row, { state, entries, left }, context));
}

/** The difference against what the channels hold, however the row got here. */
function asState(row: Row, state: DocumentState, context: RouteContext): Routed {
  const { own, previous } = row.kept;
  const { left, entries } = stateEntries({ own, previous }, state);
  return routed(documentChanges(row, { state, entries, left }, context));
}

/** The values wait for the copy. What is shown stays, unless the row now has another identity. */
function wait(row: Row, bound: BoundRule, context: RouteContext): Routed {
  const pending = bound.packPending(valuesOf(row));
  const routed = unmapped(row, { pending, parked: undefined, keeps: true }, context);
  return { ...routed, waits: true };
}

function park(row: Row, error: AppError, context: RouteContext): Routed {
  const { position, at, bound, rule } = context;
  const parked: Parked = { code: error.code, message: error.message, position, at };
  const pending = bound?.packPending(valuesOf(row)) ?? "";
  const keeps = rule.onError === "keep";
  return { ...unmapped(row, { pending, parked, keeps }, context), parked: error.code };
}

/** A document without new content: keeps what it shows, or leaves its channels. */
function unmapped(
  row: Row,
  how: { readonly pending: string; readonly parked: Parked | undefined; readonly keeps: boolean },
  context: RouteContext,
): Routed {
  const { own } = row.kept;
  const { pending, parked } = how;
  const keeps = how.keeps && row.change.previous === undefined;
  const { copy, ruleVersion, schema, bound } = context;
  const state: DocumentState = {
    body: own?.body ?? EMPTY,
    key: own?.key ?? "",
    table: own?.table ?? bound?.table ?? "",
    schema: own?.schema ?? schema,
    hidden: own?.hidden ?? "",
    channels: keeps ? (own?.targets.map(({ channel }) => channel) ?? []) : [],
    // What stays shown was made by an older rule, which may be hidden: it must remain so.
    ruleVersion: keeps ? (own?.ruleVersion ?? ruleVersion) : ruleVersion,
    ...{ pending, parked, copy, leaf: row.change.leaf ?? "" },
  };
  if (context.rule.kind === "state") return asState(row, state, context);
  return routed(documentChanges(row, { state, entries: [], left: [] }, context));
}

function documentChanges(
  row: Row,
  made: {
    readonly state: DocumentState;
    readonly entries: readonly DraftEntry[];
    /** Entries by which the document of the identity before leaves. */
    readonly left: readonly DraftEntry[];
  },
  { rule, relation }: RouteContext,
): DocumentChange[] {
  const { state, entries, left } = made;
  const document = { rule: rule.name, relation, identity: row.identity };
  const changes: DocumentChange[] = [];
  if (row.change.previous !== undefined && row.kept.previous !== undefined) {
    const before = { ...document, identity: row.change.previous };
    changes.push({ document: before, state: null, entries: left });
  }
  changes.push({ document, state, entries });
  return changes;
}

/** A row of a table without identity: nothing is kept, so only `events` can have it. */
function routeUnkept(change: RowChange, context: RouteContext): Routed {
  const { bound, rule, relation, position, kindOf } = context;
  if (bound === undefined || rule.kind === "state") {
    return { ...NOTHING, parked: "PIPELINE_RULE_UNBOUND" };
  }
  if (!bound.isComplete(change.values)) return { ...NOTHING, parked: "PIPELINE_VALUE_UNKNOWN" };
  try {
    const { channels, body, key } = bound.evaluate(change.values);
    assertKinds(channels, { rule, position, kindOf });
    const op = change.op === "insert" ? "i" : change.op === "update" ? "u" : "d";
    const shown = { body: op === "d" ? key : body, table: bound.table };
    const entries = channels.map((channel) =>
      rowEntry(channel, op, { ...shown, schema: context.schema }),
    );
    if (entries.length === 0) return NOTHING;
    const feeder = { rule: rule.name, relation };
    return routed([{ document: null, state: null, entries, feeder }]);
  } catch (error) {
    if (error instanceof AppError) return { ...NOTHING, parked: error.code };
    throw error;
  }
}

function rowEntry(
  channel: string,
  op: "i" | "u" | "d",
  { table, schema, body }: Pick<DocumentState, "table" | "schema" | "body">,
): DraftEntry {
  return { channel, kind: "events", op, table, schema, body };
}

function assertKinds(
  channels: readonly string[],
  { rule, kindOf }: Pick<RouteContext, "rule" | "position" | "kindOf">,
): void {
  for (const channel of channels) {
    const kind = kindOf(channel);
    if (kind === undefined || kind === rule.kind) continue;
    const message = `rule ${rule.name} is of kind ${rule.kind}; its channel ${channel} is of kind ${kind}`;
    throw new AppError("PIPELINE_CHANNEL_KIND", message);
  }
}
