/**
 * The rules of one source, bound to its relations as a session sees them. Made anew from the journal's
 * facts for every session: what a session had in memory and did not journal never happened.
 */
import type { Log } from "../base/log.js";
import type { Relation } from "../model/change.js";
import type { JournalWriter } from "../journal/journal.js";
import type { Rule } from "../rules/rule.js";
import { Pair, parsePair } from "./pair.js";
import { pairFact, pairFacts, relationOfPair } from "./pair.js";

export interface Binding {
  readonly relation: Relation;
  readonly pairs: readonly Pair[];
}

/** What binding a relation brought. */
export interface Bound extends Binding {
  /** Pairs whose old documents must go before anything else. */
  readonly clears: readonly Pair[];
}

export interface SourceRulesOptions {
  readonly journal: Pick<JournalWriter, "fact" | "factNames" | "schemaVersion">;
  /** Of this source. */
  readonly rules: readonly Rule[];
  readonly versions: ReadonlyMap<string, number>;
  /** The source lost history: every pair is copied again. */
  readonly isLost: boolean;
  readonly log: Log;
}

export class SourceRules {
  readonly #options: SourceRulesOptions;
  readonly #bindings = new Map<string, Binding>();

  constructor(options: SourceRulesOptions) {
    this.#options = options;
  }

  get pairs(): readonly Pair[] {
    return [...this.#bindings.values()].flatMap(({ pairs }) => pairs);
  }

  find(relation: string): Binding | undefined {
    return this.#bindings.get(relation);
  }

  /** The binding where the relation is the one that is known; undefined where it has to be bound. */
  known(relation: Relation): Binding | undefined {
    const binding = this.#bindings.get(relation.name);
    if (binding === undefined || binding.relation === relation) return binding;
    if (binding.relation.fingerprint !== relation.fingerprint) return undefined;
    const same = { ...binding, relation };
    this.#bindings.set(relation.name, same);
    return same;
  }

  /** Binds all rules that read it. Facts of its pairs may have changed. */
  bind(relation: Relation): Bound {
    const { rules } = this.#options;
    const before = this.#bindings.get(relation.name);
    const pairs: Pair[] = [];
    const clears: Pair[] = [];
    for (const rule of rules) {
      if (!rule.reads(relation.name)) continue;
      const known = before?.pairs.find((pair) => pair.rule === rule);
      const pair = known ?? this.#pairOf(rule, relation.name);
      if (this.#bindPair(pair, relation)) clears.push(pair);
      pairs.push(pair);
    }
    const binding = { relation, pairs };
    this.#bindings.set(relation.name, binding);
    return { ...binding, clears };
  }

  /** Facts that the journal does not hold as they are now. */
  get changedFacts(): readonly (readonly [string, string])[] {
    const { journal } = this.#options;
    return this.pairs.map(({ fact }) => fact).filter(([name, text]) => journal.fact(name) !== text);
  }

  /** Pairs that have documents, but whose relation is gone or is not read any more. */
  vanished(relations: readonly Relation[]): readonly { rule: Rule; relation: string }[] {
    const { journal, rules } = this.#options;
    const names = new Set(relations.map(({ name }) => name));
    return rules.flatMap((rule) =>
      journal
        .factNames(pairFacts(rule.name))
        .map(relationOfPair)
        .filter((relation) => !names.has(relation) || !rule.reads(relation))
        .map((relation) => ({ rule, relation })),
    );
  }

  #pairOf(rule: Rule, relation: string): Pair {
    const { journal, versions } = this.#options;
    const text = journal.fact(pairFact(rule.name, relation));
    const ruleVersion = versions.get(rule.name) ?? 1;
    if (text === undefined) return new Pair(rule, relation, { ruleVersion });
    const pair = new Pair(rule, relation, { record: parsePair(text), ruleVersion });
    if (this.#options.isLost) pair.restart(true);
    return pair;
  }

  #bindPair(pair: Pair, relation: Relation): boolean {
    const { journal, log } = this.#options;
    const { rule } = pair;
    const bound = rule.bind(relation);
    if ("problems" in bound) {
      const [problem] = bound.problems;
      log.error("rule.unbound", {
        ...{ rule: rule.name, relation: relation.name, code: "PIPELINE_RULE_UNBOUND" },
        ...{ problem: problem?.message, cure: problem?.cure },
      });
      pair.unbind();
      return false;
    }
    if (rule.kind === "state" && relation.identity.length === 0) {
      log.error("rule.unbound", {
        ...{ rule: rule.name, relation: relation.name, code: "PIPELINE_RULE_UNBOUND" },
        problem: "the source does not tell which row a change is about",
      });
      pair.unbind();
      return false;
    }
    const { kind } = rule;
    const shape = { kind, columns: bound.columns, key: bound.key };
    return pair.bind(bound, journal.schemaVersion(bound.table, shape));
  }
}
