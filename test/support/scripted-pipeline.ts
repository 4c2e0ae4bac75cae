/** The pipeline over one table, in a memory journal: for tests of what happens while it is copied. */
import { expect } from "vitest";
import { createScriptedConnector } from "../../connectors/scripted/connector.js";
import type { ScriptedSource } from "../../connectors/scripted/scripted-source.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import { Secret } from "../../src/base/secret.js";
import type { Connector } from "../../src/connector/connector.js";
import type { JournalWriter } from "../../src/journal/journal.js";
import { openMemoryJournal } from "../../src/journal/memory/memory-journal.js";
import { silentPipelineMetrics } from "../../src/pipeline/metrics.js";
import { Pipeline } from "../../src/pipeline/pipeline.js";
import { compileRules } from "../../src/rules/compile.js";
import { ruleDefinition } from "../../src/rules/definition.js";

export const items = {
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

export interface ScriptedPipeline {
  /** What the channel holds, one line an entry. */
  readonly rows: () => Promise<string[]>;
  /** Rules whose content is not complete. */
  readonly copying: () => number;
  /** Up to where the source was taken. */
  readonly position: () => string | undefined;
  readonly stop: () => Promise<void>;
}

export function startScriptedPipeline(
  source: ScriptedSource,
  journal: JournalWriter = openMemoryJournal(),
): Promise<ScriptedPipeline> {
  const connector = createScriptedConnector(new Map([["shop", source]])) as Connector;
  return startPipeline(connector, { tables: [], rows: {}, script: [] }, journal);
}

export async function startPipeline(
  connector: Connector,
  read: unknown,
  journal: JournalWriter = openMemoryJournal(),
): Promise<ScriptedPipeline> {
  const options = new Secret<unknown>(read);
  const pipeline = new Pipeline({
    ...{ journal, rules, log: silentLog, clock: systemClock, random: systemRandom },
    ...{ sources: [{ name: "shop", connector, options }], metrics: silentPipelineMetrics },
  });
  await pipeline.begin();
  const life = new AbortController();
  const ended = pipeline.run(life.signal);
  const { reader } = journal;
  return {
    rows: async () => {
      const lap = await reader.read([{ channel: "all", after: 0 }], 10_000);
      const entries = lap.channels[0]?.entries ?? [];
      return entries.map(({ op, body }) => `${op} ${Buffer.from(body).toString()}`);
    },
    copying: () => reader.copying.length,
    position: () => reader.notice.sources.get("shop")?.position,
    stop: async () => {
      life.abort(new Error("stopped"));
      await ended;
      await journal.close();
    },
  };
}

/** When all is copied. `behind` is committed and taken while the first chunk, whose rows are read, is on its way. */
export async function copiedBeside(
  source: ScriptedSource,
  behind: () => void,
): Promise<ScriptedPipeline> {
  let chunks = 0;
  let taken: () => boolean = () => false;
  source.chunkGate = async () => {
    chunks += 1;
    if (chunks > 1) return;
    behind();
    await expect.poll(() => taken()).toBe(true);
  };
  const pipeline = await startScriptedPipeline(source);
  taken = () => pipeline.position() === source.head;
  await expect.poll(() => pipeline.copying()).toBe(0);
  return pipeline;
}
