/**
 * What the rest of the system sees of rules. compile.ts makes a `Rule` of its YAML; `bind` ties it to a
 * relation as the source describes it now; route.ts turns one change into what the journal keeps and sends.
 */
import type { Relation, Values, WholeRow } from "../model/change.js";
import type { Problem } from "../model/problem.js";
import type { ChannelKind, Column } from "../model/table.js";

export interface Rule {
  readonly name: string;
  readonly source: string;
  readonly kind: ChannelKind;
  /** Where it stands in the configuration. */
  readonly path: readonly (string | number)[];
  /** Relation names or patterns, as in `from`. */
  readonly from: readonly string[];
  readonly onError: "remove" | "keep";
  /** Top-level fields of the source that it names, to put out or in expressions. */
  readonly fields: readonly string[];
  /** Channel patterns that cover every channel the rule can feed; ["*"] where it can't be told. */
  readonly channelPatterns: readonly string[];
  /** Hash over everything that decides the output; equal text means equal mapping. */
  readonly fingerprint: string;
  reads(relation: string): boolean;
  /** Problems when the relation lacks a field, a usable key … */
  bind(relation: Relation): BoundRule | { readonly problems: readonly Problem[] };
}

export interface BoundRule {
  readonly rule: Rule;
  readonly relation: Relation;
  /** The client's table. */
  readonly table: string;
  /** Output columns. */
  readonly columns: readonly Column[];
  /** Output key columns; empty for `events` without a key. */
  readonly key: readonly string[];
  /** The key holds every identity column verbatim: no two documents of the relation ever share a key, at any time. */
  readonly keyHoldsIdentity: boolean;
  /** Evaluates the rule over complete input values. Throws AppError RULE_EVALUATION_FAILED, RULE_TOO_MANY_CHANNELS, RULE_CHANNEL_INVALID, RULE_BODY_TOO_LARGE. */
  evaluate(values: readonly (string | undefined)[]): RuleOutput<string>;
  /**
   * The same, where the output tells every value that the rule needs; undefined where the row cannot write it so. The
   * body is then valid until the next evaluation.
   */
  readonly evaluateWhole?: ((row: WholeRow) => RuleOutput<Uint8Array> | undefined) | undefined;
  /**
   * There, too: the output with the values that a change tells put into the kept body; undefined where the kept
   * document does not tell the others. The body is valid until the next evaluation.
   */
  readonly evaluateUpdate?:
    ((values: Values, kept: KeptBytes) => RuleOutput<Uint8Array> | undefined) | undefined;
  /**
   * The change's values with what they leave out taken from the kept document; undefined stays where it is
   * needed by the rule but known by nobody.
   */
  fill(values: readonly (string | undefined)[], kept: KeptValues): (string | undefined)[];
  /** Whether every value that the rule needs is there. */
  isComplete(values: readonly (string | undefined)[]): boolean;
  /** The values that the rule needs, as a text for `KeptDocument.pending`, and back. */
  packPending(values: readonly (string | undefined)[]): string;
  unpackPending(pending: string): (string | undefined)[];
}

export interface KeptValues {
  /** As text or as its UTF-8 bytes. */
  readonly body: Uint8Array | string;
  readonly hidden: string;
}

export interface KeptBytes extends KeptValues {
  readonly body: Uint8Array;
}

export interface RuleOutput<Body extends Uint8Array | string = Uint8Array | string> {
  /** Passed `where`. Body and key are made also when it did not: the document is kept. */
  readonly passes: boolean;
  /** Without doubles, in the order the rule gave; empty when `where` failed. */
  readonly channels: readonly string[];
  /** As text or as its UTF-8 bytes. */
  readonly body: Body;
  readonly key: string;
  readonly hidden: string;
}
