/** A row under another key, or with a newer value, is not the one that the chunk on its way shows under that key. */
import { afterEach, expect, it } from "vitest";
import { ScriptedSource } from "../../../connectors/scripted/scripted-source.js";
import type { LoggedTransaction, Write } from "../../../connectors/scripted/scripted-source.js";
import type { Change } from "../../../src/model/change.js";
import { copiedBeside, items } from "../../support/scripted-pipeline.js";
import type { ScriptedPipeline } from "../../support/scripted-pipeline.js";

let running: ScriptedPipeline | undefined;

afterEach(async () => {
  await running?.stop();
  running = undefined;
});

const optionsOf = (notes: readonly string[]) => ({
  tables: [items],
  rows: { [items.name]: notes.map((note, at) => ({ id: at + 1, note })) },
});

const table = items.name;
const move = (from: number, to: number): Write => ({ update: table, key: [from], set: { id: to } });
const put = (id: number, at: number, char: string): Write => ({
  patch: table,
  key: [id],
  set: { column: "note", at, char },
});

/** What the channel holds after the copy, whose first chunk was on its way when `writes` were taken. */
async function rowsAfter(
  source: ScriptedSource,
  ...transactions: readonly (readonly Write[])[]
): Promise<string[]> {
  running = await copiedBeside(source, () => {
    for (const writes of transactions) source.commit(writes);
  });
  const held = new Map<string, string>();
  for (const line of await running.rows()) {
    const [, op = "", id = "", note = ""] = /^(\w) (\d+),?(.*)$/.exec(line) ?? [];
    if (op === "d") held.delete(id);
    else held.set(id, note);
  }
  return [...held].map(([id, note]) => `${id} ${note}`).sort();
}

it("a row that took the place of another keeps its value", async () => {
  const source = new ScriptedSource(optionsOf(["abc", "xyz"]));
  const rows = await rowsAfter(source, [{ delete: table, key: [2] }, move(1, 2)]);
  expect(rows).toEqual(['2 "abc"']);
});

it("rows that changed their places keep their values", async () => {
  const source = new ScriptedSource(optionsOf(["abc", "xyz"]));
  const rows = await rowsAfter(source, [move(1, 9)], [move(2, 1)], [move(9, 2)]);
  expect(rows).toEqual(['1 "xyz"', '2 "abc"']);
});

it("what was put into a row at another place comes back with it", async () => {
  const source = new ScriptedSource(optionsOf(["abc"]));
  const rows = await rowsAfter(source, [move(1, 9), put(9, 0, "n")], [move(9, 1), put(1, 2, "t")]);
  expect(rows).toEqual(['1 "nbt"']);
});

/** Tells the first told note as it became later, as a document is told that is read ahead of the stream. */
class AheadSource extends ScriptedSource {
  later = "";

  override after(position: string): LoggedTransaction | undefined {
    const logged = super.after(position);
    return logged && { ...logged, changes: logged.changes.map((change) => this.#ahead(change)) };
  }

  #ahead(change: Change): Change {
    if (change.op !== "update" || change.values[1] === undefined) return change;
    return { ...change, values: change.values.with(1, this.later) };
  }
}

it("what does not fit a newer value is not put into the chunk's", async () => {
  const source = new AheadSource(optionsOf(["abc"]));
  source.later = '"n"';
  const update = { update: table, key: [1], set: { note: "new" } };
  // Nobody knows the value between; the next copy does.
  expect(await rowsAfter(source, [update, put(1, 2, "t")])).toEqual(['1 "net"']);
});
