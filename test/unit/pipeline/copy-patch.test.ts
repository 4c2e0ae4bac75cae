/** What an update did inside a value that is still being copied: it is lost neither before nor behind the chunk's place. */
import { afterEach, expect, it } from "vitest";
import { ScriptedSource } from "../../../connectors/scripted/scripted-source.js";
import { copiedBeside, items } from "../../support/scripted-pipeline.js";
import type { ScriptedPipeline } from "../../support/scripted-pipeline.js";

let running: ScriptedPipeline | undefined;

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

function sourceOf(notes: readonly string[]): ScriptedSource {
  const rows = { [items.name]: notes.map((note, at) => ({ id: at + 1, note })) };
  return new ScriptedSource({ tables: [items], rows });
}

const put = (id: number, at: number, char: string) => ({
  patch: items.name,
  key: [id],
  set: { column: "note", at, char },
});

async function copied(source: ScriptedSource, behind: () => void): Promise<ScriptedPipeline> {
  running = await copiedBeside(source, behind);
  return running;
}

it("is put into the chunk's value, in its order", async () => {
  const source = sourceOf(["abc", "abc"]);
  const { rows } = await copied(source, () => {
    source.commit([put(1, 0, "x"), put(1, 1, "y")]);
    source.commit([put(1, 0, "z")]);
  });
  expect(await rows()).toEqual(['i 1,"zyc"', 'i 2,"abc"']);
});

it("is put into the value that the stream told after it was read", async () => {
  const source = sourceOf(["abc"]);
  const { rows } = await copied(source, () => {
    source.commit([put(1, 0, "x")]);
    source.commit([{ update: items.name, key: [1], set: { note: "new" } }, put(1, 2, "t")]);
  });
  expect(await rows()).toEqual(['u 1,"net"']);
});

it("is forgotten with its row", async () => {
  const source = sourceOf(["abc", "abc"]);
  const { rows } = await copied(source, () => {
    source.commit([put(1, 0, "x"), { delete: items.name, key: [1] }]);
    source.commit([put(2, 0, "x"), { delete: items.name, key: [2] }]);
    source.commit([{ insert: items.name, row: { id: 2, note: "abc" } }, put(2, 1, "y")]);
  });
  expect(await rows()).toEqual(['u 2,"ayc"']);
});
