/** What is published beside the program is what the program takes: the examples, and the editors' schema. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { configJsonSchema } from "../../../src/config/json-schema.js";
import { loadConfig, loadConfigText } from "../../../src/config/load.js";

const path = (name: string): string => {
  return fileURLToPath(new URL(`../../../config/${name}`, import.meta.url));
};

const environment = {
  SHOP_URL: "postgres://reader:x@localhost/shop",
  CHANGECAST_DEMO_URL: "postgres://reader:x@localhost/shop",
  CHANGECAST_DEMO_MONGODB_URL: "mongodb://reader:x@localhost/?replicaSet=rs0",
  CHANGECAST_DEMO_JOURNAL: "/tmp/journal",
  CHANGECAST_DEMO_PORT: "7070",
  CHANGECAST_DEMO_PAGES: "/tmp/pages",
  CHANGECAST_DEMO_OPS_PORT: "7071",
  OFFICE_KEY: "0123456789abcdef",
  JWT_SECRET: "0123456789abcdef0123456789abcdef",
};

describe("the published files", () => {
  it.each([
    ["example.yaml", 1],
    ["demo.yaml", 1],
    ["mongodb.yaml", 1],
    ["both.yaml", 2],
  ])("config/%s is taken without a problem", async (name, sources) => {
    const { problems, config } = await loadConfig(path(name), environment);
    expect(problems).toEqual([]);
    expect(config?.sources.size).toBe(sources);
  });

  it("config/example.yaml shows settings that are taken when they are used, and tells true defaults", async () => {
    const text = readFileSync(path("example.yaml"), "utf8");
    const plain = await loadConfig(path("example.yaml"), environment);
    const used = text
      .replace("fields: [id, name, quantity]", "")
      .replace(/^( *)# (?=(?: *(?:- )?)[A-Za-z]+:)/gm, "$1");
    const file = { file: "example.yaml", baseDir: path("."), environment };
    const { problems, config } = await loadConfigText({ ...file, text: used });
    expect(problems).toEqual([]);
    expect(Object.keys(parse(used) as object).sort()).toEqual(
      ["auth", "journal", "listen", "log", "ops", "rules", "sources"].sort(),
    );
    const { journal, listen, ops, log } = config ?? {};
    expect({ journal, listen, ops, log }).toEqual({
      journal: plain.config?.journal,
      listen: plain.config?.listen,
      ops: plain.config?.ops,
      log: plain.config?.log,
    });
  });

  it("config/changecast.schema.json is what `changecast check --schema` prints", async () => {
    const published = readFileSync(path("changecast.schema.json"), "utf8");
    expect(published).toBe(await configJsonSchema());
  });
});
