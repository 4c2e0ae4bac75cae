/** A journal is used only with the sources that it was written from. */
import { describe, expect, it } from "vitest";
import { connector as scripted } from "../../../connectors/scripted/connector.js";
import { Secret } from "../../../src/base/secret.js";
import { journalProblems, keepConnectors } from "../../../src/compose/journal-sources.js";
import type { Config, SourceConfig } from "../../../src/config/config.js";
import type { Connector } from "../../../src/connector/connector.js";
import { MemoryDisk } from "../../../src/journal/memory/memory-disk.js";
import { openMemoryJournal } from "../../../src/journal/memory/memory-journal.js";

function config(...sources: readonly (readonly [string, string])[]) {
  const made = sources.map(([name, kind]): [string, SourceConfig] => {
    const connector = { ...scripted, name: kind } as Connector;
    return [name, { name, connector, options: new Secret(undefined) }];
  });
  return { sources: new Map(made), journal: { path: "/journal" } as Config["journal"] };
}

/** A disk on which these sources were read. */
async function readFrom(...sources: readonly (readonly [string, string])[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const journal = openMemoryJournal({ disk });
  await keepConnectors(journal, config(...sources).sources);
  const position = { generation: 1, position: "1", mark: "", memo: "" };
  const positions = new Map(sources.map(([name]) => [name, position]));
  await journal.append(journal.block(), { positions, facts: new Map() });
  await journal.close();
  return disk;
}

function problemsOf(disk: MemoryDisk, ...sources: readonly (readonly [string, string])[]) {
  const journal = openMemoryJournal({ disk });
  const read = { sources: journal.reader.notice.sources.keys() };
  return journalProblems({ ...read, fact: (name) => journal.fact(name) }, config(...sources));
}

describe("the sources of a journal", () => {
  it("are welcome again, with new ones beside them", async () => {
    const disk = await readFrom(["shop", "postgres"]);
    expect(problemsOf(disk, ["shop", "postgres"], ["bank", "mongodb"])).toEqual([]);
  });

  it("are anybody's while nothing was read", () => {
    expect(problemsOf(new MemoryDisk(), ["shop", "postgres"])).toEqual([]);
  });

  it("may not vanish: each missing name is told with the way out", async () => {
    const disk = await readFrom(["shop", "postgres"], ["bank", "postgres"]);
    const problems = problemsOf(disk, ["store", "postgres"]);
    expect(problems.map(({ message }) => message)).toEqual([
      "opening the journal /journal: it holds the source shop; here are store",
      "opening the journal /journal: it holds the source bank; here are store",
    ]);
    expect(problems[0]).toMatchObject({ code: "JOURNAL_OTHER_SOURCE", path: ["journal", "path"] });
    expect(problems[0]?.cure).toContain("old name");
  });

  it("may not become databases of another kind under the same name", async () => {
    const disk = await readFrom(["shop", "postgres"]);
    const problems = problemsOf(disk, ["shop", "mongodb"]);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain("by the connector postgres, not mongodb");
  });

  it("are written down once", async () => {
    const disk = await readFrom(["shop", "postgres"]);
    const journal = openMemoryJournal({ disk });
    let appends = 0;
    const counted = new Proxy(journal, {
      get: (target, name) => {
        if (name === "append") appends += 1;
        const found = Reflect.get(target, name, target) as unknown;
        return typeof found === "function" ? (found.bind(target) as unknown) : found;
      },
    });
    await keepConnectors(counted, config(["shop", "postgres"]).sources);
    expect(appends).toBe(0);
    await keepConnectors(counted, config(["shop", "postgres"], ["bank", "postgres"]).sources);
    expect(appends).toBe(1);
    expect(journal.fact("service.connector.bank")).toBe("postgres");
  });
});
