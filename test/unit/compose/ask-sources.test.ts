/**
 * What a source and its tables tell before a start, over scripted sources and connectors that fail in every
 * way that a check may: each failure must become a problem, or stop the asking, and nothing may be lost.
 */
import { describe, expect, it } from "vitest";
import { createScriptedConnector } from "../../../connectors/scripted/connector.js";
import { AppError } from "../../../src/base/errors.js";
import { askSources } from "../../../src/compose/ask-sources.js";
import { loadConfigText, type LoadedConfig } from "../../../src/config/load.js";
import type { Connector } from "../../../src/connector/connector.js";
import type { SourcePosition } from "../../../src/model/position.js";

const columns = "columns: [{ name: id, type: int }, { name: store, type: int }]";

function yaml(rules: string, sources = ["shop"]): string {
  const written = sources.map(
    (name) => `  ${name}:
    connector: scripted
    tables: [{ name: products, key: [id], ${columns} }, { name: lonely, key: [id], ${columns} }]`,
  );
  return `sources:\n${written.join("\n")}\nrules:\n${rules}`;
}

const inventory = `  - { name: inventory, source: shop, from: products, channel: "store:{doc.store}" }\n`;

async function load(text: string, check?: Connector["check"]): Promise<LoadedConfig> {
  const scripted = createScriptedConnector(new Map());
  const connector = (check === undefined ? scripted : { ...scripted, check }) as Connector;
  return loadConfigText({
    ...{ file: "changecast.yaml", text, baseDir: "/", environment: {} },
    connectors: () => Promise.resolve(connector),
  });
}

async function ask(
  loaded: LoadedConfig,
  options: { readonly signal?: AbortSignal; readonly resume?: SourcePosition } = {},
) {
  const { config } = loaded;
  if (config === undefined) throw new Error(JSON.stringify(loaded.problems));
  const { signal = new AbortController().signal, resume } = options;
  const problems = await askSources({ config, signal, resume: () => resume });
  return problems.map((problem) => {
    const { level, code, message, line } = loaded.locate(problem);
    return { level, code, message, line };
  });
}

const somewhere: SourcePosition = {
  generation: 1,
  position: "0000000000000001",
  mark: "",
  memo: "",
};

describe("asking the sources", () => {
  it("finds nothing where every rule has its table", async () => {
    expect(await ask(await load(yaml(inventory)))).toEqual([]);
  });

  it("tells a missing table at its rule, and only warns of a pattern that matches nothing yet", async () => {
    const rules = `${inventory.replace("products", "prodcuts")}
  - { name: later, source: shop, from: "orders_*", channel: later }
`;
    const found = await ask(await load(yaml(rules)));
    expect(found.map(({ level, code, line }) => ({ level, code, line }))).toEqual([
      { level: "error", code: "RULE_RELATION_UNMATCHED", line: 6 },
      { level: "warning", code: "RULE_RELATION_UNMATCHED", line: 8 },
    ]);
  });

  it("tells what a rule cannot do with its table", async () => {
    const rules = inventory.replace("doc.store}", "doc.shop}");
    const found = await ask(await load(yaml(rules)));
    expect(found).toMatchObject([{ level: "error", code: "RULE_EXPRESSION_INVALID", line: 6 }]);
  });

  it("asks every source, though the first one fails", async () => {
    const rules = `${inventory}  - { name: other, source: spare, from: products, channel: other }\n`;
    const loaded = await load(yaml(rules, ["shop", "spare"]), ({ source }) => {
      const message = `asking ${source}: nobody answers`;
      return Promise.reject(new AppError("CONNECTOR_CONNECTION_LOST", message));
    });
    const found = await ask(loaded);
    expect(found.map(({ message, line }) => ({ message, line }))).toEqual([
      { message: "asking shop: nobody answers", line: 2 },
      { message: "asking spare: nobody answers", line: 5 },
    ]);
  });

  it("refuses a start without the source, and only warns once the journal has read it", async () => {
    const loaded = await load(yaml(inventory), () => {
      return Promise.reject(new AppError("CONNECTOR_CONNECTION_LOST", "asking: nobody answers"));
    });
    expect(await ask(loaded)).toMatchObject([{ level: "error" }]);
    expect(await ask(loaded, { resume: somewhere })).toMatchObject([{ level: "warning" }]);
  });

  it("refuses what waiting cannot mend also when the journal has read the source", async () => {
    const problem = { code: "CONFIG_INVALID", level: "error", message: "no", cure: "yes" } as const;
    const loaded = await load(yaml(inventory), () => {
      return Promise.resolve({ problems: [problem], relations: [] });
    });
    expect(await ask(loaded, { resume: somewhere })).toMatchObject([{ level: "error" }]);
  });

  it("hands on a connector's own mistake, and a stop", async () => {
    const mistake = new TypeError("a mistake");
    const broken = await load(yaml(inventory), () => Promise.reject(mistake));
    await expect(ask(broken)).rejects.toBe(mistake);
    const stop = new AbortController();
    const stopped = await load(yaml(inventory), ({ signal }) => {
      stop.abort(new Error("stopped"));
      return Promise.reject(signal.reason as Error);
    });
    await expect(ask(stopped, { signal: stop.signal })).rejects.toThrow("stopped");
  });
});
