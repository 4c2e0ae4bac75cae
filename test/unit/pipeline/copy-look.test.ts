/** The look for vanished rows after a copy goes on beside the stream, however long it takes. */
import { afterEach, expect, it } from "vitest";
import { createScriptedConnector } from "../../../connectors/scripted/connector.js";
import { ScriptedSource } from "../../../connectors/scripted/scripted-source.js";
import { systemClock, systemRandom } from "../../../src/base/clock.js";
import { silentLog } from "../../../src/base/log.js";
import { Secret } from "../../../src/base/secret.js";
import { openMemoryJournal } from "../../../src/journal/memory/memory-journal.js";
import { silentPipelineMetrics } from "../../../src/pipeline/metrics.js";
import { Pipeline } from "../../../src/pipeline/pipeline.js";
import { compileRules } from "../../../src/rules/compile.js";
import { ruleDefinition } from "../../../src/rules/definition.js";

const items = {
  name: "public.items",
  columns: [
    { name: "id", type: "int" as const },
    { name: "note", type: "text" as const },
  ],
  key: ["id"],
  lazy: ["note"],
};

const { rules } = compileRules([
  ruleDefinition.parse({ name: "items", source: "shop", from: items.name, channel: "all" }),
]);

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A pipeline over `source` whose scans wait until `open` is called. */
async function gated(source: ScriptedSource) {
  const journal = openMemoryJournal();
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let scans = 0;
  const scan = journal.scan.bind(journal);
  Object.assign(journal, {
    scan: async (request: Parameters<typeof scan>[0]) => {
      scans += 1;
      await gate;
      return scan(request);
    },
  });
  const connector = createScriptedConnector(new Map([["shop", source]]));
  const options = new Secret<unknown>({ tables: [], rows: {}, script: [] });
  const pipeline = new Pipeline({
    ...{ journal, rules, log: silentLog, clock: systemClock, random: systemRandom },
    ...{ sources: [{ name: "shop", connector, options }], metrics: silentPipelineMetrics },
  });
  await pipeline.begin();
  const life = new AbortController();
  const ended = pipeline.run(life.signal);
  stops.push(async () => {
    open();
    life.abort(new Error("stopped"));
    await ended;
    await journal.close();
  });
  const rows = async (): Promise<string[]> => {
    const lap = await journal.reader.read([{ channel: "all", after: 0 }], 10_000);
    const entries = lap.channels[0]?.entries ?? [];
    return entries.map(({ op, body }) => `${op} ${Buffer.from(body).toString()}`);
  };
  const copying = () => journal.reader.copying.length;
  return { scans: () => scans, open, rows, copying };
}

it("does not hold the stream, which may change what is looked at", async () => {
  const rows = { [items.name]: [1, 2].map((id) => ({ id, note: `n${id}` })) };
  const source = new ScriptedSource({ tables: [items], rows });
  const { scans, open, rows: shown, copying } = await gated(source);
  await expect.poll(scans).toBe(1);
  source.commit([
    { insert: items.name, row: { id: 3, note: "n3" } },
    { delete: items.name, key: [1] },
    { update: items.name, key: [2], set: { note: "x" } },
  ]);
  await expect.poll(shown).toEqual(['i 3,"n3"', "d 1", 'u 2,"x"']);
  expect(copying()).toBe(1);
  open();
  await expect.poll(copying).toBe(0);
  expect(await shown()).toEqual(['i 3,"n3"', "d 1", 'u 2,"x"']);
});
