/** The look for vanished rows after a copy goes on beside the stream, however long it takes. */
import { afterEach, expect, it } from "vitest";
import { ScriptedSource } from "../../../connectors/scripted/scripted-source.js";
import { openMemoryJournal } from "../../../src/journal/memory/memory-journal.js";
import { items, startScriptedPipeline } from "../../support/scripted-pipeline.js";

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
  const { rows, copying, stop } = await startScriptedPipeline(source, journal);
  stops.push(async () => {
    open();
    await stop();
  });
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
