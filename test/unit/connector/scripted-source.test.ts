/** A scripted source with places that are not, or not any more, of its history, and what its reader must not miss. */
import { describe, expect, it } from "vitest";
import { createScriptedConnector } from "../../../connectors/scripted/connector.js";
import { ScriptedSource } from "../../../connectors/scripted/scripted-source.js";
import { silentLog } from "../../../src/base/log.js";
import type { SourceSession } from "../../../src/connector/connector.js";
import type { SourcePosition } from "../../../src/model/position.js";
import { SeededRandom } from "../../support/seeded-random.js";
import { VirtualClock } from "../../support/virtual-clock.js";

const table = { name: "t", columns: [{ name: "id", type: "int" }], key: ["id"] } as const;

function sourceOf(): { source: ScriptedSource; open: OpenSource } {
  const clock = new VirtualClock();
  const source = new ScriptedSource({ tables: [table], clock });
  const connector = createScriptedConnector(new Map([["shop", source]]));
  const open: OpenSource = (resume) =>
    connector.open({
      ...{ source: "shop", options: { tables: [], rows: {}, script: [] }, relations: ["t"] },
      ...{ resume, clock, random: new SeededRandom(1), log: silentLog, fields: () => [] },
      signal: new AbortController().signal,
    });
  return { source, open };
}

type OpenSource = (resume?: SourcePosition) => Promise<SourceSession>;

describe("a place of a scripted source", () => {
  it("before what was acknowledged has lost what came after it", async () => {
    const { source, open } = sourceOf();
    const session = await open();
    const early = source.commit([{ insert: "t", row: { id: 1 } }]);
    const late = source.commit([{ insert: "t", row: { id: 2 } }]);
    const memo = session.memo();
    const place = { generation: 1, mark: "", memo };
    session.acknowledge(late);
    expect((await open({ ...place, position: late })).lost).toBeUndefined();
    const restored = await open({ ...place, position: early });
    expect([restored.generation, restored.lost?.code]).toEqual([2, "PIPELINE_SOURCE_RESYNC"]);
  });

  it("of another history is acknowledged to nobody", async () => {
    const { source, open } = sourceOf();
    const old = await open();
    const place = source.commit([{ insert: "t", row: { id: 1 } }]);
    source.forget();
    await open();
    source.commit([{ insert: "t", row: { id: 2 } }]);
    old.acknowledge(place);
    expect(source.retained).toBe(1);
  });
});

describe("a reader of a scripted source", () => {
  it("reads what is committed while the script is asked for its next step", async () => {
    const { source, open } = sourceOf();
    const life = new AbortController();
    const batches = (await open()).read(life.signal)[Symbol.asyncIterator]();
    await batches.next();
    const next = batches.next();
    const position = source.commit([{ insert: "t", row: { id: 1 } }]);
    expect((await next).value).toMatchObject({ kind: "transaction", position });
    life.abort();
  });
});
