/** A rule over one relation: evaluates its rows by joining the values' JSON forms as they came. */
import { AppError, InvariantError } from "../base/errors.js";
import { formAt } from "../model/any-form.js";
import { ABSENT } from "../model/change.js";
import type { Relation, Values } from "../model/change.js";
import { BODY_BYTES_MAX } from "../model/limits.js";
import type { Column } from "../model/table.js";
import { ByteBodies, type ByteBody } from "./byte-bodies.js";
import { runExpression, type ChannelRouter } from "./channel-router.js";
import type { CalculatedColumn, CopiedColumn, OutputColumn } from "./column-plan.js";
import { celNameOf, FormFault } from "./computed-forms.js";
import { ValueMemory } from "./kept-values.js";
import type { BoundExpression, Row, RowEnvironment } from "./row-environment.js";
import type { BoundRule, KeptValues, Rule, RuleOutput } from "./rule.js";

export interface BoundParts {
  readonly table: string;
  readonly outputs: readonly OutputColumn[];
  readonly key: readonly string[];
  readonly where: BoundExpression | undefined;
  readonly route: ChannelRouter;
  readonly environment: RowEnvironment;
  /** Columns that expressions read. */
  readonly inputs: readonly string[];
}

const NO_CHANNELS: readonly string[] = [];

export class TableRule implements BoundRule {
  readonly rule: Rule;
  readonly relation: Relation;
  readonly table: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
  readonly keyHoldsIdentity: boolean;
  readonly outputs: readonly OutputColumn[];
  readonly #parts: BoundParts;
  readonly #memory: ValueMemory;
  /** Place of each key column among the outputs. */
  readonly #keyPlaces: readonly number[];
  readonly evaluateWhole: BoundRule["evaluateWhole"];
  readonly evaluateUpdate: BoundRule["evaluateUpdate"];

  constructor(rule: Rule, relation: Relation, parts: BoundParts) {
    this.rule = rule;
    this.relation = relation;
    this.table = parts.table;
    this.outputs = parts.outputs;
    this.columns = parts.outputs.map((output) => output.column);
    this.key = parts.key;
    this.#parts = parts;
    this.keyHoldsIdentity = holdsIdentity(relation, parts);
    this.#memory = new ValueMemory(relation, parts.outputs, parts.inputs);
    this.#keyPlaces = parts.key.map((name) =>
      parts.outputs.findIndex((output) => output.column.name === name),
    );
    const bodies = ByteBodies.of(relation, {
      ...{ outputs: parts.outputs, inputs: parts.inputs },
      ...{ keyPlaces: this.#keyPlaces, memory: this.#memory },
    });
    this.evaluateWhole = bodies && ((row) => this.#finished(bodies, bodies.whole(row)));
    this.evaluateUpdate =
      bodies && ((values, kept) => this.#finished(bodies, bodies.update(values, kept)));
  }

  evaluate(values: Values): RuleOutput<string> {
    const { where, route } = this.#parts;
    let made: Row | undefined;
    const row = (): Row => (made ??= this.#parts.environment.row(values));
    const passes = where === undefined || this.#passes(where, row());
    const forms = this.#forms(values, passes, row);
    const body = joined(forms);
    // No text takes more than three bytes per character.
    if (body.length * 3 > BODY_BYTES_MAX) this.#checkSize(Buffer.byteLength(body));
    return {
      passes,
      channels: passes ? route(values, row) : NO_CHANNELS,
      body,
      key: this.#keyOf(
        this.#keyPlaces.map((place) => forms[place] ?? "null"),
        passes,
      ),
      hidden: this.#memory.hide(values, forms),
    };
  }

  fill(values: Values, kept: KeptValues): (string | undefined)[] {
    return this.#memory.fill(values, kept);
  }

  isComplete(values: Values): boolean {
    return this.#memory.isComplete(values);
  }

  packPending(values: Values): string {
    return this.#memory.packPending(values);
  }

  unpackPending(pending: string): (string | undefined)[] {
    return this.#memory.unpackPending(pending);
  }

  #finished(bodies: ByteBodies, made: ByteBody | undefined): RuleOutput<Uint8Array> | undefined {
    if (made === undefined) return undefined;
    const { values, body } = made;
    const { where, route } = this.#parts;
    let known: Row | undefined;
    const row = (): Row => (known ??= this.#parts.environment.row(values));
    const passes = where === undefined || this.#passes(where, row());
    if (body.length > BODY_BYTES_MAX) this.#checkSize(body.length);
    const key = bodies.keySources.map((column) => bodies.written(values[column] ?? "null"));
    return {
      passes,
      channels: passes ? route(values, row) : NO_CHANNELS,
      body,
      key: this.#keyOf(key, passes),
      hidden: this.#memory.nothing,
    };
  }

  #passes(where: BoundExpression, row: Row): boolean {
    const value = runExpression(this.rule.name, "where", where, row);
    if (typeof value === "boolean") return value;
    const found = `where gave ${celNameOf(value)} instead of true or false`;
    throw this.#failed(found);
  }

  /** Computed and misfitting columns of a row that is not put out are null: `where` often guards them. */
  #forms(values: Values, passes: boolean, row: () => Row): string[] {
    const { outputs } = this.#parts;
    const forms = new Array<string>(outputs.length);
    for (let at = 0; at < outputs.length; at += 1) {
      const output = outputs[at];
      if (output === undefined) continue;
      if (output.kind === "calculated") {
        forms[at] = passes ? this.#calculate(output, row()) : "null";
        continue;
      }
      const form = values[output.source];
      if (form === undefined) throw new InvariantError("evaluating an incomplete row");
      if (form === ABSENT) forms[at] = "null";
      else forms[at] = output.cast === undefined ? form : this.#cast(output, form, passes);
    }
    return forms;
  }

  #cast({ path, column, cast }: CopiedColumn, form: string, passes: boolean): string {
    const part = path === undefined ? form : formAt(form, path);
    if (part === ABSENT || cast === undefined) return "null";
    try {
      return cast.write(part);
    } catch (error) {
      if (!passes && error instanceof FormFault) return "null";
      if (error instanceof FormFault)
        throw this.#failed(`the column ${column.name} ${error.message}`);
      throw error;
    }
  }

  #calculate(output: CalculatedColumn, row: Row): string {
    const { bound, write, column } = output;
    const what = `the column ${column.name}`;
    const value = runExpression(this.rule.name, what, bound, row);
    try {
      return write(value);
    } catch (error) {
      if (error instanceof FormFault) throw this.#failed(`${what} ${error.message}`);
      throw error;
    }
  }

  /** A NULL in a key would make rows that no store can find again. */
  #keyOf(forms: readonly string[], passes: boolean): string {
    let key = "";
    for (let at = 0; at < forms.length; at += 1) {
      const form = forms[at] ?? "null";
      if (form === "null" && passes && this.rule.kind === "state") {
        throw this.#failed(`the key column ${this.key[at] ?? ""} is null`);
      }
      key += key === "" ? form : `,${form}`;
    }
    return key;
  }

  #failed(found: string): AppError {
    const { name } = this.rule;
    return new AppError("RULE_EVALUATION_FAILED", `rule ${name}: ${found}`, {
      context: { rule: name, relation: this.relation.name },
    });
  }

  #checkSize(bytes: number): void {
    if (bytes <= BODY_BYTES_MAX) return;
    const { name } = this.rule;
    const message = `rule ${name}: the output of a document of ${this.relation.name} takes ${bytes} bytes`;
    throw new AppError("RULE_BODY_TOO_LARGE", message, { context: { rule: name, bytes } });
  }
}

function holdsIdentity(relation: Relation, { key, outputs }: BoundParts): boolean {
  const held = new Set<string | undefined>();
  for (const output of outputs) {
    if (output.kind !== "copied" || output.path !== undefined) continue;
    if (key.includes(output.column.name)) held.add(relation.columns[output.source]?.name);
  }
  return relation.identity.length > 0 && relation.identity.every((column) => held.has(column));
}

/** With commas: faster than `join` for the few values of a row. */
function joined(forms: readonly string[]): string {
  let text = forms[0] ?? "";
  for (let at = 1; at < forms.length; at += 1) text += `,${forms[at] ?? ""}`;
  return text;
}
