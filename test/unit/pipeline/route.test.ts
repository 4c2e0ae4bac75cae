/** What one changed row makes of one document: every way in which a row enters, changes and leaves channels. */
import { describe, expect, it } from "vitest";
import type { KeptDocument } from "../../../src/model/document.js";
import { routeCopied, routeDelete, routeRow } from "../../../src/pipeline/route.js";
import type { RouteContext, Routed } from "../../../src/pipeline/route.js";
import { bound, product, products } from "../../support/relations.js";

type Told = Readonly<Record<string, string | undefined>>;

/** Rows of `products` under one rule, and what was kept of them. */
class Rows {
  readonly context: { -readonly [Name in keyof RouteContext]: RouteContext[Name] };
  readonly kept = new Map<string, KeptDocument>();

  constructor(parts: Readonly<Record<string, unknown>> = {}) {
    const made = bound({ fields: ["id", "name", "store_id"], ...parts });
    this.context = {
      ...{ rule: made.rule, relation: "public.products", bound: made, schema: 1, copy: 1 },
      ...{ ruleVersion: 1, canCopy: true, position: "05", at: 99, kindOf: () => undefined },
    };
  }

  insert(told: Told = {}): Routed {
    const values = product(told as Record<string, string>);
    return this.#keep(
      routeRow(
        { op: "insert", relation: products, identity: identityOf(values), values },
        this.#pair(identityOf(values)),
        this.context,
      ),
    );
  }

  /** `told` alone is told, the rest is unchanged. */
  update(id: string, told: Told, previous?: string): Routed {
    const values = products.columns.map(({ name }) => (name === "id" ? id : told[name]));
    const moved = previous === undefined ? {} : { previous: `[${previous}]` };
    const change = { op: "update", relation: products, identity: `[${id}]`, values } as const;
    const pair = { ...this.#pair(`[${id}]`), previous: this.kept.get(`[${previous ?? ""}]`) };
    return this.#keep(routeRow({ ...change, ...moved }, pair, this.context));
  }

  remove(id: string): Routed {
    const values = products.columns.map(({ name }) => (name === "id" ? id : undefined));
    const change = { op: "delete", relation: products, identity: `[${id}]`, values } as const;
    return this.#keep(routeRow(change, this.#pair(`[${id}]`), this.context));
  }

  copied(told: Told = {}): Routed {
    const values = product(told as Record<string, string>);
    const identity = identityOf(values);
    return this.#keep(routeCopied({ identity, values }, this.kept.get(identity), this.context));
  }

  #pair(identity: string) {
    return { own: this.kept.get(identity), previous: undefined };
  }

  #keep(routed: Routed): Routed {
    for (const { document, state } of routed.changes) {
      if (document === null) continue;
      if (state === null) this.kept.delete(document.identity);
      else {
        const targets = state.channels.map((channel) => ({ channel, serial: 1 }));
        const body = Buffer.from(state.body);
        this.kept.set(document.identity, { ...state, body, targets });
      }
    }
    return routed;
  }
}

function identityOf(values: readonly string[]): string {
  return `[${values[0] ?? ""}]`;
}

function entries({ changes }: Routed): string[] {
  return changes.flatMap((change) =>
    change.entries.map(
      ({ op, channel, body }) => `${op} ${channel} ${Buffer.from(body).toString()}`,
    ),
  );
}

describe("a row of a state rule", () => {
  it("enters its channel, changes there, and leaves it with a delete", () => {
    const rows = new Rows();
    expect(entries(rows.insert())).toEqual(['i store:7 1,"tea",7']);
    expect(entries(rows.update("1", { name: '"mint"' }))).toEqual(['u store:7 1,"mint",7']);
    expect(entries(rows.remove("1"))).toEqual(["d store:7 1"]);
    expect(rows.kept.size).toBe(0);
  });

  it("says nothing where nothing that the channel holds has changed", () => {
    const rows = new Rows();
    rows.insert();
    expect(entries(rows.update("1", { quantity: "6" }))).toEqual([]);
    expect(rows.remove("2").changes).toEqual([]);
  });

  it("moves: leaves the one channel with m, enters the other", () => {
    const rows = new Rows();
    rows.insert();
    expect(entries(rows.update("1", { store_id: "8" }))).toEqual([
      "m store:7 1",
      'i store:8 1,"tea",8',
    ]);
  });

  it("leaves every channel when `where` fails, and comes back without being told all again", () => {
    const rows = new Rows({ where: "doc.archived == false" });
    rows.insert();
    expect(entries(rows.update("1", { archived: "true" }))).toEqual(["d store:7 1"]);
    expect(rows.kept.size, "it is kept").toBe(1);
    expect(entries(rows.update("1", { archived: "false" }))).toEqual(['i store:7 1,"tea",7']);
  });

  it("goes to many channels, and to the difference of two lists", () => {
    const rows = new Rows({ channels: "['all', 'store:' + string(doc.store_id)]" });
    expect(entries(rows.insert())).toHaveLength(2);
    expect(entries(rows.update("1", { store_id: "8" }))).toEqual([
      "m store:7 1",
      'u all 1,"tea",8',
      'i store:8 1,"tea",8',
    ]);
  });

  it("goes under its old key when its identity changes", () => {
    const rows = new Rows();
    rows.insert();
    expect(entries(rows.update("2", {}, "1"))).toEqual(["d store:7 1", 'i store:7 2,"tea",7']);
    expect([...rows.kept.keys()]).toEqual(["[2]"]);
  });
});

describe("values that the stream leaves out", () => {
  it("come from the kept document of the same copy", () => {
    const rows = new Rows({ where: "doc.note != 'gone'" });
    rows.insert({ note: '"long"' });
    const routed = rows.update("1", { name: '"mint"' });
    expect([routed.waits, entries(routed)]).toEqual([false, ['u store:7 1,"mint",7']]);
  });

  it("wait for the copy where the kept document is of an earlier one", () => {
    const rows = new Rows();
    rows.insert();
    rows.context.copy = 2;
    const routed = rows.update("1", { store_id: "8" });
    expect([routed.waits, entries(routed)]).toEqual([true, []]);
    expect(rows.kept.get("[1]")?.targets, "it stays where it was").toHaveLength(1);
    expect(entries(rows.copied({ store_id: "8", name: '"mint"' }))).toEqual([
      "m store:7 1",
      'i store:8 1,"mint",8',
    ]);
  });

  it("are parked where no copy will ever bring them", () => {
    const rows = new Rows();
    rows.context.canCopy = false;
    const routed = rows.update("1", { name: '"mint"' });
    expect([routed.waits, routed.parked]).toEqual([false, "PIPELINE_VALUE_UNKNOWN"]);
  });
});

describe("a row that cannot be mapped", () => {
  const fails = { channel: "store:{100 / doc.quantity}" };

  it("leaves its channels, keeps its values, and is tried again by the next change", () => {
    const rows = new Rows(fails);
    rows.insert();
    const parked = rows.update("1", { quantity: "0", name: '"mint"' });
    expect(parked.parked).toBe("RULE_EVALUATION_FAILED");
    expect(entries(parked)).toEqual(["d store:20 1"]);
    expect(rows.kept.get("[1]")?.parked).toMatchObject({ position: "05", at: 99 });
    expect(entries(rows.update("1", { quantity: "10" }))).toEqual(['i store:10 1,"mint",7']);
    expect(rows.kept.get("[1]")?.parked).toBeUndefined();
  });

  it("stays as it was under onError: keep", () => {
    const rows = new Rows({ ...fails, onError: "keep" });
    rows.insert();
    const parked = rows.update("1", { quantity: "0", name: '"mint"' });
    expect([parked.parked, entries(parked)]).toEqual(["RULE_EVALUATION_FAILED", []]);
    expect(entries(rows.remove("1")), "a delete removes it all the same").toEqual(["d store:20 1"]);
  });

  it("is parked where the rule no longer fits its relation", () => {
    const rows = new Rows();
    rows.insert();
    rows.context.bound = undefined;
    const parked = rows.update("1", { name: '"mint"' });
    expect([parked.parked, entries(parked)]).toEqual(["PIPELINE_RULE_UNBOUND", ["d store:7 1"]]);
  });

  it("is parked where its channel is of the other kind", () => {
    const rows = new Rows();
    rows.context.kindOf = () => "events";
    expect(rows.insert().parked).toBe("PIPELINE_CHANNEL_KIND");
  });
});

describe("a row of an events rule", () => {
  const events = { kind: "events" };

  it("is told of as it came, moves and all", () => {
    const rows = new Rows(events);
    expect(entries(rows.insert())).toEqual(['i store:7 1,"tea",7']);
    expect(entries(rows.update("1", { quantity: "6" }))).toEqual(['u store:7 1,"tea",7']);
    expect(entries(rows.update("1", { store_id: "8" }))).toEqual(['u store:8 1,"tea",8']);
    expect(entries(rows.remove("1"))).toEqual(["d store:8 1"]);
  });

  it("becomes another row under another key", () => {
    const rows = new Rows(events);
    rows.insert();
    expect(entries(rows.update("2", {}, "1"))).toEqual(["d store:7 1", 'i store:7 2,"tea",7']);
  });

  it("is not told of by a copy, unless a change waited for it", () => {
    const rows = new Rows(events);
    expect(entries(rows.copied())).toEqual([]);
    rows.context.copy = 2;
    expect(rows.update("1", { store_id: "8" }).waits).toBe(true);
    expect(entries(rows.copied({ store_id: "8" }))).toEqual(['u store:8 1,"tea",8']);
    const kept = rows.kept.get("[1]");
    expect(routeDelete("[1]", kept, rows.context, true).changes[0]?.entries).toEqual([]);
  });

  it("needs no identity", () => {
    const { context } = new Rows(events);
    const change = { relation: products, identity: null, values: product() } as const;
    const kept = { own: undefined, previous: undefined };
    for (const [op, entry] of [
      ["insert", 'i store:7 1,"tea",7'],
      ["update", 'u store:7 1,"tea",7'],
      ["delete", "d store:7 1"],
    ] as const) {
      expect(entries(routeRow({ ...change, op }, kept, context))).toEqual([entry]);
    }
  });
});
