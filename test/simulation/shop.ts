/**
 * The simulated database: two tables, every state they ever had by position, and what rules say of each
 * by a naive reading. `deeds` gets one row of its own in every transaction, so each leaves one trace in the
 * `events` channel; two rows of `items` always add up to the same price.
 */
import { ScriptedSource } from "../../connectors/scripted/scripted-source.js";
import type { Write } from "../../connectors/scripted/scripted-source.js";
import type { TableDefinition } from "../../connectors/scripted/scripted-table.js";
import type { Clock } from "../../src/base/clock.js";
import type { Relation } from "../../src/model/change.js";
import { compileRules } from "../../src/rules/compile.js";
import { ruleDefinition } from "../../src/rules/definition.js";
import type { Rule } from "../../src/rules/rule.js";
import { rowChain } from "../support/row-chains.js";
import type { SeededRandom } from "../support/seeded-random.js";

export const SOURCE = "shop";
export const DEEDS = "told";
export const stateChannels = ["shelf:0", "shelf:1", "rich"] as const;
export const allChannels: readonly string[] = [...stateChannels, DEEDS];

const KEYS = 7;
/** So many chunks at most are read with a chain of writes behind them: copies have to come to an end. */
const CHAINS_MAX = 2;
const SHELVES = 2;
const PRICES = 100;
/** Rows whose prices add up to PRICES whenever nobody looks in the middle. */
const LEFT = 100;
const RIGHT = 101;

const items: TableDefinition = {
  name: "public.items",
  columns: [
    { name: "id", type: "int" },
    { name: "shelf", type: "int" },
    { name: "price", type: "int" },
    { name: "note", type: "text" },
  ],
  key: ["id"],
  lazy: ["note"],
};

const deeds: TableDefinition = {
  name: "public.deeds",
  columns: [{ name: "n", type: "int" }],
  key: ["n"],
};

/** What a configuration says: rows below `dearest` stand on their shelf, those above `rich` are rich. */
export interface RuleSet {
  readonly rules: readonly Rule[];
  readonly dearest: number;
  /** Undefined: there is no such rule. */
  readonly rich: number | undefined;
}

function ruleSet(dearest: number, rich: number | undefined): RuleSet {
  const parts = [
    {
      ...{ name: "items", from: items.name, channel: "shelf:{doc.shelf}" },
      where: `doc.price < ${dearest}`,
    },
    ...(rich === undefined
      ? []
      : [
          {
            ...{ name: "rich", from: items.name, channel: "rich", as: "items" },
            where: `doc.price > ${rich}`,
          },
        ]),
    { name: "told", from: deeds.name, channel: DEEDS, as: "told", kind: "events" },
  ];
  const { rules } = compileRules(
    parts.map((part) => ruleDefinition.parse({ source: SOURCE, ...part })),
  );
  return { rules: rules.map(boundOnce), dearest, rich };
}

/** Binding is the most of a world's beginning, and every world's tables are alike. */
function boundOnce(rule: Rule): Rule {
  const known = new Map<string, ReturnType<Rule["bind"]>>();
  const bind = rule.bind.bind(rule);
  return Object.assign(rule, {
    bind: (relation: Relation) => {
      const bound = known.get(relation.fingerprint) ?? bind(relation);
      known.set(relation.fingerprint, bound);
      return bound;
    },
  });
}

export const ruleSets: readonly [RuleSet, ...RuleSet[]] = [
  ruleSet(90, 50),
  ruleSet(70, 50),
  ruleSet(90, 20),
  ruleSet(90, undefined),
];

/** A channel's rows as the journal writes them, each behind its table. */
export type Rows = ReadonlySet<string>;

interface Moment {
  readonly items: readonly (readonly string[])[];
}

/** A transaction that the reader's place has not passed yet when it was made. */
export interface Deed {
  readonly position: string;
  readonly n: number;
}

/** Tells when its reader lets it forget. */
class WatchedSource extends ScriptedSource {
  onRelease: (history: string, position: string) => void = () => undefined;

  override release(position: string): void {
    this.onRelease(this.history, position);
    super.release(position);
  }
}

export class Shop {
  readonly source: WatchedSource;
  readonly #random: SeededRandom;
  readonly #moments = new Map<string, Moment>();
  /** By history: every transaction that was logged. */
  readonly #deeds = new Map<string, Deed[]>();
  #count = 0;

  /** `chains`: draws what happens behind chunks that are on their way. */
  constructor(random: SeededRandom, clock: Clock, chains?: SeededRandom) {
    this.#random = random;
    const rows = [
      ...Array.from({ length: 3 }, (_, id) => this.#item(id)),
      { id: LEFT, shelf: 0, price: 40, note: "left" },
      { id: RIGHT, shelf: 1, price: PRICES - 40, note: "right" },
    ];
    this.source = new WatchedSource({
      tables: [items, deeds],
      rows: { [items.name]: rows },
      ...{ clock, partCount: 3 },
    });
    this.#remember();
    if (chains !== undefined) this.#chain(chains);
  }

  /** One transaction. */
  commit(): void {
    const count = 1 + this.#random.below(this.#random.below(8) === 0 ? 12 : 3);
    const writes: Write[] = Array.from({ length: count }, () => this.#write()).flat();
    this.#log(writes);
  }

  #log(writes: readonly Write[]): void {
    this.#count += 1;
    this.source.commit([...writes, { insert: deeds.name, row: { n: this.#count } }]);
    const { history, head } = this.source;
    const known = this.#deeds.get(history);
    if (known === undefined) this.#deeds.set(history, [{ position: head, n: this.#count }]);
    else known.push({ position: head, n: this.#count });
    this.#remember();
  }

  forget(): void {
    this.source.forget();
    this.#remember();
  }

  /** What was committed in a history after a place and up to another. */
  deeds(history: string, after: string, to: string): number[] {
    const known = this.#deeds.get(history) ?? [];
    return known.filter(({ position }) => position > after && position <= to).map(({ n }) => n);
  }

  /** What a channel must hold at a position; undefined where there never was such a position. */
  expected(
    channel: string,
    at: { history: string; position: string },
    set: RuleSet,
  ): Rows | undefined {
    const moment = this.#moments.get(`${at.history} ${at.position}`);
    if (moment === undefined) return undefined;
    const rows = new Set<string>();
    for (const values of moment.items) {
      const price = Number(values[2]);
      const isThere =
        channel === "rich"
          ? set.rich !== undefined && price > set.rich
          : channel === `shelf:${values[1] ?? ""}` && price < set.dearest;
      if (isThere) rows.add(`items ${values.join(",")}`);
    }
    return rows;
  }

  #chain(random: SeededRandom): void {
    let left = CHAINS_MAX;
    this.source.chunkGate = async (relation) => {
      if (relation !== items.name || left === 0 || random.below(2) === 0) return;
      left -= 1;
      const chained = { table: items.name, keys: KEYS };
      for (const writes of rowChain(this.source, random, chained)) this.#log(writes);
    };
  }

  #remember(): void {
    const { history, head } = this.source;
    const rows = this.source.table(items.name)?.rows() ?? [];
    this.#moments.set(`${history} ${head}`, { items: rows.map(({ values }) => values) });
  }

  #write(): Write[] {
    const id = this.#random.below(KEYS);
    const key = [id];
    const draw = this.#random.below(100);
    if (draw < 30) {
      const row = this.#item(id);
      return this.#has(id)
        ? [{ update: items.name, key, set: row }]
        : [{ insert: items.name, row }];
    }
    if (draw < 45) return [{ update: items.name, key, set: { price: this.#random.below(PRICES) } }];
    if (draw < 55)
      return [{ update: items.name, key, set: { shelf: this.#random.below(SHELVES) } }];
    if (draw < 65) return [{ delete: items.name, key }];
    if (draw < 72) {
      const free = this.#random.below(KEYS);
      if (this.#has(free)) return [{ delete: items.name, key: [free] }];
      return [{ update: items.name, key, set: { id: free } }];
    }
    if (draw < 75) return this.#truncate();
    const price = this.#random.below(PRICES);
    return [
      { update: items.name, key: [LEFT], set: { price } },
      { update: items.name, key: [RIGHT], set: { price: PRICES - price } },
    ];
  }

  #truncate(): Write[] {
    const price = this.#random.below(PRICES);
    return [
      { truncate: items.name },
      { insert: items.name, row: { id: LEFT, shelf: 0, price, note: "left" } },
      { insert: items.name, row: { id: RIGHT, shelf: 1, price: PRICES - price, note: "right" } },
    ];
  }

  #has(id: number): boolean {
    const identity = `[${id}]`;
    return (
      this.source
        .table(items.name)
        ?.rows()
        .some((row) => row.identity === identity) === true
    );
  }

  #item(id: number): Record<string, string | number> {
    const price = this.#random.below(PRICES);
    const note = `t${this.#random.below(1_000)}`;
    return { id, shelf: this.#random.below(SHELVES), price, note };
  }
}
