/**
 * Turns changes of one source into documents and entries of a unit: the stream's, and the rows of copies.
 * Binds relations as they show up, so every row is mapped by the relation as it was when it changed.
 */
import type { Clock } from "../base/clock.js";
import type { Change, Relation, RowChange, TruncateChange, Values } from "../model/change.js";
import type { DocumentKey, KeptDocument } from "../model/document.js";
import type { JournalWriter, KeyList } from "../journal/journal.js";
import type { CopyChunk, CopyRow } from "../connector/connector.js";
import { must } from "../base/assert.js";
import type { OpenUnit } from "./committer.js";
import { isParts, spillIfFull } from "./committer.js";
import type { PipelineMetrics } from "./metrics.js";
import type { Pair } from "./pair.js";
import type { PipelineSettings } from "./pipeline-settings.js";
import { isWaiting, routeCopied, routeRow } from "./route.js";
import type { RouteContext, Routed } from "./route.js";
import type { Binding, SourceRules } from "./source-rules.js";
import { Truncation } from "./truncation.js";
import type { PatchedRow, Touched, TouchedRows } from "./touched.js";

/** Rows whose documents are read together. */
const SLICE = 1_000;

export interface RowWriterOptions {
  readonly source: string;
  readonly journal: JournalWriter;
  readonly rules: SourceRules;
  readonly touched: Touched;
  readonly clock: Clock;
  readonly metrics: PipelineMetrics;
  readonly settings: PipelineSettings;
  /** Existing rows can be read. */
  readonly canCopy: boolean;
  /** A pair became due. */
  readonly onDue: () => void;
}

/** The existing rows of one chunk. */
export interface CopiedRows {
  /** The pairs that are being copied. */
  readonly pairs: readonly Pair[];
  readonly chunk: CopyChunk;
  /** Rows that the stream touched meanwhile: they only fill what it left out. */
  readonly touched: TouchedRows;
  readonly position: string;
}

export class RowWriter {
  readonly #options: RowWriterOptions;
  readonly #truncation: Truncation;

  constructor(options: RowWriterOptions) {
    this.#options = options;
    const { journal, settings } = options;
    this.#truncation = new Truncation({ journal, identitiesMax: settings.sweepMax });
  }

  /** They may rewrite many documents at once: only a huge unit can take them. */
  isHeavy(changes: readonly Change[]): boolean {
    const { rules } = this.#options;
    return changes.some(
      ({ op, relation }) => op === "truncate" || rules.known(relation) === undefined,
    );
  }

  /** Changes of one transaction, in their order. */
  async apply(unit: OpenUnit, changes: readonly Change[], position: string): Promise<void> {
    let slice: RowChange[] = [];
    const end = async (): Promise<void> => {
      if (slice.length > 0) await this.#rows(unit, slice, position);
      slice = [];
    };
    for (const change of changes) {
      const isKnown = this.#options.rules.known(change.relation) !== undefined;
      const isRow = change.op !== "truncate" && change.op !== "renew";
      if (!isKnown || !isRow || slice.length >= SLICE) await end();
      if (!isKnown) await this.bind(unit, change.relation);
      if (change.op === "truncate") await this.#truncate(unit, change);
      else if (change.op === "renew") this.#renew(unit, change.relation);
      else slice.push(change);
    }
    await end();
  }

  /** The relation is another from now on; documents that cannot stand beside the new ones go first. */
  async bind(unit: OpenUnit, relation: Relation): Promise<void> {
    const { rules, touched, onDue } = this.#options;
    const { pairs, clears } = rules.bind(relation);
    touched.all(relation.name);
    for (const pair of clears) await this.#clear(unit, pair);
    for (const { fact } of pairs) unit.facts.set(...fact);
    onDue();
  }

  /** Rows of a chunk, as of the unit. */
  async copied(unit: OpenUnit, { pairs, chunk, touched, position }: CopiedRows): Promise<void> {
    const { settings } = this.#options;
    const { rows, hi } = chunk;
    for (let from = 0; from < rows.length; from += SLICE) {
      const slice = rows.slice(from, from + SLICE);
      await unit.draft.prepare(
        slice.flatMap(({ identity }) => pairs.map((pair) => keyOf(pair, identity))),
      );
      for (const pair of pairs) {
        const context = this.#context(unit, pair, position);
        for (const row of slice) {
          const own = unit.draft.document(keyOf(pair, row.identity));
          const values = touched.identities.has(row.identity)
            ? filled({ pair, own, row, touched, hi })
            : row.values;
          if (values === undefined) continue;
          const { identity, leaf } = row;
          const shown = leaf === undefined ? { identity, values } : { identity, values, leaf };
          this.#put(unit, pair, routeCopied(shown, own, context));
        }
      }
      await spillIfFull(unit, settings.blockBytesMax);
    }
    this.#options.metrics.copied(this.#options.source, rows.length);
  }

  async #rows(unit: OpenUnit, changes: readonly RowChange[], position: string): Promise<void> {
    const { rules, settings } = this.#options;
    const bindingOf = ({ relation }: RowChange): Binding =>
      must(rules.known(relation), "a bound relation");
    await unit.draft.prepare(new SliceKeys(changes, bindingOf));
    const contexts = new Map<Pair, RouteContext>();
    for (const change of changes) {
      this.#options.touched.row(change, position);
      for (const pair of bindingOf(change).pairs) {
        let context = contexts.get(pair);
        // A copy number may have risen within the slice.
        if (context?.copy !== pair.copy) {
          context = this.#context(unit, pair, position);
          contexts.set(pair, context);
        }
        this.#row(unit, pair, change, context);
      }
    }
    await spillIfFull(unit, settings.blockBytesMax);
  }

  #row(unit: OpenUnit, pair: Pair, change: RowChange, context: RouteContext): void {
    const { draft } = unit;
    const { identity, previous: before } = change;
    const previous = before === undefined ? undefined : draft.document(keyOf(pair, before));
    // Last, since the change is put next.
    const own = identity === null ? undefined : draft.document(keyOf(pair, identity));
    const routed = routeRow(change, { own, previous }, context);
    if (routed.isMisfit === true) this.#options.touched.misfit(change);
    this.#put(unit, pair, routed);
  }

  #put(unit: OpenUnit, pair: Pair, { changes, parked, waits }: Routed): void {
    const { metrics, source, onDue } = this.#options;
    for (const change of changes) {
      unit.draft.put(change);
      unit.entries += change.entries.length;
      // Truncations come in huge units only.
      if (change.document !== null && isParts(unit.draft)) {
        this.#truncation.saw(unit, change.document);
      }
    }
    if (parked !== undefined) metrics.parked(source, parked);
    if (waits) pair.waits();
    if (!waits || pair.isDue) return;
    pair.restart(false);
    unit.facts.set(...pair.fact);
    onDue();
  }

  async #truncate(unit: OpenUnit, change: TruncateChange): Promise<void> {
    const { rules, settings, touched, onDue } = this.#options;
    const { relation, leaf } = change;
    touched.all(relation.name);
    for (const pair of must(rules.known(relation), "a bound relation").pairs) {
      const isWhole = await this.#truncation.truncate(unit, pair, {
        leaf,
        spill: () => spillIfFull(unit, settings.blockBytesMax),
      });
      if (!isWhole) {
        // Too many to be known one by one: the next copy finds what is no longer there.
        pair.restart(true);
        unit.facts.set(...pair.fact);
        onDue();
      }
    }
  }

  /** What is kept stays shown until the copy has seen the other content. */
  #renew(unit: OpenUnit, relation: Relation): void {
    const { rules, touched, onDue } = this.#options;
    touched.all(relation.name);
    for (const pair of must(rules.known(relation), "a bound relation").pairs) {
      pair.restart(false);
      unit.facts.set(...pair.fact);
    }
    onDue();
  }

  async #clear(unit: OpenUnit, pair: Pair): Promise<void> {
    const { settings } = this.#options;
    await this.#truncation.clear(unit, pair, () => spillIfFull(unit, settings.blockBytesMax));
  }

  #context(unit: OpenUnit, pair: Pair, position: string): RouteContext {
    const { rule, relation, bound, schema, copy, ruleVersion } = pair;
    const { clock, canCopy } = this.#options;
    return {
      rule,
      relation,
      bound,
      schema,
      copy,
      ruleVersion,
      canCopy,
      position,
      at: clock.now(),
      kindOf: (channel) => unit.draft.kindOf(channel),
    };
  }
}

/** The documents that the changes are about. */
class SliceKeys implements KeyList {
  readonly length: number;
  readonly #changes: readonly RowChange[];
  readonly #bindingOf: (change: RowChange) => Binding;

  constructor(changes: readonly RowChange[], bindingOf: (change: RowChange) => Binding) {
    this.length = changes.length;
    this.#changes = changes;
    this.#bindingOf = bindingOf;
  }

  *[Symbol.iterator](): Generator<DocumentKey> {
    for (const change of this.#changes) {
      const { identity, previous } = change;
      for (const pair of this.#bindingOf(change).pairs) {
        if (identity !== null) yield keyOf(pair, identity);
        if (previous !== undefined) yield keyOf(pair, previous);
      }
    }
  }
}

function keyOf({ rule, relation }: Pair, identity: string): DocumentKey {
  return { rule: rule.name, relation, identity };
}

interface Filling {
  readonly pair: Pair;
  readonly own: KeptDocument | undefined;
  readonly row: CopyRow;
  readonly touched: TouchedRows;
  readonly hi: string;
}

/**
 * The row's values where the stream left some out; undefined where it told all, or deleted the row, or where the
 * chunk does not show the row that is there now: then it waits for another copy.
 */
function filled({ pair, own, row, touched, hi }: Filling): Values | undefined {
  if (own === undefined || !isWaiting(own) || own.copy !== pair.copy) return undefined;
  if (touched.outdated.has(row.identity)) return undefined;
  const patched = patchedAfter(touched, row, hi);
  const told = pair.bound?.unpackPending(own.pending);
  return told?.map((value, at) => value ?? patchedValue(row.values[at], at, patched));
}

/** Undefined where a patch does not fit: the row waits for another copy. */
function patchedValue(
  value: string | undefined,
  at: number,
  patched: readonly PatchedRow[],
): string | undefined {
  let form = value;
  for (const { patches } of patched) {
    const patch = patches.get(at);
    if (patch !== undefined && form !== undefined) form = patch(form);
  }
  return form;
}

/** What the row does not hold yet. */
function patchedAfter({ patched }: TouchedRows, row: CopyRow, hi: string): readonly PatchedRow[] {
  return patched.get(row.identity)?.filter(({ position }) => position > hi) ?? [];
}
